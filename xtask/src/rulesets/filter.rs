//! One filter, and its line in a file.

use std::{fmt, net::IpAddr, ops::RangeInclusive, str::FromStr};

use anyhow::{Context as _, Error, Result, bail, ensure};
use ipnet::IpNet;

use super::headers::Header;

/// What a packet must be like to match: all five fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Where the packet comes from.
    pub source: IpNet,
    /// Where it goes; of the same version as `source`.
    pub destination: IpNet,
    /// Its source port; any for protocols without ports.
    pub source_port: RangeInclusive<u16>,
    /// Its destination port; any for protocols without ports.
    pub destination_port: RangeInclusive<u16>,
    /// Its protocol by number, or any.
    pub protocol: Option<u8>,
}

impl Filter {
    /// Reports whether a packet with `header` matches.
    pub fn matches(&self, header: &Header) -> bool {
        contains(&self.source, header.source)
            && contains(&self.destination, header.destination)
            && self.source_port.contains(&header.source_port)
            && self.destination_port.contains(&header.destination_port)
            && self
                .protocol
                .is_none_or(|protocol| protocol == header.protocol)
    }
}

fn contains(net: &IpNet, address: IpAddr) -> bool {
    net.contains(&address)
}

/// Writes the line of `ClassBench`: `@source destination low : high low : high protocol/mask`,
/// separated by tabs, the protocol in hexadecimal.
impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "@{}\t{}\t{} : {}\t{} : {}\t",
            self.source,
            self.destination,
            self.source_port.start(),
            self.source_port.end(),
            self.destination_port.start(),
            self.destination_port.end(),
        )?;
        match self.protocol {
            Some(protocol) => write!(formatter, "{protocol:#04x}/0xFF"),
            None => formatter.write_str("0x00/0x00"),
        }
    }
}

/// Reads what `Display` writes; fields behind the protocol, such as TCP flags, are refused.
impl FromStr for Filter {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let line = line.strip_prefix('@').context("no @ at the beginning")?;
        let mut fields = line.trim_end().split('\t');
        let mut field = |name| fields.next().with_context(|| format!("no {name}"));
        let filter = Self {
            source: field("source")?.parse().context("bad source")?,
            destination: field("destination")?.parse().context("bad destination")?,
            source_port: ports(field("source port")?).context("bad source port")?,
            destination_port: ports(field("destination port")?).context("bad destination port")?,
            protocol: protocol(field("protocol")?).context("bad protocol")?,
        };
        ensure!(fields.next().is_none(), "more than five fields");
        Ok(filter)
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>> {
    let (low, high) = text.split_once(" : ").context("no ` : `")?;
    let (low, high) = (low.parse()?, high.parse()?);
    ensure!(low <= high, "{low} is more than {high}");
    Ok(low..=high)
}

fn protocol(text: &str) -> Result<Option<u8>> {
    let (value, mask) = text.split_once("/0x").context("no mask")?;
    let value = value.strip_prefix("0x").context("not hexadecimal")?;
    match (
        u8::from_str_radix(value, 16)?,
        u8::from_str_radix(mask, 16)?,
    ) {
        (_, 0) => Ok(None),
        (value, 0xff) => Ok(Some(value)),
        (_, mask) => bail!("mask {mask:#04x} is neither 0x00 nor 0xFF"),
    }
}
