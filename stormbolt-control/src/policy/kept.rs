//! Which rules one policy has from the one before it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Policy, Rule};

impl Policy {
    /// Takes the rules and sets that `old` has too from there, so that later comparisons of the two
    /// are fast, and returns [`kept_rules`].
    pub fn share_with(&mut self, old: &Self) -> Vec<Option<u32>> {
        let kept = kept_rules(&old.rules, &self.rules);
        for (rule, place) in self.rules.iter_mut().zip(&kept) {
            let place = place.and_then(|place| usize::try_from(place).ok());
            if let Some(same) = place.and_then(|place| old.rules.get(place)) {
                *rule = Arc::clone(same);
            }
        }
        for (set, before) in self.sets.iter_mut().zip(&old.sets) {
            if !Arc::ptr_eq(set, before) && set == before {
                *set = Arc::clone(before);
            }
        }
        kept
    }
}

/// For every rule of `new` the position of an equal one in `old`; positions ascend, so rules that
/// only changed places are not among them all. As many as possible, but for equal rules in a list.
///
/// Policies share the rules that they have in common ([`super::Policy::rules`]); those that are not
/// shared are compared.
pub fn kept_rules(old: &[Arc<Rule>], new: &[Arc<Rule>]) -> Vec<Option<u32>> {
    let is_same = |(one, other): &(&Arc<Rule>, &Arc<Rule>)| Arc::ptr_eq(one, other) || one == other;
    let ahead = old.iter().zip(new).take_while(is_same).count();
    let (_, old_rest) = old.split_at(ahead);
    let (_, new_rest) = new.split_at(ahead);
    let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
    let behind = pairs.take_while(is_same).count();
    let (old_middle, _) = old_rest.split_at(old_rest.len() - behind);
    let (new_middle, _) = new_rest.split_at(new_rest.len() - behind);
    let position = |number: usize| u32::try_from(number).ok();
    let mut kept: Vec<Option<u32>> = (0..ahead).map(position).collect();
    let middle = matched(old_middle, new_middle).into_iter();
    kept.extend(middle.map(|found| found.and_then(|found| position(ahead + found))));
    kept.extend((old.len() - behind..old.len()).map(position));
    kept
}

/// The longest run of equal rules in the same order, as positions in `old`.
fn matched(old: &[Arc<Rule>], new: &[Arc<Rule>]) -> Vec<Option<usize>> {
    // Rules that are shared need not be read, which is slow when one moves past thousands.
    let shared: HashMap<*const Rule, usize> = old.iter().map(Arc::as_ptr).zip(0..).collect();
    let mut is_free = vec![true; old.len()];
    let mut take = |rule: &Arc<Rule>| {
        let place = *shared.get(&Arc::as_ptr(rule))?;
        std::mem::take(is_free.get_mut(place)?).then_some(place)
    };
    let mut found: Vec<Option<usize>> = new.iter().map(&mut take).collect();
    // Of equal rules the first is found first.
    let mut places: HashMap<&Rule, Vec<usize>> = HashMap::new();
    let rest = old.iter().zip(is_free).enumerate().rev();
    for (place, (rule, _)) in rest.filter(|(_, (_, is_free))| *is_free) {
        places.entry(rule).or_default().push(place);
    }
    let missing = found
        .iter_mut()
        .zip(new)
        .filter(|(place, _)| place.is_none());
    for (place, rule) in missing {
        *place = places.get_mut(rule.as_ref()).and_then(Vec::pop);
    }
    longest_ascending(&found)
}

/// What is left of `places` when as few as possible are taken out so that the rest ascends: patience
/// sorting.
fn longest_ascending(places: &[Option<usize>]) -> Vec<Option<usize>> {
    // The lowest end of an ascending run of each length, and the position of its last member.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; places.len()];
    for (position, place) in places.iter().enumerate() {
        let Some(place) = *place else { continue };
        let length = ends.partition_point(|&(end, _)| end < place);
        let last = length.checked_sub(1).and_then(|shorter| ends.get(shorter));
        if let (Some(slot), last) = (before.get_mut(position), last) {
            *slot = last.map(|&(_, position)| position);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (place, position),
            None => ends.push((place, position)),
        }
    }
    let mut kept = vec![None; places.len()];
    let mut next = ends.last().map(|&(_, position)| position);
    while let Some(position) = next {
        if let (Some(slot), Some(place)) = (kept.get_mut(position), places.get(position)) {
            *slot = *place;
        }
        next = before.get(position).copied().flatten();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, RuleMatch};
    use proptest::prelude::*;

    fn rules(names: &[u8]) -> Vec<Arc<Rule>> {
        let rule = |name: &u8| {
            Arc::new(Rule {
                name: name.to_string(),
                matches: RuleMatch::default(),
                action: Action::Pass,
            })
        };
        names.iter().map(rule).collect()
    }

    #[test]
    fn rules_that_stay_in_order_are_kept() {
        let kept = |old: &[u8], new: &[u8]| kept_rules(&rules(old), &rules(new));
        assert_eq!(kept(&[1, 2, 3], &[1, 3]), [Some(0), Some(2)]);
        assert_eq!(
            kept(&[1, 2, 3], &[0, 1, 2, 9, 3]),
            [None, Some(0), Some(1), None, Some(2)]
        );
        // One that moved to the front is the one that is given up.
        assert_eq!(
            kept(&[1, 2, 3, 4], &[4, 1, 2, 3]),
            [None, Some(0), Some(1), Some(2)]
        );
        assert_eq!(kept(&[], &[1]), [None]);
    }

    #[test]
    fn shared_rules_are_found_beside_others_that_are_equal() {
        let old = rules(&[1, 2, 2, 3, 4]);
        let shared = |place: usize| Arc::clone(&old[place]);
        let own = rules(&[3, 2]);
        let new = [
            shared(4),
            shared(2),
            Arc::clone(&own[0]),
            shared(2),
            rules(&[5]).remove(0),
        ];
        // The one in front is given up; what is equal stands for one that is not shared.
        assert_eq!(kept_rules(&old, &new), [None, Some(2), Some(3), None, None]);
        let new = [Arc::clone(&own[1]), shared(2), shared(4), shared(3)];
        assert_eq!(kept_rules(&old, &new), [Some(1), Some(2), None, Some(3)]);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_equal_and_ascends(
            old in proptest::collection::vec(0_u8..12, 0..30),
            new in proptest::collection::vec(0_u8..12, 0..30),
        ) {
            let kept = kept_rules(&rules(&old), &rules(&new));
            prop_assert_eq!(kept.len(), new.len());
            let mut last = None;
            for (position, place) in kept.iter().enumerate() {
                let Some(place) = *place else { continue };
                prop_assert_eq!(old[usize::try_from(place).unwrap()], new[position]);
                prop_assert!(last < Some(place));
                last = Some(place);
            }
        }
    }
}
