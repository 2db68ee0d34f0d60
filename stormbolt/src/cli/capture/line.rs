//! A captured packet on one line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::documents::{CapturedIp, CapturedPacket};
use crate::cli::format::end;
use crate::cli::output::Style;
use crate::cli::table::printable;

/// The line, without a newline.
pub(super) fn of(packet: &CapturedPacket, style: Style) -> String {
    let what = match &packet.ip {
        Some(ip) => headers(ip),
        None => "not IP".to_owned(),
    };
    let class = match (&packet.class, &packet.rule) {
        (Some(class), Some(rule)) => format!("{class} by {rule}"),
        (Some(class), None) => format!("{class} by default"),
        (None, Some(rule)) => format!("by {rule}"),
        (None, None) => "unclassified".to_owned(),
    };
    let outcome = if packet.dropped {
        style.error(&packet.outcome)
    } else {
        packet.outcome.clone()
    };
    format!(
        "{} {} {what}, {} bytes, {}: {outcome}",
        time(packet.unix_nanoseconds),
        printable(&packet.interface),
        packet.frame_bytes,
        printable(&class),
    )
}

/// The time of day where this machine is, to a microsecond.
fn time(unix_nanoseconds: u64) -> String {
    let time = Timestamp::from_nanosecond(unix_nanoseconds.into()).unwrap_or_default();
    let time = time.to_zoned(TimeZone::system());
    time.strftime("%H:%M:%S.%6f").to_string()
}

fn headers(ip: &CapturedIp) -> String {
    let flags = ip.tcp_flags.as_ref().map(|flags| format!(" {flags}"));
    format!(
        "{} > {} {}{}",
        end(ip.source, ip.source_port),
        end(ip.destination, ip.destination_port),
        ip.protocol,
        flags.unwrap_or_default()
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A packet that was dropped.
    pub(in super::super) fn packet() -> CapturedPacket {
        CapturedPacket {
            unix_nanoseconds: 1_700_000_000_123_456_789,
            interface: "eth0".to_owned(),
            cpu: 3,
            frame_bytes: 1_514,
            class: Some("bulk".to_owned()),
            rule: Some("rule 4".to_owned()),
            outcome: "over_rate".to_owned(),
            dropped: true,
            stands_for_halves: 2,
            ip: Some(CapturedIp {
                source: "192.0.2.1".parse().unwrap(),
                destination: "2001:db8::2".parse().unwrap(),
                protocol: "tcp".to_owned(),
                source_port: Some(50_000),
                destination_port: Some(443),
                tcp_flags: Some("psh,ack".to_owned()),
            }),
            frame: "0011223344".to_owned(),
        }
    }

    fn written(packet: &CapturedPacket) -> String {
        let line = of(packet, Style::default());
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with(":20.123456"), "{time}");
        rest.to_owned()
    }

    #[test]
    fn a_line_says_who_what_and_why() {
        assert_eq!(
            written(&packet()),
            "eth0 192.0.2.1:50000 > [2001:db8::2]:443 tcp psh,ack, 1514 bytes, bulk by rule 4: over_rate"
        );
        let arp = CapturedPacket {
            class: None,
            rule: None,
            ip: None,
            outcome: "not_ip".to_owned(),
            dropped: false,
            ..packet()
        };
        assert_eq!(
            written(&arp),
            "eth0 not IP, 1514 bytes, unclassified: not_ip"
        );
    }

    #[test]
    fn names_cannot_command_a_terminal() {
        let strange = CapturedPacket {
            class: Some("bulk\x1b[2J".to_owned()),
            ..packet()
        };
        assert!(!of(&strange, Style::default()).contains('\x1b'));
    }
}
