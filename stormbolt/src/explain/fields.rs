//! Reads a question, and refuses what contradicts itself.

use std::net::IpAddr;

use stormbolt_common::classifier::Fragment;
use stormbolt_ebpf::parse::protocol;

use super::QuestionError;
use super::frame::Layout;
use super::hex::unhex;
use crate::api::explanation::{Place, Question, Word};
use crate::config::words;
use crate::datapath::EXPLAINED_FRAME_BYTES;

/// The first of the ports that clients are given (RFC 6335 section 6).
const CLIENT_PORT: u16 = 49_152;
const SYN: u8 = 2;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const MAX_VLAN: u16 = 4095;

/// The frame that a question is about.
///
/// # Errors
/// Something is missing, is no value of its kind, or contradicts something else.
pub fn frame_of(question: &Question) -> Result<Vec<u8>, QuestionError> {
    let Some(frame) = &question.frame else {
        return laid_out(question);
    };
    if let Some(key) = fields_given(question) {
        return refuse(key, "cannot be given together with a whole frame");
    }
    let frame = unhex(frame)?;
    let (shortest, longest) = bounds();
    if !(shortest..=longest).contains(&frame.len()) {
        let length = frame.len();
        return refuse(
            "frame",
            format!("it has {length} bytes; {shortest} to {longest} can be asked about"),
        );
    }
    Ok(frame)
}

/// The first field that is given.
fn fields_given(question: &Question) -> Option<&'static str> {
    let given = [
        ("src", question.src.is_some()),
        ("dst", question.dst.is_some()),
        ("protocol", question.protocol.is_some()),
        ("src_port", question.src_port.is_some()),
        ("dst_port", question.dst_port.is_some()),
        ("dscp", question.dscp.is_some()),
        ("vlan", question.vlan.is_some()),
        ("tcp_flags", question.tcp_flags.is_some()),
        ("icmp_type", question.icmp_type.is_some()),
        ("fragment", question.fragment.is_some()),
        ("length_bytes", question.length_bytes.is_some()),
    ];
    let first = given.into_iter().find(|(_, is_given)| *is_given);
    first.map(|(key, _)| key)
}

fn laid_out(question: &Question) -> Result<Vec<u8>, QuestionError> {
    let addresses = addresses(question)?;
    let protocol = protocol_of(question, addresses.0.is_ipv4())?;
    let fragment = match question.fragment.unwrap_or_default() {
        Place::No => Fragment::Whole,
        Place::First => Fragment::First,
        Place::Later => Fragment::Later,
    };
    let headers = Headers { protocol, fragment };
    let vlan = question.vlan;
    if vlan.is_some_and(|vlan| vlan > MAX_VLAN) {
        return refuse("vlan", format!("VLANs are numbered 0 to {MAX_VLAN}"));
    }
    // What does not fit the protocol is told before what it lacks.
    let (tcp_flags, icmp_type) = (headers.tcp_flags(question)?, headers.icmp_type(question)?);
    let layout = Layout {
        addresses,
        protocol,
        ports: headers.ports(question)?,
        dscp: read("dscp", question.dscp.as_ref(), words::dscp)?.unwrap_or(0),
        vlan,
        tcp_flags,
        icmp_type,
        fragment,
    };
    let length = length_of(question, &layout)?;
    Ok(layout.frame(length))
}

fn addresses(question: &Question) -> Result<(IpAddr, IpAddr), QuestionError> {
    let missing = |key| QuestionError::new(key, "is missing: a packet has one");
    let source = question.src.ok_or_else(|| missing("src"))?;
    let destination = question.dst.ok_or_else(|| missing("dst"))?;
    if source.is_ipv4() != destination.is_ipv4() {
        let family = |address: IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let (one, other) = (family(source), family(destination));
        return refuse(
            "dst",
            format!("{destination} is {other}, the source {source} is {one}"),
        );
    }
    Ok((source, destination))
}

