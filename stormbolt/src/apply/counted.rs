//! The classes and rules that metrics are made of: all where they are few, else those that have counted.

use stormbolt_common::counters::PacketCounter;
use stormbolt_control::observe::CellCounters;

use super::engine::Engine;
use super::views::since;
use crate::api::documents::ClassStatus;
use crate::telemetry::{Counted, RuleCount};

impl Engine {
    /// At most `limit` classes (of all interfaces together) and as many rules, in the order of the policy. Where there
    /// are more, those that have counted nothing are left out first.
    ///
    /// Words of rules and of classes that are left out are not made.
    pub fn counted(&self, limit: usize) -> Counted {
        let (classes, omitted_classes) = self.counted_classes(limit);
        let (rules, omitted_rules) = self.counted_rules(limit);
        Counted {
            classes,
            omitted_classes,
            rules,
            omitted_rules,
        }
    }

    fn counted_classes(&self, limit: usize) -> (Vec<ClassStatus>, usize) {
        let (interfaces, classes) = (self.policy.interfaces.len(), self.policy.classes.len());
        let interfaces: Vec<Vec<bool>> = (0..interfaces)
            .map(|interface| {
                let cells = (0..classes).map(|class| self.numbers.cell(interface, class));
                let counters = self.datapath.counters_of(&cells.collect::<Vec<_>>());
                counters.into_iter().map(has_counted).collect()
            })
            .collect();
        let total = classes.saturating_mul(interfaces.len());
        let all = total <= limit;
        let places = (0..classes)
            .flat_map(|class| (0..interfaces.len()).map(move |interface| (interface, class)));
        let counts = |&(interface, class): &(usize, usize)| {
            let counted = interfaces.get(interface).and_then(|cells| cells.get(class));
            all || counted.copied().unwrap_or(false)
        };
        let mut shown: Vec<_> = places.filter(counts).collect();
        shown.truncate(limit);
        let omitted = total - shown.len();
        let shown = shown
            .into_iter()
            .filter_map(|(interface, class)| self.class(interface, class));
        (shown.collect(), omitted)
    }

    fn counted_rules(&self, limit: usize) -> (Vec<RuleCount>, usize) {
        let numbers = &self.numbers.rules.numbers;
        let counters = self.datapath.rule_counters_of(numbers);
        let counters = counters.into_iter().zip(&self.baselines.rules);
        let counters = counters.map(|(counter, &base)| since(counter, base));
        let rules = self.rules.all().iter().zip(counters);
        let total = self.rules.all().len();
        let all = total <= limit;
        let counted = rules.filter(|(_, hits)| all || *hits != PacketCounter::default());
        let shown = counted.take(limit).map(|(rule, hits)| RuleCount {
            name: rule.name.clone(),
            packets: hits.packets,
            bytes: hits.bytes,
        });
        let shown: Vec<_> = shown.collect();
        let omitted = total - shown.len();
        (shown, omitted)
    }
}

/// Counters in the kernel only grow, so that nothing has been counted where they are all zero.
fn has_counted(counters: CellCounters) -> bool {
    counters != CellCounters::default()
}
