//! A machine without a kernel, for tests.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stormbolt_common::limits::CellLayout;
use stormbolt_control::compile::{Progress, Watch};
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::policy::{MANAGEMENT_RULE, Policy};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::machine::{BoxedError, Machine};
use crate::api::documents::{
    AdaptiveStatus, BUILT_IN, CapacityChange, ClassStatus, Classes, CpuStatus, Cpus,
    DOCUMENT_VERSION, FlowStatus, Flows, InterfaceStatus, Interfaces, OutcomeCount, ProbeStatus,
    RuleStatus, Rules, SamplingStatus, SourceClass, SourceStatus, Sources, TalkerStatus,
};
use crate::api::explanation::{Explanation, FailedField, NearMiss};
use crate::apply::{ApplyError, Asked, ExplainError, FixedSizes, Named, Wanted};
use crate::datapath::Samples;
use crate::explain::hex;
use crate::telemetry::documents::Tables;
use crate::telemetry::{Counted, samples};

/// The tables that no policy changes.
const TABLES: FixedSizes = FixedSizes {
    bytes: 1 << 20,
    flows: 512,
    sources: 65_536,
    cells: CellLayout::DEFAULT,
};

/// A policy with classes `gold` and `bulk` that ticks every 10 ms.
pub(crate) const POLICY: &str = r#"
version = 1
[controller]
interval = "10ms"
[interface.eth0]
capacity = "1Gbit"
[class.gold]
priority = 0
rate = "200Mbit"
cpus = "0-1"
[class.bulk]
priority = 7
ceil = "800Mbit"
[[rule]]
protocol = "udp"
class = "gold"
[default]
class = "bulk"
"#;

/// What a test can see of a machine from outside.
#[derive(Clone, Default)]
pub(crate) struct Traces {
    ticks: Arc<AtomicU64>,
    detached: Arc<AtomicBool>,
    left: Arc<AtomicBool>,
}

impl Traces {
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::SeqCst)
    }

    pub(crate) fn detached(&self) -> bool {
        self.detached.load(Ordering::SeqCst)
    }

    pub(crate) fn left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }

    /// Starts a machine that leaves these traces.
    ///
    /// # Errors
    ///
    /// It is given up while it compiles a policy that takes for ever.
    pub(crate) fn start(
        &self,
        policy: Policy,
        watch: &mut dyn Watch,
    ) -> Result<FakeMachine, BoxedError> {
        if FakeMachine::has_interface(&policy, "slow") {
            compile_for_ever(watch)?;
        }
        Ok(FakeMachine {
            policy,
            generation: 1,
            traces: self.clone(),
            attached: true,
        })
    }
}

/// Makes progress until it is interrupted.
fn compile_for_ever(watch: &mut dyn Watch) -> Result<(), ApplyError> {
    let mut words = 1;
    while !watch.interrupted(Progress { words }) {
        words += 1;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(ApplyError::GivenUp)
}

/// Refuses policies whose interface is called `absent`, panics at the tick under one whose
/// interface is called `panic`, compiles one whose interface is called `slow` until it is given up.
pub(crate) struct FakeMachine {
    policy: Policy,
    generation: u32,
    traces: Traces,
    attached: bool,
}

impl FakeMachine {
    fn has_interface(policy: &Policy, name: &str) -> bool {
        policy
            .interfaces
            .iter()
            .any(|interface| interface.name == name)
    }
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        let detached = !self.traces.left();
        self.traces.detached.store(detached, Ordering::SeqCst);
    }
}

impl Machine for FakeMachine {
    fn follow_links(&mut self) {}

    fn set_attached(&mut self, names: &[String], attached: bool) -> Result<(), BoxedError> {
        let known = "eth0";
        if let Some(name) = names.iter().find(|name| *name != known) {
            let (name, known) = (name.clone(), known.to_owned());
            return Err(ApplyError::NoSuchInterface { name, known }.into());
        }
        self.attached = attached;
        Ok(())
    }

    fn leave(&mut self) {
        self.traces.left.store(true, Ordering::SeqCst);
    }

    fn sense(&mut self, signals: Vec<LinkSignals>) {
        assert_eq!(signals.len(), self.policy.interfaces.len());
    }

    fn tick(&mut self, _now: Nanoseconds) {
        assert!(
            !Self::has_interface(&self.policy, "panic"),
            "as the policy says"
        );
        self.traces.ticks.fetch_add(1, Ordering::SeqCst);
    }

    fn apply(&mut self, policy: Policy, watch: &mut dyn Watch) -> Result<u32, BoxedError> {
        if Self::has_interface(&policy, "slow") {
            compile_for_ever(watch)?;
        }
        if Self::has_interface(&policy, "absent") {
            return Err("there is no interface `absent`".into());
        }
        self.policy = policy;
        self.generation += 1;
        Ok(self.generation)
    }

    fn table_sizes(&self) -> FixedSizes {
        TABLES
    }

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn generation(&self) -> u32 {
        self.generation
    }

