//! The peer: nftables, at the earliest place that it has.

use std::io::{ErrorKind, Write as _};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use ipnet::IpNet;

use super::Link;

/// How nftables is told what to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NftMatch {
    /// One rule with a set of all prefixes.
    Set,
    /// One rule for each prefix.
    Chain,
}

/// nftables with rules on a link's receiving end; they are gone with the link.
pub struct Nft;

impl Nft {
    /// Lets nftables drop what comes from one of the prefixes, in the ingress hook of the device,
    /// which is before everything but XDP; none if it is not installed.
    ///
    /// # Errors
    /// It refuses the rules.
    pub fn load(link: &Link, prefixes: &[IpNet], how: NftMatch) -> Result<Option<Self>> {
        Self::run(link, &ruleset(link.name(), prefixes, how))
    }

    /// Lets nftables drop what exceeds a rate, in the same hook; the burst is
    /// what passes at the rate in five milliseconds, at least two full frames.
    ///
    /// # Errors
    /// It refuses the rules.
    pub fn limit(link: &Link, bytes_per_second: u64) -> Result<Option<Self>> {
        let burst = (bytes_per_second / 200).max(3028);
        let rule =
            format!("limit rate over {bytes_per_second} bytes/second burst {burst} bytes drop\n");
        Self::run(link, &table(link.name(), "", &rule))
    }

    /// Lets nftables drop what exceeds a rate of all but UDP to `port`.
    ///
    /// # Errors
    /// It refuses the rules.
    pub fn limit_all_but(link: &Link, port: u16, bytes_per_second: u64) -> Result<Option<Self>> {
        let rules = format!(
            "udp dport {port} accept\nlimit rate over {bytes_per_second} bytes/second drop\n"
        );
        Self::run(link, &table(link.name(), "", &rules))
    }

    fn run(link: &Link, rules: &str) -> Result<Option<Self>> {
        let mut command = link.host().command("nft");
        command.args(["-f", "-"]).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            child => child.context("cannot run nft")?,
        };
        if let Some(mut input) = child.stdin.take() {
            input.write_all(rules.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let first = message.lines().next().unwrap_or_default();
            bail!("nft refuses the rules: {first}");
        }
        Ok(Some(Self))
    }
}

/// The rules, in nftables' own language.
fn ruleset(device: &str, prefixes: &[IpNet], how: NftMatch) -> String {
    let is_address = |net: &IpNet| net.prefix_len() == net.max_prefix_len();
    let text = |net: &IpNet| {
        if is_address(net) {
            net.addr().to_string()
        } else {
            net.to_string()
        }
    };
    let list: Vec<String> = prefixes.iter().map(text).collect();
    let (set, rules) = match how {
        NftMatch::Set => {
            let elements = list.join(", ");
            // Addresses are found by hash. Prefixes lie in others, which sets of intervals have no
            // room for unless merged.
            let flags = if prefixes.iter().all(is_address) {
                ""
            } else {
                "flags interval; auto-merge; "
            };
            let set =
                format!("set measured {{ type ipv4_addr; {flags}elements = {{ {elements} }} }}\n");
            (set, "ip saddr @measured drop\n".to_owned())
        }
        NftMatch::Chain => {
            let rules = list
                .iter()
                .map(|prefix| format!("ip saddr {prefix} drop\n"));
            (String::new(), rules.collect())
        }
    };
    table(device, &set, &rules)
}

/// A table with a chain in the ingress hook of a device.
fn table(device: &str, set: &str, rules: &str) -> String {
    format!(
        "table netdev bench {{\n{set}chain ingress {{\ntype filter hook ingress device \"{device}\" \
         priority 0; policy accept;\n{rules}}}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_one_rule_and_a_chain_one_for_each_prefix() {
        let prefixes = ["192.0.2.0/24", "198.51.100.7/32"].map(|text| text.parse().unwrap());
        let set = ruleset("eth0", &prefixes, NftMatch::Set);
        assert_eq!(set.matches("ip saddr").count(), 1);
        assert!(set.contains("{ 192.0.2.0/24, 198.51.100.7 }"), "{set}");
        assert!(set.contains("flags interval"), "{set}");
        let chain = ruleset("eth0", &prefixes, NftMatch::Chain);
        assert_eq!(chain.matches("ip saddr").count(), 2);
        assert!(
            chain.contains("device \"eth0\"") && !chain.contains("set "),
            "{chain}"
        );
    }

    #[test]
    fn a_set_of_addresses_is_no_set_of_intervals() {
        let hosts = ["192.0.2.1/32", "198.51.100.7/32"].map(|text| text.parse().unwrap());
        let set = ruleset("eth0", &hosts, NftMatch::Set);
        assert!(!set.contains("interval"), "{set}");
        assert!(set.contains("{ 192.0.2.1, 198.51.100.7 }"), "{set}");
    }
}
