//! A change of policy while packets arrive: each packet sees the old policy or the new one.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stormbolt::datapath::{Datapath, PolicyTables, TestRunner};
use stormbolt::lab::require_root;
use stormbolt_common::limits::cell;
use stormbolt_common::outcome::Outcome;
use stormbolt_control::policy::{Accepts, Action, Addresses, Range, Rule, RuleMatch};
use stormbolt_tests::packet::{Ipv4, udp};
use stormbolt_tests::policies::RuleList;
use stormbolt_tests::tables::{TABLE_SIZES, counter_of, of_rules};

const CHANGES: u32 = 1_000;
const RULES: usize = 10_000;
const FRAMES_A_RUN: u32 = 2_000;
const PORT: u16 = 4000;
/// The rule that matches, among others that do not: neither its position nor the tree around it is
/// the same in the two policies.
const POSITIONS: [usize; 2] = [3, 9_130];

/// Policy `which`: everything goes to class `1 + which`. Its first generation is `which + 1`, and its
/// others are two apart, so that the two policies have a half of the tables each.
fn policy(which: usize) -> PolicyTables {
    let rule = |position: usize| {
        let ours = position == POSITIONS[which];
        let other = u16::try_from(position).expect("a position");
        let [high, low] = other.to_be_bytes();
        let source = if ours {
            "192.0.2.0/24".to_owned()
        } else {
            format!("10.{}.{low}.0/24", usize::from(high) + which * 64)
        };
        let port = if ours { PORT } else { 10_000 + other };
        Rule {
            name: String::new(),
            matches: RuleMatch {
                source: Some(Addresses::within(vec![source.parse().expect("a prefix")])),
                destination_port: Some(Accepts::any_of(vec![Range {
                    first: port,
                    last: port,
                }])),
                ..RuleMatch::default()
            },
            action: if ours {
                Action::Class(1 + which)
            } else {
                Action::Drop
            },
        }
    };
    let rules = RuleList::of((0..RULES).map(rule).collect());
    let generation = u32::try_from(which + 1).expect("a small number");
    let mut tables = of_rules(&rules, &[0], generation).expect("the rules fit");
    // A packet that meets a half-written policy would end here, and show.
    tables.header.default_class = 7;
    tables
}

/// Puts one of the two policies into force under the next generation.
fn install(datapath: &mut Datapath, policies: &mut [PolicyTables; 2], change: u32) -> usize {
    let which = usize::from(change % 2 == 1);
    policies[which].header.generation = change + 1;
    datapath
        .install(&policies[which])
        .expect("the policy is installed");
    which
}

/// Stops the flood, also when an assertion fails beside it.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs frames until told to stop.
fn flood(runner: &TestRunner, frame: &[u8], stop: &AtomicBool, sent: &AtomicU64) {
    while !stop.load(Ordering::SeqCst) {
        runner
            .run(frame, FRAMES_A_RUN)
            .expect("the kernel runs the program");
        sent.fetch_add(u64::from(FRAMES_A_RUN), Ordering::SeqCst);
    }
}

#[test]
fn no_packet_is_lost_or_sees_a_mixture_while_policies_change() {
    if !require_root("no_packet_is_lost_or_sees_a_mixture_while_policies_change") {
        return;
    }
    let mut datapath = Datapath::load(1, TABLE_SIZES).expect("the program loads");
    datapath.set_interface(1, Some(0));
    let mut policies = [0, 1].map(policy);
    install(&mut datapath, &mut policies, 0);
    let runner = datapath
        .test_runner()
        .expect("the program has another handle");
    let frame = Ipv4::default().frame(&udp(1, PORT, 20));
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        let flood = scope.spawn(|| flood(&runner, &frame, &stop, &sent));
        let mut before = of_classes(&datapath);
        for change in 1..=CHANGES {
            let which = install(&mut datapath, &mut policies, change);
            // Packets must arrive under each policy, or the test shows nothing.
            loop {
                let now = of_classes(&datapath);
                assert!(!flood.is_finished(), "the flood has failed");
                if now[which] > before[which] {
                    before = now;
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });

    let sent = sent.load(Ordering::SeqCst);
    for outcome in Outcome::ALL {
        let packets = datapath.outcome_counter(0, outcome).packets;
        let expected = if outcome == Outcome::ClassPassed {
            sent
        } else {
            0
        };
        assert_eq!(packets, expected, "{outcome:?} of {sent}");
    }
    let [a, b] = of_classes(&datapath);
    assert_eq!(a + b, sent, "every packet is in one of the two classes");
    let matched = POSITIONS.map(|position| datapath.rule_counter(counter_of(position)).packets);
    assert_eq!(matched, [a, b], "every packet met the rule of its class");
    eprintln!("{sent} packets over {CHANGES} changes: {a} under one policy, {b} under the other");
}

#[test]
fn the_policy_before_is_out_of_use_when_install_returns() {
    if !require_root("the_policy_before_is_out_of_use_when_install_returns") {
        return;
    }
    let mut datapath = Datapath::load(1, TABLE_SIZES).expect("the program loads");
    datapath.set_interface(1, Some(0));
    let mut policies = [0, 1].map(policy);
    install(&mut datapath, &mut policies, 0);
    let runner = datapath
        .test_runner()
        .expect("the program has another handle");
    let frame = Ipv4::default().frame(&udp(1, PORT, 20));
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        let flood = scope.spawn(|| flood(&runner, &frame, &stop, &sent));
        for change in 1..=20 {
            let old = 1 - install(&mut datapath, &mut policies, change);
            let at_return = of_classes(&datapath);
            let sent_at_return = sent.load(Ordering::SeqCst);
            while sent.load(Ordering::SeqCst) < sent_at_return + 10 * u64::from(FRAMES_A_RUN) {
                assert!(!flood.is_finished(), "the flood has failed");
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(
                of_classes(&datapath)[old],
                at_return[old],
                "change {change}"
            );
        }
    });
}

/// Packets in the classes of the two policies.
fn of_classes(datapath: &Datapath) -> [u64; 2] {
    [1, 2].map(|class| datapath.cell_counters(cell(0, class)).passed_packets)
}
