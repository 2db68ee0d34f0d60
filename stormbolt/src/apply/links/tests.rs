//! What is in the maps when a capacity has changed and nothing else.

use std::net::UdpSocket;

use stormbolt_common::limits::cell;
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_control::decide::interface_rate;
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::units::Nanoseconds;

use crate::apply::Engine;
use crate::config::parse;
use crate::lab::{Namespace, require_root};

const TABLE_BYTES: u64 = 1 << 20;
/// 1.7 Mbit/s in an interval of 100 ms.
const PACKETS: usize = 20;

const POLICY: &str = "version = 1\n[controller]\nfailsafe = \"guaranteed\"\n[interface.lo]\ncapacity = \
                      \"100Mbit\"\ncapacity-min = \"1Mbit\"\ncapacity-max = \"1Gbit\"\n[class.gold]\nceil = \
                      \"50Mbit\"\n[class.bulk]\npriority = 7\n[default]\nclass = \"bulk\"\n[[rule]]\nprotocol \
                      = \"tcp\"\nclass = \"gold\"\n";

struct Scene {
    namespace: Namespace,
    engine: Engine,
    now: u64,
}

impl Scene {
    fn new() -> Self {
        let namespace = Namespace::new("links").unwrap();
        let policy = parse("p", POLICY).unwrap().policy;
        let start = || Engine::start(policy, 0x5eed, TABLE_BYTES);
        Self {
            engine: namespace.run(start).unwrap().unwrap(),
            namespace,
            now: 0,
        }
    }

    /// An interval in which packets arrive, and the device has lost so many altogether.
    fn interval(&mut self, missed_frames: u64) {
        let send = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..PACKETS {
                socket.send_to(&[0; 1_000], "127.0.0.1:9").unwrap();
            }
        };
        self.namespace.run(send).unwrap();
        self.engine.sense(vec![LinkSignals {
            missed_frames: Some(missed_frames),
            echoes: Vec::new(),
        }]);
        self.now += 100_000_000;
        self.engine.tick(Nanoseconds(self.now));
    }

    fn capacity(&self) -> u64 {
        let interfaces = self.engine.interfaces().interfaces;
        interfaces[0].capacity_bits_per_second.0
    }

    fn interface_rate(&self) -> InterfaceRate {
        self.engine.datapath.interface_rate(0).unwrap()
    }

    fn class_rate(&self, class: u32) -> ClassRate {
        self.engine.datapath.rate(cell(0, class)).unwrap()
    }
}

#[test]
fn another_capacity_is_written_with_all_that_is_derived_from_it() {
    if !require_root("another_capacity_is_written_with_all_that_is_derived_from_it") {
        return;
    }
    let mut scene = Scene::new();
    scene.interval(0);
    scene.interval(0);
    let (before, gold) = (scene.interface_rate(), scene.class_rate(0));
    assert_eq!(scene.capacity(), 100_000_000);
    assert!(gold.ceil_cost_per_byte > 0);

    scene.interval(1_000);
    let capacity = scene.capacity();
    assert!((1_000_000..10_000_000).contains(&capacity), "{capacity}");
    let mut fixed = parse("p", POLICY).unwrap().policy;
    fixed.interfaces[0].capacity.0 = capacity;
    let expected = interface_rate(&fixed.interfaces[0], &fixed.classes);
    assert_eq!(scene.interface_rate(), expected);
    assert!(expected.cost_per_byte > before.cost_per_byte);
    let after = scene.class_rate(0);
    // The link itself is below the ceil now, and what falls back to when the daemon is silent fits it.
    assert_eq!(after.ceil_cost_per_byte, 0);
    assert!(after.failsafe_cost_per_byte > gold.failsafe_cost_per_byte);
    assert!(after.cost_per_byte >= scene.interface_rate().cost_per_byte);

    let status = scene.engine.interfaces().interfaces[0].clone();
    let link = status.adaptive.unwrap();
    let change = link.last_change.unwrap();
    assert_eq!(
        (change.reason.as_str(), change.age_milliseconds),
        ("missed-frames", 0)
    );
    assert_eq!(change.from_bits_per_second.0, 100_000_000);

    // The same policy again changes no capacity; what is written is what was.
    let same = parse("p", POLICY).unwrap().policy;
    let engine = &mut scene.engine;
    scene.namespace.run(|| engine.apply(same)).unwrap().unwrap();
    assert_eq!(scene.capacity(), capacity);
    assert_eq!(scene.interface_rate(), expected);
    assert_eq!(scene.class_rate(0), after);
}