    fn notices(&self) -> Vec<String> {
        vec!["interface eth0 runs in generic mode".to_owned()]
    }

    fn interfaces(&self) -> Interfaces {
        let mut shown = interfaces();
        if !self.attached {
            for interface in &mut shown.interfaces {
                "detached".clone_into(&mut interface.mode);
            }
        }
        shown
    }

    fn classes(&self) -> Classes {
        classes()
    }

    fn rules(&self) -> Rules {
        rules()
    }

    fn cpus(&self) -> Cpus {
        cpus()
    }

    fn samples(&mut self) -> Result<Option<Samples>, BoxedError> {
        Ok(None)
    }

    fn named(&self, _wanted: &Wanted) -> Named {
        Named {
            interfaces: [(7, "eth0".to_owned())].into(),
            classes: [(0, "gold".to_owned()), (1, "bulk".to_owned())].into(),
            rules: [(0, "rule 1".to_owned())].into(),
        }
    }

    fn class_number(&self, name: &str) -> Option<u32> {
        let classes = ["gold", "bulk"];
        let number = classes.iter().position(|class| *class == name)?;
        u32::try_from(number).ok()
    }

    fn sources(&self) -> Sources {
        sources()
    }

    fn tables(&self) -> Tables {
        samples::tables()
    }

    fn counted(&self, limit: usize) -> Counted {
        samples::counted(limit)
    }

    fn silent_from(&self) -> Nanoseconds {
        Nanoseconds(u64::MAX)
    }

    fn explain(&mut self, asked: &Asked, _now: Nanoseconds) -> Result<Explanation, ExplainError> {
        let name = asked.interface.clone().unwrap_or("eth0".to_owned());
        match name.as_str() {
            "gone" => Err(ExplainError::NotAttached { name }),
            "eth0" => Ok(explanation(asked)),
            _ => Err(ExplainError::NoInterface {
                name,
                known: "`eth0`".to_owned(),
            }),
        }
    }
}

/// A flow of which a round trip was measured.
pub(crate) fn flows() -> Flows {
    let flow = FlowStatus {
        interface: "eth0".to_owned(),
        source: IpAddr::from([192, 0, 2, 9]),
        source_port: Some(50_000),
        destination: IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        destination_port: Some(443),
        protocol: "tcp".to_owned(),
        least_round_trip_microseconds: Some(850),
        round_trip_microseconds: Some(20_540),
        round_trips: 12,
        class: Some("bulk".to_owned()),
        outcome: "class_passed".to_owned(),
        offered_bits_per_second: BitsPerSecond(12_345_678),
        dropped_bits_per_second: BitsPerSecond(0),
        packets_per_second: 1_030,
        last_seen_milliseconds_ago: 90,
    };
    Flows {
        version: DOCUMENT_VERSION,
        sampling: SamplingStatus {
            one_packet_in: 512,
            one_connection_in: 1,
            ..SamplingStatus::default()
        },
        sources: vec![TalkerStatus {
            interface: "eth0".to_owned(),
            source: flow.source,
            class: None,
            outcome: "rule_dropped".to_owned(),
            offered_bits_per_second: flow.offered_bits_per_second,
            dropped_bits_per_second: flow.offered_bits_per_second,
            packets_per_second: flow.packets_per_second,
            last_seen_milliseconds_ago: 90,
        }],
        flows: vec![flow],
    }
}

/// Two sources of a class that were refused.
pub(crate) fn sources() -> Sources {
    let source = |source: &str, refused_packets| SourceStatus {
        source: source.to_owned(),
        class: "bulk".to_owned(),
        interface: "eth0".to_owned(),
        refused_packets,
        refused_bytes: refused_packets * 1_000,
        last_refused_seconds_ago: 2,
    };
    Sources {
        version: DOCUMENT_VERSION,
        classes: vec![SourceClass {
            class: "bulk".to_owned(),
            interface: "eth0".to_owned(),
            limit_bits_per_second: BitsPerSecond(50_000_000),
            refused_packets: 3_000,
            refused_bytes: 3_000_000,
            displaced_sources: 0,
        }],
        sources: vec![source("192.0.2.7", 2_000), source("2001:db8::/64", 900)],
    }
}

/// The answer about any frame.
pub(crate) fn explanation(asked: &Asked) -> Explanation {
    Explanation {
        version: DOCUMENT_VERSION,
        generation: 1,
        interface: "eth0".to_owned(),
        frame: hex(&asked.frame),
        decided_by: "default".to_owned(),
        action: "class".to_owned(),
        class: Some("bulk".to_owned()),
        rules_before: 1,
        near_misses: vec![NearMiss {
            position: 1,
            name: "rule 1".to_owned(),
            action: "gold".to_owned(),
            failed: vec![FailedField {
                field: "protocol".to_owned(),
                wants: "udp".to_owned(),
                has: "tcp".to_owned(),
            }],
        }],
        ..Explanation::default()
    }
}

