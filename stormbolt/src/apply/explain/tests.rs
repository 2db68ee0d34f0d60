//! Answers beside what the loaded program really does.

use stormbolt_control::policy::{Accepts, RuleMatch, RulesInForce};
use stormbolt_control::units::Nanoseconds;

use super::Asked;
use crate::api::explanation::{Explanation, Question, Word};
use crate::apply::{Engine, ExplainError};
use crate::explain::frame_of;
use crate::lab::{Namespace, require_root};

const TABLE_BYTES: u64 = 1 << 20;

/// The policy of these tests: frames of the kernel's test runs arrive on the loopback interface.
fn started(namespace: &Namespace, rest: &str) -> Engine {
    let text = format!(
        "version = 1\n[interface.lo]\ncapacity = \"1Gbit\"\n[class.bulk]\ncpus = \"0-1\"\n\
         [class.gold]\n[default]\nclass = \"bulk\"\n{rest}"
    );
    let policy = crate::config::parse("p", &text).unwrap().policy;
    namespace
        .run(|| Engine::start(policy, 0x5eed, TABLE_BYTES))
        .unwrap()
        .unwrap()
}

fn udp(source_port: u16) -> Asked {
    let question = Question {
        src: "10.0.0.1".parse().ok(),
        dst: "10.0.0.2".parse().ok(),
        protocol: Some(Word::Number(17)),
        src_port: Some(source_port),
        dst_port: Some(53),
        ..Question::default()
    };
    Asked {
        interface: None,
        frame: frame_of(&question).unwrap(),
        limit: 10,
    }
}

fn explain(namespace: &Namespace, engine: &mut Engine, asked: &Asked) -> Explanation {
    namespace
        .run(|| engine.explain(asked, Nanoseconds(0)))
        .unwrap()
        .unwrap()
}

const UDP_IS_GOLD: &str = "[[rule]]\nname = \"dns\"\nprotocol = \"udp\"\nclass = \"gold\"\n";

#[test]
fn a_program_that_does_not_do_what_the_policy_says_is_told_as_a_bug() {
    if !require_root("a_program_that_does_not_do_what_the_policy_says_is_told_as_a_bug") {
        return;
    }
    let namespace = Namespace::new("explain").unwrap();
    let mut engine = started(&namespace, UDP_IS_GOLD);
    let agreed = explain(&namespace, &mut engine, &udp(1));
    assert_eq!(agreed.disagreement, None);
    assert_eq!(agreed.class.as_deref(), Some("gold"));

    // What is loaded stays.
    std::sync::Arc::make_mut(&mut engine.policy.rules[0]).matches = RuleMatch {
        protocol: Some(Accepts::any_of(vec![6])),
        ..RuleMatch::default()
    };
    engine.rules = RulesInForce::of(&engine.policy);
    let answer = explain(&namespace, &mut engine, &udp(1));
    let disagreement = answer.disagreement.unwrap();
    assert!(
        disagreement
            .starts_with("the loaded program finds rule 1 (`dns`), the policy's text no rule"),
        "{disagreement}"
    );
    // The program's word counts.
    assert_eq!(answer.class.as_deref(), Some("gold"));
    assert_eq!(answer.decided_by, "rule");
}

#[test]
fn the_cpu_is_the_one_whose_slot_takes_the_packet() {
    if !require_root("the_cpu_is_the_one_whose_slot_takes_the_packet") {
        return;
    }
    let namespace = Namespace::new("explain").unwrap();
    let mut engine = started(&namespace, "");
    let set = engine.numbers.cpu_sets[0];
    let mut seen = std::collections::BTreeSet::new();
    for port in 1000..1040 {
        let asked = udp(port);
        let answer = explain(&namespace, &mut engine, &asked);
        let steering = answer.steering.unwrap();
        assert_eq!(steering.cpus, [0, 1]);
        let before = engine.datapath.slot_packets(set);
        namespace
            .run(|| engine.datapath.test_run(&asked.frame, 1))
            .unwrap()
            .unwrap();
        let after = engine.datapath.slot_packets(set);
        let moved = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
        let placed = engine.controller.placement()[0][moved];
        assert_eq!(steering.cpu, Some(placed), "port {port}, slot {moved}");
        seen.insert(placed);
    }
    assert_eq!(seen.len(), 2, "both CPUs take flows");
}

#[test]
fn an_interface_that_is_not_the_policys_has_no_answer() {
    if !require_root("an_interface_that_is_not_the_policys_has_no_answer") {
        return;
    }
    let namespace = Namespace::new("explain").unwrap();
    let mut engine = started(&namespace, "");
    let asked = Asked {
        interface: Some("eth7".to_owned()),
        ..udp(1)
    };
    let error = engine.explain(&asked, Nanoseconds(0)).unwrap_err();
    assert!(matches!(error, ExplainError::NoInterface { .. }), "{error}");
    let gone = engine.attachments.remove("lo");
    let error = engine.explain(&udp(1), Nanoseconds(0)).unwrap_err();
    assert!(matches!(error, ExplainError::NotAttached { .. }), "{error}");
    drop(gone);
}
