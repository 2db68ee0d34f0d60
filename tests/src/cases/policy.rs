//! The policy that the table is written for.

use stormbolt::config;
use stormbolt::datapath::PolicyTables;
use stormbolt_common::limits::{MAX_INTERFACES, cell};
use stormbolt_common::police::{BLOCKED, COST_FRACTION_BITS, ClassRate};

use crate::policies::RuleList;
use crate::tables::of_rules;

/// Two interfaces, a class per way through the policer and the steering, a rule per field.
pub const POLICY: &str = r#"
version = 1
[interface.lan]
capacity = "10Gbit"
[interface.wan]
capacity = "10Gbit"

[class.plain]
[class.steered]
[class.local]
[class.resting]
[class.queueless]
[class.blocked]
[class.metered]
[class.dry]

[[rule]]
name = "office"
src = ["10.1.0.0/16"]
class = "plain"
[[rule]]
name = "servers"
dst = ["2001:db8:1::/48"]
class = "plain"
[[rule]]
name = "exactly one host"
src = ["2001:db8:2::1/128"]
dst = ["2001:db8:2::2/128"]
class = "plain"
[[rule]]
name = "from ports"
src-port = ["5000-5010"]
class = "plain"
[[rule]]
name = "steered"
dst-port = [6001]
class = "steered"
[[rule]]
name = "local"
dst-port = [6002]
class = "local"
[[rule]]
name = "resting"
dst-port = [6003]
class = "resting"
[[rule]]
name = "queueless"
dst-port = [6004]
class = "queueless"
[[rule]]
name = "blocked"
dst-port = [6005]
class = "blocked"
[[rule]]
name = "metered"
dst-port = [6006]
class = "metered"
[[rule]]
name = "dry"
dst-port = [6007]
class = "dry"
[[rule]]
name = "passed"
dst-port = [6008]
action = "pass"
[[rule]]
name = "dropped"
dst-port = [6009]
action = "drop"
[[rule]]
name = "voice"
dscp = [46]
class = "plain"
[[rule]]
name = "guests"
vlan = ["100-110"]
class = "plain"
[[rule]]
name = "connects"
tcp-flags = "syn,!ack"
class = "plain"
[[rule]]
name = "first udp fragments"
protocol = ["udp"]
fragment = "first"
class = "plain"
[[rule]]
name = "later udp fragments"
protocol = ["udp"]
fragment = "later"
class = "plain"
[[rule]]
name = "pings"
icmp-type = [8, 128]
class = "plain"
[[rule]]
name = "large"
length = ["1400-1500"]
class = "plain"
[[rule]]
name = "from outside"
interface = ["wan"]
dst-port = [7000]
class = "plain"
[[rule]]
name = "sctp"
protocol = ["sctp"]
class = "plain"
[[rule]]
name = "esp"
protocol = ["esp"]
class = "plain"
[[rule]]
name = "no header behind"
protocol = [59]
class = "plain"

[default]
class = "plain"
"#;

/// Classes of [`POLICY`] in order.
pub const CLASSES: [&str; 8] = [
    "plain",
    "steered",
    "local",
    "resting",
    "queueless",
    "blocked",
    "metered",
    "dry",
];

/// CPU sets that its classes are steered over.
pub const CPU_SETS: u32 = 4;

/// Where a CPU set's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// To another CPU, which has a queue.
    AnotherCpu,
    /// To the CPU that the packets arrive on.
    ThisCpu,
    /// Nowhere.
    Stay,
    /// To a CPU that has no queue.
    NoQueue,
}

impl Slots {
    /// By CPU set.
    pub const OF_SETS: [Self; 4] = [Self::AnotherCpu, Self::ThisCpu, Self::Stay, Self::NoQueue];
}

/// The tables of [`POLICY`], and the names of its rules.
///
/// # Panics
/// The policy is not valid.
pub fn tables(generation: u32) -> (PolicyTables, Vec<String>) {
    let policy = config::parse("verdicts", POLICY).unwrap().policy;
    let names: Vec<&str> = policy
        .classes
        .iter()
        .map(|class| class.name.as_str())
        .collect();
    assert_eq!(names, CLASSES);
    let list = RuleList {
        rules: policy.rules,
        sets: policy.sets,
    };
    let mut tables = of_rules(&list, &[0, 1], generation).unwrap();
    for interface in 0..MAX_INTERFACES {
        let rates = (0..)
            .zip(CLASSES)
            .map(|(class, name)| (cell(interface, class), rate(name)));
        tables.rates.extend(rates);
    }
    (
        tables,
        list.rules.iter().map(|rule| rule.name.clone()).collect(),
    )
}

fn rate(class: &str) -> ClassRate {
    let steered_over = |set: u8| ClassRate {
        cpu_set: set + 1,
        ..ClassRate::default()
    };
    // 1 Gbit/s.
    let finite = ClassRate {
        cost_per_byte: 8 << COST_FRACTION_BITS,
        burst_ns: 20_000_000,
        lease_ns: 100_000,
        ..ClassRate::default()
    };
    match class {
        "steered" => steered_over(0),
        "local" => steered_over(1),
        "resting" => steered_over(2),
        "queueless" => steered_over(3),
        "blocked" => ClassRate {
            cost_per_byte: BLOCKED,
            cpu_set: 1,
            ..finite
        },
        "metered" => finite,
        // A bucket of no depth never holds what a packet costs.
        "dry" => ClassRate {
            burst_ns: 0,
            cpu_set: 2,
            ..finite
        },
        _ => ClassRate::default(),
    }
}
