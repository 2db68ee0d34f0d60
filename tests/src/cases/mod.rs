//! The table of verdicts: what the data path makes of which packet.
#![expect(clippy::too_many_lines, reason = "they are tables")]

mod ipv4;
mod ipv6;
mod link;
mod policy;
mod rules;
mod transport;

pub use policy::{CLASSES, CPU_SETS, POLICY, Slots, tables};

use stormbolt_common::outcome::Outcome;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the packet is and what must become of it.
    pub sentence: &'static str,
    /// The frame.
    pub frame: Vec<u8>,
    /// Index of the interface that it arrives on; `None`: one that is not ours.
    pub interface: Option<u32>,
    /// What must become of it.
    pub outcome: Outcome,
    /// Name of the rule that must match.
    pub rule: Option<&'static str>,
    /// Name of the class that must count it.
    pub class: Option<&'static str>,
}

impl Case {
    fn new(sentence: &'static str, frame: Vec<u8>, outcome: Outcome) -> Self {
        Self {
            sentence,
            frame,
            interface: Some(0),
            outcome,
            rule: None,
            class: None,
        }
    }

    fn by_rule(self, rule: &'static str) -> Self {
        Self {
            rule: Some(rule),
            ..self
        }
    }

    fn in_class(self, class: &'static str) -> Self {
        Self {
            class: Some(class),
            ..self
        }
    }

    fn arriving_on(self, interface: Option<u32>) -> Self {
        Self { interface, ..self }
    }
}

/// A packet that no rule matches and that passes in the default class.
fn plain(sentence: &'static str, frame: Vec<u8>) -> Case {
    Case::new(sentence, frame, Outcome::ClassPassed).in_class("plain")
}

/// A packet that `rule` matches and that passes in the default class.
fn ruled(sentence: &'static str, rule: &'static str, frame: Vec<u8>) -> Case {
    plain(sentence, frame).by_rule(rule)
}

/// The whole table.
pub fn all() -> Vec<Case> {
    [
        link::cases(),
        ipv4::cases(),
        ipv6::cases(),
        transport::cases(),
        rules::cases(),
    ]
    .concat()
}
