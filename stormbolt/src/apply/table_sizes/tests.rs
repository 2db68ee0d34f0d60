//! What is allocated for a policy, and what is said of one that asks for something else later.

use std::fs;

use super::{FixedSizes, room_for};
use crate::apply::Engine;
use crate::config::parse;
use crate::datapath::possible_cpus;
use crate::lab::{Namespace, require_root};
use stormbolt_common::limits::CellLayout;
use stormbolt_control::policy::{Class, Policy};

const TABLE_BYTES: u64 = 1 << 20;

fn policy(tables: &str) -> Policy {
    let text = format!(
        "version = 1\n[interface.lo]\ncapacity = \"1Gbit\"\n[class.bulk]\n[default]\n\
         class = \"bulk\"\n[tables]\n{tables}\n"
    );
    parse("p", &text).unwrap().policy
}

/// Whether this process holds a flow cache of this many lines for each CPU.
fn holds_flow_lines(lines: u32) -> bool {
    let entries = (possible_cpus().unwrap() * lines).to_string();
    let is = |text: &str, key: &str, value: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.any(|(name, given)| name == key && given.trim() == value)
    };
    let descriptors = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    // Other tests close theirs meanwhile.
    let texts = descriptors.filter_map(|one| fs::read_to_string(one.path()).ok());
    texts
        .into_iter()
        .any(|text| is(&text, "value_size", "64") && is(&text, "max_entries", &entries))
}

fn started(namespace: &Namespace, tables: &str) -> Engine {
    namespace
        .run(|| Engine::start(policy(tables), 0x5eed, TABLE_BYTES))
        .unwrap()
        .unwrap()
}

#[test]
fn the_kernel_gets_a_flow_cache_of_the_size_that_the_first_policy_asks_for() {
    if !require_root("the_kernel_gets_a_flow_cache_of_the_size_that_the_first_policy_asks_for") {
        return;
    }
    let namespace = Namespace::new("tables").unwrap();
    // Two flows in a line; without any flows as many lines are there as one flow may be in, and nothing is looked for.
    for (flows, lines) in [(256, 128), (2048, 1024), (0, 8)] {
        assert!(!holds_flow_lines(lines), "{flows}");
        let engine = started(&namespace, &format!("flows = {flows}"));
        assert!(holds_flow_lines(lines), "{flows}");
        assert_eq!(engine.table_sizes().flows, flows);
    }
    let engine = started(&namespace, "");
    assert!(holds_flow_lines(32_768));
    assert_eq!(engine.table_sizes().flows, 65_536);
}

#[test]
fn a_later_policy_that_asks_for_other_flows_is_in_force_with_a_notice_until_it_no_longer_does() {
    if !require_root("a_later_policy_that_asks_for_other_flows_is_in_force_with_a_notice") {
        return;
    }
    let namespace = Namespace::new("tables").unwrap();
    let mut engine = started(&namespace, "flows = 512");
    let mut noticed = |tables: &str| {
        let applied = namespace.run(|| engine.apply(policy(tables))).unwrap();
        applied.unwrap();
        assert_eq!(engine.table_sizes().flows, 512);
        assert_eq!(*engine.policy(), policy(tables));
        let mut notices = engine.notices();
        notices.retain(|notice| notice.contains("flows"));
        notices
    };
    let expected = |asked: u32| {
        format!(
            "the policy asks that each CPU remembers {asked} flows, but it remembers 512: that was \
             fixed when the daemon started; start the daemon again with this policy in its own file"
        )
    };
    assert_eq!(noticed("flows = 512"), [""; 0]);
    for asked in [1024, 256, 0] {
        assert_eq!(noticed(&format!("flows = {asked}")), [expected(asked)]);
    }
    assert_eq!(noticed(""), [""; 0]);
}

#[test]
fn each_wish_that_is_not_met_is_noticed_by_itself() {
    let there = FixedSizes {
        bytes: 1 << 20,
        flows: 512,
        sources: 512,
        cells: CellLayout::with_room_for(16, 2),
    };
    let noticed = |tables: &str| {
        let policy = policy(tables);
        let notices = there.notices(&policy);
        notices.map(|(message, _)| message).collect::<Vec<_>>()
    };
    let [memory, flows] = ["memory = \"2MiB\"\n", "flows = 0\n"];
    assert_eq!(noticed(&[memory, "flows = 512"].concat()).len(), 1);
    assert_eq!(noticed(&["memory = \"512KiB\"\n", flows].concat()).len(), 1);
    let both = noticed(&[memory, flows].concat());
    assert_eq!(both, [noticed(memory), noticed(flows)].concat());
    assert_eq!(both.len(), 2);
    let three = noticed("classes = 17\ninterfaces = 3\nsources = 600\nflows = 512");
    assert_eq!(three.len(), 3);
    assert_eq!(
        noticed("classes = 16\ninterfaces = 2\nflows = 512").len(),
        0
    );
}

#[test]
fn there_is_room_for_what_the_policy_has_and_for_what_it_asks_for() {
    let room = |tables: &str| {
        let cells = room_for(&policy(tables));
        (cells.classes(), cells.interfaces())
    };
    assert_eq!(room(""), (1024, 16));
    assert_eq!(room("classes = 8000"), (8192, 16));
    assert_eq!(room("classes = 100_000"), (131_072, 1));
    assert_eq!(room("classes = 100_000\ninterfaces = 3"), (131_072, 4));
    assert_eq!(room("classes = 1\ninterfaces = 1"), (8, 1));
}

#[test]
fn a_class_that_there_is_no_room_for_is_refused_with_the_remedy() {
    if !require_root("a_class_that_there_is_no_room_for_is_refused_with_the_remedy") {
        return;
    }
    let namespace = Namespace::new("tables").unwrap();
    let mut engine = started(&namespace, "classes = 1");
    let mut crowded = policy("");
    let others = (2..=9).map(|number| Class {
        name: format!("class-{number}"),
        ..crowded.classes[0].clone()
    });
    let others: Vec<_> = others.collect();
    crowded.classes.extend(others);
    let refused = namespace.run(|| engine.apply(crowded)).unwrap();
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("room for 8 classes"), "{message}");
    assert_eq!(*engine.policy(), policy("classes = 1"));
}
