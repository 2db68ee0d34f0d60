//! Never lock the operator out: whether a policy drops the packets of the session that it comes from.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use nix::ifaddrs::getifaddrs;
use stormbolt_common::classifier::Fragment;
use stormbolt_control::explain::{Packet, why};
use stormbolt_control::policy::{Action, Policy, RulesInForce};

/// Header with the session: addresses and ports of client and server as in `SSH_CONNECTION`.
pub const SESSION: &str = "stormbolt-session";

const TCP: u8 = 6;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x08;
/// A segment without data, and one with a keystroke, both with timestamps: flags and length.
const SEGMENTS: [(u8, u32); 2] = [(ACK, 66), (PUSH | ACK, 102)];
/// Code points of interactive sessions, as OpenSSH marks them: none, AF21, EF.
const CODE_POINTS: [u8; 3] = [0, 18, 46];

/// An SSH session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    client: SocketAddr,
    server: SocketAddr,
}

impl FromStr for Session {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [client, client_port, server, server_port] = words.try_into().map_err(|_| ())?;
        let end = |address: &str, port: &str| {
            // fe80::1%eth0
            let address = address.split('%').next().unwrap_or_default();
            let address: IpAddr = address.parse().map_err(|_| ())?;
            let port = port.parse().map_err(|_| ())?;
            Ok(SocketAddr::new(address.to_canonical(), port))
        };
        Ok(Self {
            client: end(client, client_port)?,
            server: end(server, server_port)?,
        })
    }
}

impl Session {
    /// What of `new` would cut the session off, where `old` does not.
    pub(super) fn cut_off(self, old: &Policy, new: &Policy) -> Option<String> {
        let interface = interface_of(self.server.ip());
        let dropped = self.dropped(new, interface.as_deref())?;
        match self.dropped(old, interface.as_deref()) {
            Some(_) => None,
            None => Some(dropped),
        }
    }

    /// The rule that drops its packets, on the interface that has the server's address, or on any.
    fn dropped(self, policy: &Policy, interface: Option<&str>) -> Option<String> {
        if policy.shadow {
            return None;
        }
        let is_it = |name: &str| interface == Some(name);
        let is_known = policy.interfaces.iter().any(|one| is_it(&one.name));
        let interfaces = policy.interfaces.iter().enumerate();
        let interfaces = interfaces.filter(|(_, one)| !is_known || is_it(&one.name));
        let rules = RulesInForce::of(policy);
        interfaces
            .flat_map(|(position, one)| CODE_POINTS.map(|dscp| (position, one, dscp)))
            .flat_map(|place| SEGMENTS.map(|segment| (place, segment)))
            .find_map(|((position, interface, dscp), segment)| {
                let packet = self.packet(position, dscp, segment);
                let found = why(rules.all(), &policy.sets, &packet, 0).first_match?;
                let rule = rules.all().get(found)?;
                (rule.action == Action::Drop).then(|| {
                    format!(
                        "rule `{}` at position {} drops what {} sends to {} on {}",
                        rule.name,
                        rules.own_position(found).map_or(0, |own| own + 1),
                        self.client.ip(),
                        self.server,
                        interface.name
                    )
                })
            })
    }

    fn packet(self, interface: usize, dscp: u8, (tcp_flags, length): (u8, u32)) -> Packet {
        Packet {
            source: self.client.ip(),
            destination: self.server.ip(),
            source_port: Some(self.client.port()),
            destination_port: Some(self.server.port()),
            protocol: TCP,
            dscp,
            vlan: None,
            tcp_flags: Some(tcp_flags),
            fragment: Fragment::Whole,
            icmp_type: None,
            length,
            interface,
        }
    }
}

