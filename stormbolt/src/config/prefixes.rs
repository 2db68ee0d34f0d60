//! Address prefixes.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::diagnostic::{Problem, Problems, Span};

/// What is wrong with a prefix, and what to do about it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: String,
}

impl Fault {
    /// The fault as an error in the policy.
    pub(super) fn error(self, at: Span) -> Problem {
        Problem::error(at, self.message).help(self.help)
    }

    /// The fault as a warning about the policy.
    pub(super) fn warning(self, at: Span) -> Problem {
        Problem::warning(at, self.message).help(self.help)
    }
}

/// Reads `192.0.2.0/24`, `2001:db8::/32` or a bare address, which stands for itself alone. Host
/// bits are warned about and cleared.
pub(super) fn prefix(text: &str, span: Span, problems: &mut Problems) -> Option<IpNet> {
    match parse(text) {
        Ok(net) => {
            let masked = net.trunc();
            if masked != net {
                problems.add(host_bits(text, masked).warning(span));
            }
            Some(masked)
        }
        Err(fault) => {
            problems.add(fault().error(span));
            None
        }
    }
}

/// Reads a prefix, host bits included. A fault is put into words only when asked for: lists can
/// have millions of them.
pub(super) fn parse(text: &str) -> Result<IpNet, impl FnOnce() -> Fault> {
    let net = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let net = match net {
        Ok(IpNet::V6(net)) if mapped(net).is_some() => Some(net),
        Ok(net) => return Ok(net),
        Err(_) => None,
    };
    Err(move || match net {
        // IPv4 packets match IPv4 prefixes only, so a mapped prefix would never match.
        Some(net) => Fault {
            message: format!("`{net}` is an IPv4 prefix in IPv6 form"),
            help: mapped(net).map_or_else(String::new, |ipv4| format!("write `{ipv4}`")),
        },
        None => Fault {
            message: format!("`{text}` is not an address or a prefix"),
            help: hint(text),
        },
    })
}

/// The remark that `text` is read as `masked`.
pub(super) fn host_bits(text: &str, masked: IpNet) -> Fault {
    Fault {
        message: format!("prefix `{text}` has host bits set"),
        help: format!("it is read as `{masked}`; write that, or the address alone"),
    }
}

/// The IPv4 prefix that is written in IPv6 form.
fn mapped(net: Ipv6Net) -> Option<String> {
    let length = net.prefix_len().checked_sub(96)?;
    let address = net.addr().to_ipv4_mapped()?;
    Some(format!("{address}/{length}"))
}

fn hint(text: &str) -> String {
    if let Some(name) = text.strip_prefix('@') {
        return format!("a set cannot refer to another; list the prefixes of `{name}` here");
    }
    if matches!(text, "any" | "all" | "*") {
        return "leave the key out to match every address".to_owned();
    }
    if let Some((address, length)) = text.split_once('/')
        && let Ok(address) = address.parse::<IpAddr>()
    {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        return format!("`{length}` is not a prefix length from 0 to {longest}");
    }
    if text.starts_with('!') {
        return "a set has what it lists; rules negate it: `src = \"!@NAME\"`".to_owned();
    }
    if text.contains([';', ',']) {
        return "write one prefix; in texts and files each has a line, and comments begin with `#`"
            .to_owned();
    }
    if text
        .split_once('-')
        .is_some_and(|(first, _)| first.trim().parse::<IpAddr>().is_ok())
    {
        return "ranges of addresses are written as prefixes".to_owned();
    }
    "write `192.0.2.0/24`, `2001:db8::/32`, an address, or `@NAME` for a set".to_owned()
}
