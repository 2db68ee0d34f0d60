//! Address prefixes.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::diagnostic::{Problem, Problems, Span};

/// Reads `192.0.2.0/24`, `2001:db8::/32` or a bare address, which stands for itself alone. Host
/// bits are warned about and cleared.
pub(super) fn prefix(text: &str, span: Span, problems: &mut Problems) -> Option<IpNet> {
    let parsed = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(net) = parsed else {
        let message = format!("`{text}` is not an address or a prefix");
        problems.add(Problem::error(span, message).help(hint(text)));
        return None;
    };
    if let IpNet::V6(net) = net {
        refuse_mapped(net, &span, problems)?;
    }
    let masked = net.trunc();
    if masked != net {
        let message = format!("prefix `{text}` has host bits set");
        let help = format!("it is read as `{masked}`; write that, or the address alone");
        problems.add(Problem::warning(span, message).help(help));
    }
    Some(masked)
}

/// IPv4 packets match IPv4 prefixes only, so a mapped prefix would never match.
fn refuse_mapped(net: Ipv6Net, span: &Span, problems: &mut Problems) -> Option<()> {
    let Some(address) = net
        .addr()
        .to_ipv4_mapped()
        .filter(|_| net.prefix_len() >= 96)
    else {
        return Some(());
    };
    let problem = Problem::error(
        span.clone(),
        format!("`{net}` is an IPv4 prefix in IPv6 form"),
    );
    problems.add(problem.help(format!("write `{address}/{}`", net.prefix_len() - 96)));
    None
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
    if text
        .split_once('-')
        .is_some_and(|(first, _)| first.trim().parse::<IpAddr>().is_ok())
    {
        return "ranges of addresses are written as prefixes".to_owned();
    }
    "write `192.0.2.0/24`, `2001:db8::/32`, an address, or `@NAME` for a set".to_owned()
}