/// The interface that has an address.
fn interface_of(address: IpAddr) -> Option<String> {
    let has = |one: &nix::ifaddrs::InterfaceAddress| {
        let own = one.address.as_ref()?;
        let own: IpAddr = match (own.as_sockaddr_in(), own.as_sockaddr_in6()) {
            (Some(own), _) => own.ip().into(),
            (_, Some(own)) => own.ip().into(),
            _ => return None,
        };
        (own == address).then(|| one.interface_name.clone())
    };
    getifaddrs().ok()?.find_map(|one| has(&one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// Without an exemption, unless `rules` has one.
    fn policy(rules: &str) -> Policy {
        let off = "[management]\nexempt = false\n";
        let off = if rules.contains("[management]") {
            ""
        } else {
            off
        };
        let text = format!(
            "version = 1\n[interface.eth7]\ncapacity = \"1Gbit\"\n[class.a]\n{off}{rules}[default]\nclass = \"a\"\n"
        );
        config::parse("p", &text).unwrap().policy
    }

    #[test]
    fn a_policy_that_drops_the_session_is_found_with_its_rule() {
        let session: Session = "192.0.2.7 50000 198.51.100.1 22".parse().unwrap();
        let open = policy("");
        let dropped = |rules: &str| session.cut_off(&open, &policy(rules));
        let drop = "[[rule]]\nsrc = \"192.0.2.0/24\"\nprotocol = \"tcp\"\ndst-port = 22\naction = \"drop\"\n";
        assert_eq!(
            dropped(drop).unwrap(),
            "rule `rule 1` at position 1 drops what 192.0.2.7 sends to 198.51.100.1:22 on eth7"
        );
        let pass = format!("[[rule]]\nsrc = \"192.0.2.7\"\naction = \"pass\"\n{drop}");
        assert_eq!(dropped(&pass), None);
        assert_eq!(dropped(&drop.replace("22\n", "23\n")), None);
        assert_eq!(dropped(&drop.replace("\"drop\"", "\"shadow-drop\"")), None);
        // A session that is cut off already is not asked about.
        assert_eq!(session.cut_off(&policy(drop), &policy(drop)), None);
    }

    #[test]
    fn a_session_that_is_exempt_is_cut_off_by_the_switch_and_not_by_a_rule() {
        let session: Session = "192.0.2.7 50000 198.51.100.1 22".parse().unwrap();
        let drop = "[[rule]]\naction = \"drop\"\n";
        let exempt = policy(&format!("[management]\nsrc = \"192.0.2.0/24\"\n{drop}"));
        assert_eq!(session.cut_off(&policy(""), &exempt), None);
        assert_eq!(
            session.cut_off(&exempt, &policy(drop)).unwrap(),
            "rule `rule 1` at position 1 drops what 192.0.2.7 sends to 198.51.100.1:22 on eth7"
        );
        for elsewhere in ["src = \"203.0.113.0/24\"", "ports = 2222"] {
            let next = policy(&format!("[management]\n{elsewhere}\n{drop}"));
            assert!(session.cut_off(&exempt, &next).is_some(), "{elsewhere}");
        }
    }

    #[test]
    fn a_session_that_stalls_at_the_first_keystroke_is_cut_off() {
        let session: Session = "192.0.2.7 50000 198.51.100.1 22".parse().unwrap();
        let drop = "[[rule]]\nlength = \"100-1500\"\naction = \"drop\"\n";
        assert!(session.cut_off(&policy(""), &policy(drop)).is_some());
    }

    #[test]
    fn sessions_are_read_as_ssh_writes_them() {
        let read = |text: &str| text.parse::<Session>();
        assert!(read("2001:db8::1 5 2001:db8::2 22").is_ok());
        assert!(read("fe80::1%eth0 5 fe80::2%eth0 22").is_ok());
        let mapped = read("::ffff:192.0.2.1 5 ::ffff:192.0.2.2 22").unwrap();
        assert!(mapped.client.is_ipv4());
        for wrong in [
            "",
            "a 5 b 22",
            "192.0.2.1 5 192.0.2.2",
            "192.0.2.1 5 192.0.2.2 70000",
        ] {
            assert_eq!(read(wrong), Err(()), "{wrong}");
        }
    }
}
