//! Single values as policy files write them, for those who ask about one packet.

use super::diagnostic::did_you_mean;
use super::fields::{DSCP, ICMP, ICMP_TYPES, ICMPV6, ICMPV6_TYPES, PROTOCOLS, TCP_FLAGS};

/// Reads an IP protocol, by name or number.
///
/// # Errors
/// It is none, and what it might be.
pub fn protocol(text: &str) -> Result<u8, String> {
    number("a protocol", text, u8::MAX, PROTOCOLS)
}

/// Reads a differentiated services code point, by name or number.
///
/// # Errors
/// It is none, and what it might be.
pub fn dscp(text: &str) -> Result<u8, String> {
    number("a DSCP", text, 63, DSCP)
}

/// Reads an ICMP type, by number or by the name that it has in this protocol.
///
/// # Errors
/// It is none, and what it might be.
pub fn icmp_type(text: &str, protocol: u8) -> Result<u8, String> {
    let names = match protocol {
        ICMP => ICMP_TYPES,
        ICMPV6 => ICMPV6_TYPES,
        _ => &[],
    };
    number("an ICMP type", text, u8::MAX, names)
}

/// Reads the TCP flags that are set, `syn,ack`; `none` for none.
///
/// # Errors
/// A name is not that of a flag, and what it might be.
pub fn tcp_flags(text: &str) -> Result<u8, String> {
    if text.trim() == "none" {
        return Ok(0);
    }
    text.split(',').try_fold(0, |flags, name| {
        let name = name.trim();
        match TCP_FLAGS.iter().position(|flag| *flag == name) {
            Some(bit) => Ok(flags | 1 << bit),
            None => Err(not(
                "a TCP flag",
                name,
                TCP_FLAGS,
                &format!("they are {} or `none`", TCP_FLAGS.join(", ")),
            )),
        }
    })
}

/// Writes TCP flags as [`tcp_flags`] reads them.
pub fn write_tcp_flags(flags: u8) -> String {
    let is_set = |(bit, _): &(usize, &&str)| flags >> bit & 1 == 1;
    let names = TCP_FLAGS.iter().enumerate().filter(is_set);
    let names: Vec<&str> = names.map(|(_, name)| *name).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(",")
    }
}

/// The name of an IP protocol, or its number.
pub fn write_protocol(number: u8) -> String {
    let named = PROTOCOLS
        .iter()
        .find(|(_, named)| *named == u16::from(number));
    named.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

fn number(what: &str, text: &str, max: u8, names: &[(&str, u16)]) -> Result<u8, String> {
    let text = text.trim();
    let found = names.iter().find(|(name, _)| *name == text);
    let number = found.map_or_else(|| text.parse().ok(), |(_, number)| Some(*number));
    let number = number.and_then(|number| u8::try_from(number).ok());
    let listed = names.iter().map(|(name, _)| *name);
    number.filter(|number| *number <= max).ok_or_else(|| {
        let form = if names.is_empty() { "" } else { " or a name" };
        not(
            what,
            text,
            listed,
            &format!("write a number up to {max}{form}"),
        )
    })
}

fn not<'a>(what: &str, text: &str, names: impl IntoIterator<Item = &'a str>, form: &str) -> String {
    // A file's worth of text may have been given.
    let shown: String = text.chars().take(64).collect();
    let help = did_you_mean(text, names).unwrap_or_else(|| form.to_owned());
    format!("`{shown}` is not {what}: {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_and_what_is_close_to_a_name_is_told() {
        assert_eq!((protocol("udp"), protocol("47")), (Ok(17), Ok(47)));
        assert_eq!((dscp("ef"), dscp("63")), (Ok(46), Ok(63)));
        assert_eq!(icmp_type("echo-request", ICMP), Ok(8));
        assert_eq!(icmp_type("echo-request", ICMPV6), Ok(128));
        assert_eq!(
            (tcp_flags("syn, ack"), tcp_flags("none")),
            (Ok(0x12), Ok(0))
        );
        for (refused, part) in [
            (protocol("upd"), "udp"),
            (protocol("256"), "255"),
            (dscp("64"), "63"),
            (icmp_type("echo", 6), "number"),
            (tcp_flags("sny"), "syn"),
            (tcp_flags(""), "none"),
        ] {
            let message = refused.unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for flags in 0..=255 {
            assert_eq!(tcp_flags(&write_tcp_flags(flags)), Ok(flags));
            assert_eq!(protocol(&write_protocol(flags)), Ok(flags));
        }
    }
}