pub(crate) fn interfaces() -> Interfaces {
    let outcome = |outcome: &str, dropped, packets| OutcomeCount {
        outcome: outcome.to_owned(),
        dropped,
        packets,
        bytes: packets * 100,
    };
    let outcomes = vec![
        outcome("not_ip", false, 0),
        outcome("class_passed", false, 1_500_000),
        outcome("over_rate", true, 12_345),
        outcome("truncated", true, 5),
    ];
    Interfaces {
        version: DOCUMENT_VERSION,
        interfaces: vec![InterfaceStatus {
            name: "eth0".to_owned(),
            ifindex: 2,
            mode: "native".to_owned(),
            capacity_bits_per_second: BitsPerSecond(1_000_000_000),
            adaptive: None,
            then: None,
            received_packets: 1_512_350,
            received_bytes: 151_235_000,
            outcomes,
        }],
    }
}

/// An interface whose capacity follows its link, by two probes of which one does not answer.
pub(crate) fn adaptive_interfaces() -> Interfaces {
    let megabits = |number: u64| BitsPerSecond(number * 1_000_000);
    let probe = |last, answered, baseline| ProbeStatus {
        address: IpAddr::from([192, 0, 2, last]),
        answered,
        lost: 3,
        baseline_microseconds: baseline,
        queue_delay_microseconds: baseline.map(|_| 1_240),
    };
    let mut interfaces = interfaces();
    for interface in &mut interfaces.interfaces {
        interface.capacity_bits_per_second = BitsPerSecond(38_234_567);
        interface.adaptive = Some(AdaptiveStatus {
            start_bits_per_second: megabits(100),
            min_bits_per_second: megabits(10),
            max_bits_per_second: megabits(200),
            arrived_bits_per_second: BitsPerSecond(37_123_456),
            delay_target_microseconds: 15_000,
            queue_delay_microseconds: Some(1_240),
            state: "busy".to_owned(),
            last_change: Some(CapacityChange {
                reason: "bufferbloat".to_owned(),
                from_bits_per_second: BitsPerSecond(40_500_000),
                age_milliseconds: 3_400,
            }),
            probes: vec![probe(1, 1_234, Some(20_300)), probe(2, 0, None)],
        });
    }
    interfaces
}

pub(crate) fn classes() -> Classes {
    let gold = ClassStatus {
        name: "gold".to_owned(),
        interface: "eth0".to_owned(),
        groups: Vec::new(),
        priority: 0,
        guarantee_bits_per_second: BitsPerSecond(200_000_000),
        ceil_bits_per_second: BitsPerSecond(1_000_000_000),
        rate_bits_per_second: BitsPerSecond(200_000_000),
        offered_bits_per_second: BitsPerSecond(123_456_789),
        passed_bits_per_second: BitsPerSecond(123_456_789),
        passed_packets: 1_000_000,
        passed_bytes: 100_000_000,
        dropped_packets: 0,
        dropped_bytes: 0,
        ahead_packets: 0,
        marked_packets: 0,
        cpus: vec![0, 1],
    };
    let bulk = ClassStatus {
        name: "bulk".to_owned(),
        priority: 7,
        guarantee_bits_per_second: BitsPerSecond::ZERO,
        ceil_bits_per_second: BitsPerSecond(800_000_000),
        rate_bits_per_second: BitsPerSecond(800_000_000),
        offered_bits_per_second: BitsPerSecond(2_500_000_000),
        passed_bits_per_second: BitsPerSecond(798_000_000),
        dropped_packets: 12_345,
        dropped_bytes: 1_234_500,
        ahead_packets: 77,
        marked_packets: 55,
        cpus: Vec::new(),
        ..gold.clone()
    };
    Classes {
        version: DOCUMENT_VERSION,
        classes: vec![gold, bulk],
    }
}

pub(crate) fn rules() -> Rules {
    Rules {
        version: DOCUMENT_VERSION,
        built_in: vec![RuleStatus {
            position: BUILT_IN,
            name: MANAGEMENT_RULE.to_owned(),
            matches: "protocol=tcp dst-port=22".to_owned(),
            action: "pass".to_owned(),
            packets: 77,
            bytes: 7_700,
        }],
        rules: vec![RuleStatus {
            position: 1,
            name: "rule 1".to_owned(),
            matches: "protocol udp".to_owned(),
            action: "gold".to_owned(),
            packets: 1_000_000,
            bytes: 100_000_000,
        }],
    }
}

pub(crate) fn cpus() -> Cpus {
    let cpu = |cpu, received_packets_per_second, slots| CpuStatus {
        cpu,
        received_packets: 1_234,
        received_packets_per_second,
        slots,
        steered_packets_per_second: 6_150,
    };
    Cpus {
        version: DOCUMENT_VERSION,
        cpus: vec![cpu(0, 12_345, 130), cpu(1, 0, 126)],
    }
}
