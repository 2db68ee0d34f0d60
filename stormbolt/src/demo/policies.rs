//! The policies that the demo puts into force, and the ports that its traffic uses.

/// Requests of the critical class.
pub(super) const CRITICAL_PORT: u16 = 9000;
/// Streams of the web class.
pub(super) const WEB_PORT: u16 = 8080;
/// Everything else, the flood included.
pub(super) const BULK_PORT: u16 = 7000;

/// In force from the start.
///
/// Bulk has a ceiling because the flood's frames are small: what passes costs the host's stack a
/// microsecond a packet, whatever its bits. 10 Mbit/s are 20,000 of them a second.
pub(super) const FIRST: &str = r#"version = 1

[controller]
interval = "100ms"

[interface.eth0]
capacity = "1Gbit"
mode = "auto"

[class.critical]
priority = 0
rate = "100Mbit"
cpus = "SERVING"

[class.web]
priority = 3
rate = "200Mbit"
burst = "200ms"
cpus = "SERVING"

[class.bulk]
priority = 7
ceil = "10Mbit"
cpus = "SERVING"

[[rule]]
name = "critical requests"
protocol = "udp"
dst-port = 9000
class = "critical"

[[rule]]
name = "web"
protocol = "tcp"
dst-port = 8080
class = "web"

[default]
class = "bulk"
"#;

/// What the third phase changes: bulk gets half, critical is guaranteed half, and rates follow.
pub(super) fn changed(first: &str) -> String {
    first
        .replace("ceil = \"10Mbit\"", "ceil = \"5Mbit\"")
        .replace("rate = \"100Mbit\"", "rate = \"50Mbit\"")
}

/// The first policy for a machine with `cpus` CPUs: CPU 0 receives, the others serve.
pub(super) fn first(cpus: usize) -> String {
    let serving = match cpus {
        0 | 1 => "0".to_owned(),
        2 => "1".to_owned(),
        _ => format!("1-{}", cpus - 1),
    };
    FIRST.replace("SERVING", &serving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormbolt_control::units::BitsPerSecond;

    #[test]
    fn both_policies_are_valid_and_differ_where_the_demo_says() {
        let before = crate::config::parse("first", &first(2)).unwrap();
        let after = crate::config::parse("changed", &changed(&first(2))).unwrap();
        assert!(before.warnings.is_empty() && after.warnings.is_empty());
        let (before, after) = (before.policy, after.policy);
        assert_eq!(before.classes[2].ceil, Some(BitsPerSecond(10_000_000)));
        assert_eq!(after.classes[2].ceil, Some(BitsPerSecond(5_000_000)));
        assert_eq!(after.classes[0].rate, BitsPerSecond(50_000_000));
        assert_eq!(before.rules, after.rules);
    }
}