/// The protocol: as given, or as what is given belongs to.
fn protocol_of(question: &Question, is_ipv4: bool) -> Result<u8, QuestionError> {
    let icmp = if is_ipv4 {
        protocol::ICMP
    } else {
        protocol::ICMPV6
    };
    let Some(given) = read("protocol", question.protocol.as_ref(), words::protocol)? else {
        return Ok(if question.icmp_type.is_some() {
            icmp
        } else {
            protocol::TCP
        });
    };
    let is_icmp = matches!(given, protocol::ICMP | protocol::ICMPV6);
    if is_icmp && given != icmp {
        let (name, other) = (words::write_protocol(given), words::write_protocol(icmp));
        return refuse(
            "protocol",
            format!("{name} does not go with these addresses; theirs is {other}"),
        );
    }
    if protocol::is_extension(given) && !is_ipv4 {
        let name = words::write_protocol(given);
        return refuse(
            "protocol",
            format!("{name} is an extension header of IPv6: ask about a whole frame instead"),
        );
    }
    Ok(given)
}

/// What there is behind the IP header.
#[derive(Clone, Copy)]
struct Headers {
    protocol: u8,
    fragment: Fragment,
}

impl Headers {
    fn ports(self, question: &Question) -> Result<(u16, u16), QuestionError> {
        let has_ports = matches!(
            self.protocol,
            protocol::TCP | protocol::UDP | protocol::SCTP
        );
        self.allow("src_port", question.src_port.is_some(), has_ports, "ports")?;
        self.allow("dst_port", question.dst_port.is_some(), has_ports, "ports")?;
        let source = question.src_port.unwrap_or(CLIENT_PORT);
        match question.dst_port {
            Some(destination) => Ok((source, destination)),
            None if has_ports && self.fragment != Fragment::Later => {
                let name = words::write_protocol(self.protocol);
                refuse("dst_port", format!("is missing: a {name} packet has one"))
            }
            None => Ok((source, 0)),
        }
    }

    fn tcp_flags(self, question: &Question) -> Result<u8, QuestionError> {
        let is_tcp = self.protocol == protocol::TCP;
        let given = question.tcp_flags.as_ref();
        self.allow("tcp_flags", given.is_some(), is_tcp, "TCP flags")?;
        given.map_or(Ok(SYN), |text| {
            words::tcp_flags(text).map_err(|problem| QuestionError::new("tcp_flags", problem))
        })
    }

    fn icmp_type(self, question: &Question) -> Result<u8, QuestionError> {
        let is_icmp = matches!(self.protocol, protocol::ICMP | protocol::ICMPV6);
        let given = question.icmp_type.as_ref();
        self.allow("icmp_type", given.is_some(), is_icmp, "ICMP types")?;
        let default = if self.protocol == protocol::ICMP {
            ECHO_REQUEST
        } else {
            ECHO_REQUEST_V6
        };
        let read = read("icmp_type", given, |text| {
            words::icmp_type(text, self.protocol)
        });
        Ok(read?.unwrap_or(default))
    }

    /// Refuses what is given though such a packet does not have it.
    fn allow(
        self,
        key: &'static str,
        is_given: bool,
        fits: bool,
        what: &str,
    ) -> Result<(), QuestionError> {
        if !is_given {
            return Ok(());
        }
        if !fits {
            let name = words::write_protocol(self.protocol);
            return refuse(key, format!("{name} packets have no {what}"));
        }
        if self.fragment == Fragment::Later {
            return refuse(key, format!("later fragments carry no {what}"));
        }
        Ok(())
    }
}

fn length_of(question: &Question, layout: &Layout) -> Result<Option<usize>, QuestionError> {
    let Some(length) = question.length_bytes.map(usize::from) else {
        return Ok(None);
    };
    let (_, longest) = bounds();
    let headers = layout.headers();
    if length < headers {
        return refuse(
            "length_bytes",
            format!("{length} bytes are less than the headers have, {headers}"),
        );
    }
    if length > longest {
        return refuse(
            "length_bytes",
            format!("frames of at most {longest} bytes can be asked about"),
        );
    }
    Ok(Some(length))
}

/// Reads a word, if there is one.
fn read(
    key: &'static str,
    word: Option<&Word>,
    read: impl Fn(&str) -> Result<u8, String>,
) -> Result<Option<u8>, QuestionError> {
    let Some(word) = word else {
        return Ok(None);
    };
    let number = match word {
        Word::Number(number) => read(&number.to_string()),
        Word::Name(name) => read(name),
    };
    number
        .map(Some)
        .map_err(|problem| QuestionError::new(key, problem))
}

fn bounds() -> (usize, usize) {
    (*EXPLAINED_FRAME_BYTES.start(), *EXPLAINED_FRAME_BYTES.end())
}

fn refuse<T>(key: &'static str, problem: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError::new(key, problem))
}
