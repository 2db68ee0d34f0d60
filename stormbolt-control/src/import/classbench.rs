//! Filter sets of `ClassBench` and ClassBench-ng.

use super::addresses::Family;
use super::builder::{Builder, Imported, Options};
use super::draft::{Draft, Read, Side};
use super::names::TCP;
use super::values::number;
use crate::policy::{Accepts, Action, Addresses, Range, TcpFlagsMatch};

const ANY_PORT: Range<u16> = Range {
    first: 0,
    last: u16::MAX,
};

/// Translates filters, one a line:
/// `@source/length destination/length low : high low : high protocol/mask [flags/mask]`, source
/// ports before destination ports. Filters have no actions: they go into the classes of the
/// options in turn. Empty lines and those that begin with `#` do not count.
pub fn classbench(text: &str, options: &Options) -> Imported {
    let mut builder = Builder::new(text, options);
    let mut classes = (0..options.classes.len().max(1)).cycle();
    for (line, text) in builder.numbered_lines() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let class = classes.next().unwrap_or(0);
        let read = filter(text).and_then(|draft| builder.rule(line, draft, Action::Class(class)));
        if let Err(reason) = read {
            builder.untranslated(line, reason);
        }
    }
    builder.finish()
}

fn filter(text: &str) -> Read<Draft> {
    let Some(text) = text.strip_prefix('@') else {
        return Err("it is not a filter: those begin with `@`".to_owned());
    };
    // The colons stand alone, but some tools write them without white space.
    let spaced = parted(text);
    let mut fields = spaced.split_whitespace();
    let mut field = |what| fields.next().ok_or_else(|| format!("it has no {what}"));
    let source = field("source")?;
    let destination = field("destination")?;
    let mut range = |what| {
        let first = field(what)?;
        let colon = field(what)?;
        let range = ports(first, colon, field(what)?);
        range.ok_or_else(|| format!("the {what} are not `low : high` within 0 to 65535"))
    };
    let source_port = range("source ports")?;
    let destination_port = range("destination ports")?;
    let protocol = masked(field("protocol")?, "protocol")?;
    let flags = fields
        .next()
        .map(|text| masked(text, "flags"))
        .transpose()?;
    if let Some(more) = fields.next() {
        return Err(format!("`{more}` stands behind the flags"));
    }
    let mut draft = Draft::default();
    addresses(&mut draft, source, destination)?;
    for (side, ports) in [
        (Side::Source, source_port),
        (Side::Destination, destination_port),
    ] {
        if ports != ANY_PORT {
            draft.ports(side, Accepts::any_of(vec![ports]))?;
        }
    }
    let protocol = match protocol {
        (_, 0) => None,
        (value, 0xff) => u8::try_from(value).ok(),
        (_, mask) => {
            return Err(format!(
                "protocol mask {mask:#04x} is neither 0x00 nor 0xFF"
            ));
        }
    };
    if let Some(protocol) = protocol {
        draft.protocol(Accepts::any_of(vec![protocol]))?;
    }
    match flags {
        None | Some((_, 0)) => {}
        Some(flags) if protocol == Some(TCP) => draft.tcp_flags(tcp_flags(flags)?)?,
        Some(_) => return Err("only TCP packets have flags".to_owned()),
    }
    Ok(draft)
}

/// The text with white space around colons that part ports, not those in IPv6 addresses.
fn parted(text: &str) -> String {
    let mut fields = text.split_whitespace();
    let addresses = fields.by_ref().take(2).collect::<Vec<_>>().join(" ");
    let rest = fields.collect::<Vec<_>>().join(" ").replace(':', " : ");
    format!("{addresses} {rest}")
}

fn addresses(draft: &mut Draft, source: &str, destination: &str) -> Read {
    let read = |text: &str| {
        let prefix: Option<ipnet::IpNet> = text.parse().ok();
        let prefix = prefix.ok_or_else(|| format!("`{text}` is not a prefix"))?;
        Ok::<_, String>(prefix.trunc())
    };
    let (source, destination) = (read(source)?, read(destination)?);
    let family = Family::of(source.addr());
    if family != Family::of(destination.addr()) {
        return Err("no packet has an IPv4 and an IPv6 address".to_owned());
    }
    draft.family(family)?;
    for (side, prefix) in [(Side::Source, source), (Side::Destination, destination)] {
        if prefix != family.everything() {
            draft.addresses(side, Addresses::within(vec![prefix]))?;
        }
    }
    Ok(())
}

fn ports(first: &str, colon: &str, last: &str) -> Option<Range<u16>> {
    let (first, last) = (number(first)?, number(last)?);
    (colon == ":" && first <= last).then_some(Range { first, last })
}

/// `value/mask`, both in hexadecimal.
fn masked(text: &str, what: &str) -> Read<(u16, u16)> {
    let values = text.split_once('/');
    let values = values.and_then(|(value, mask)| number(value).zip(number(mask)));
    values.ok_or_else(|| format!("the {what} `{text}` are not of the form `0x06/0xFF`"))
}

/// The published sets have bytes 12 and 13 of the TCP header the other way round: flags are in the
/// upper byte, `0x1000/0x1000` is ACK and `0x0000/0x0200` everything without SYN.
fn tcp_flags((value, mask): (u16, u16)) -> Read<TcpFlagsMatch> {
    let ([set, _], [mask, others]) = (value.to_be_bytes(), mask.to_be_bytes());
    if others != 0 {
        return Err("it looks at other bits of the TCP header than flags".to_owned());
    }
    Ok(TcpFlagsMatch {
        negated: false,
        mask,
        set: set & mask,
    })
}
