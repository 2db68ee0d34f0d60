//! What arrived in the last minute, for those who ask what another policy would have done with it.

use std::collections::{BTreeMap, VecDeque};

use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use crate::api::documents::{Classes, Rules};

/// How often counters are noted, and how many notes are kept: a minute.
const EVERY: Nanoseconds = Nanoseconds::from_millis(5_000);
const KEPT: usize = 13;
/// Rules and classes that are noted at most: noting is paid for between ticks.
const MAX_NOTED: usize = 512;

/// Counters at some moments.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Note>);

#[derive(Clone, Debug, Default)]
struct Note {
    at: Nanoseconds,
    /// Bytes by class and interface, drops included.
    classes: BTreeMap<(String, String), u64>,
    /// Packets by rule.
    rules: BTreeMap<String, u64>,
}

/// What arrived since some moment, a minute ago at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lately {
    pub(crate) milliseconds: u64,
    /// By class and interface.
    pub(crate) classes: BTreeMap<(String, String), BitsPerSecond>,
    /// Packets by rule.
    pub(crate) rules: BTreeMap<String, u64>,
}

impl Recent {
    /// Whether it is time to note counters of a policy with so many classes, on all interfaces, and rules.
    pub(super) fn is_due(&self, now: Nanoseconds, classes: usize, rules: usize) -> bool {
        let is_time = |last: &Note| now.since(last.at) >= EVERY;
        classes.max(rules) <= MAX_NOTED && self.0.back().is_none_or(is_time)
    }

    /// Notes counters.
    pub(super) fn note(&mut self, now: Nanoseconds, classes: &Classes, rules: &Rules) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(note(now, classes, rules));
    }

    /// Another policy is in force: what is noted of the one before says nothing about it.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// What arrived since the oldest note, where anything did; nothing while that is not long ago.
    pub(super) fn lately(
        &self,
        now: Nanoseconds,
        classes: &Classes,
        rules: &Rules,
    ) -> Option<Lately> {
        let first = self.0.front()?;
        let milliseconds = now.since(first.at).0 / 1_000_000;
        if now.since(first.at) < EVERY {
            return None;
        }
        let now = note(now, classes, rules);
        let per_second = |bytes: u64| {
            let bits = u128::from(bytes) * 8 * 1_000 / u128::from(milliseconds);
            BitsPerSecond(u64::try_from(bits).unwrap_or(u64::MAX))
        };
        let classes = now.classes.into_iter().filter_map(|(key, bytes)| {
            let before = *first.classes.get(&key)?;
            let arrived = bytes.checked_sub(before).filter(|bytes| *bytes > 0)?;
            Some((key, per_second(arrived)))
        });
        let rules = now.rules.into_iter().filter_map(|(name, packets)| {
            let before = *first.rules.get(&name)?;
            let matched = packets.checked_sub(before);
            Some((name, matched.filter(|packets| *packets > 0)?))
        });
        Some(Lately {
            milliseconds,
            classes: classes.collect(),
            rules: rules.collect(),
        })
    }
}

fn note(at: Nanoseconds, classes: &Classes, rules: &Rules) -> Note {
    let classes = classes.classes.iter().map(|class| {
        let bytes = class.passed_bytes.saturating_add(class.dropped_bytes);
        ((class.name.clone(), class.interface.clone()), bytes)
    });
    let rules = rules.rules.iter();
    Note {
        at,
        classes: classes.collect(),
        rules: rules
            .map(|rule| (rule.name.clone(), rule.packets))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::fake;

    #[test]
    fn what_arrived_is_the_difference_to_a_minute_ago_at_most() {
        let (mut classes, mut rules) = (fake::classes(), fake::rules());
        let seconds = |seconds: u64| Nanoseconds::from_millis(seconds * 1_000);
        let mut recent = Recent::default();
        assert_eq!(recent.lately(seconds(1), &classes, &rules), None);
        for number in 0..20 {
            let now = seconds(number * 5);
            assert!(recent.is_due(now, 2, 1));
            recent.note(now, &classes, &rules);
            assert!(!recent.is_due(now, 2, 1) && !recent.is_due(now, 2, 1_000_000));
            classes.classes[1].dropped_bytes += 5_000_000;
            rules.rules[0].packets += 10;
        }
        let lately = recent.lately(seconds(100), &classes, &rules).unwrap();
        assert_eq!(lately.milliseconds, 65_000);
        // Nothing arrived in the other class.
        let bulk = ("bulk".to_owned(), "eth0".to_owned());
        let expected = BTreeMap::from([(bulk, BitsPerSecond(8_000_000))]);
        assert_eq!(lately.classes, expected);
        assert_eq!(lately.rules["rule 1"], 130);
    }
}
