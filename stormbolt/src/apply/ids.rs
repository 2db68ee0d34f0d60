//! Table numbers that stay with a name over changes of policy, so that counters and buckets do.

use std::collections::{BTreeMap, BTreeSet};

/// More keys than there are numbers for.
#[derive(Debug)]
pub(super) struct Full {
    /// What the keys stand for.
    pub(super) kind: &'static str,
    /// How many numbers there are.
    pub(super) limit: u32,
}

/// Numbers below a limit, given to keys.
#[derive(Clone, Debug)]
pub(super) struct Ids<K> {
    kind: &'static str,
    limit: u32,
    numbers: BTreeMap<K, u32>,
}

impl<K: Ord + Clone> Ids<K> {
    pub(super) fn new(kind: &'static str, limit: u32) -> Self {
        Self {
            kind,
            limit,
            numbers: BTreeMap::new(),
        }
    }

    /// Numbers for `keys`, in their order, and the registry as it is with them in force. Keys that
    /// have a number keep it; keys that are not in `keys` give theirs up.
    ///
    /// Until the new policy is in force, packets still use the numbers that are given up, so those
    /// are given out again at once only when no others are left.
    pub(super) fn assign(&self, keys: &[K]) -> Result<(Vec<u32>, Self), Full> {
        let mut next = Self::new(self.kind, self.limit);
        let mut given_up = BTreeSet::new();
        let wanted: BTreeSet<&K> = keys.iter().collect();
        for (key, &number) in &self.numbers {
            if wanted.contains(key) {
                next.numbers.insert(key.clone(), number);
            } else {
                given_up.insert(number);
            }
        }
        let taken: BTreeSet<u32> = next.numbers.values().copied().collect();
        let rested = |number: &u32| !given_up.contains(number);
        let fresh = (0..self.limit)
            .filter(|number| !taken.contains(number))
            .filter(rested);
        let mut free = fresh
            .chain(given_up.iter().copied())
            .collect::<Vec<_>>()
            .into_iter();
        let mut assigned = Vec::with_capacity(keys.len());
        for key in keys {
            let number = if let Some(&number) = next.numbers.get(key) {
                number
            } else {
                let full = Full {
                    kind: self.kind,
                    limit: self.limit,
                };
                let number = free.next().ok_or(full)?;
                next.numbers.insert(key.clone(), number);
                number
            };
            assigned.push(number);
        }
        Ok((assigned, next))
    }

    /// All keys and their numbers.
    pub(super) fn numbers(&self) -> &BTreeMap<K, u32> {
        &self.numbers
    }

    /// Gives keys the numbers that they had elsewhere, if there are such numbers here.
    pub(super) fn restore(&mut self, numbers: BTreeMap<K, u32>) {
        let mut taken = BTreeSet::new();
        self.numbers = numbers;
        self.numbers
            .retain(|_, number| *number < self.limit && taken.insert(*number));
    }

    /// Whether a key that has a number here has none in `next`.
    pub(super) fn gives_up_any(&self, next: &Self) -> bool {
        self.numbers.keys().any(|key| !next.has(key))
    }

    /// Whether `key` has a number.
    pub(super) fn has(&self, key: &K) -> bool {
        self.numbers.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_while_others_come_and_go() {
        let ids = Ids::new("things", 4);
        let (first, ids) = ids.assign(&["a", "b", "c"]).unwrap();
        assert_eq!(first, [0, 1, 2]);
        let (second, ids) = ids.assign(&["c", "d"]).unwrap();
        assert_eq!(second, [2, 3]);
        let (third, _) = ids.assign(&["d", "e", "c"]).unwrap();
        assert_eq!(third, [3, 0, 2]);
    }

    #[test]
    fn a_number_given_up_is_taken_again_at_once_only_when_no_other_is_free() {
        let (_, ids) = Ids::new("things", 2).assign(&["a"]).unwrap();
        let (numbers, ids) = ids.assign(&["b"]).unwrap();
        assert_eq!(numbers, [1]);
        let (numbers, _) = ids.assign(&["c", "d"]).unwrap();
        assert_eq!(numbers, [0, 1]);
    }

    #[test]
    fn restored_numbers_go_on_and_those_that_cannot_be_are_left_out() {
        let mut ids = Ids::new("things", 4);
        ids.restore(BTreeMap::from([("a", 2), ("b", 2), ("c", 4)]));
        assert_eq!(*ids.numbers(), BTreeMap::from([("a", 2)]));
        let (numbers, _) = ids.assign(&["b", "a"]).unwrap();
        assert_eq!(numbers, [0, 2]);
    }

    #[test]
    fn more_keys_than_numbers_is_an_error() {
        let full = Ids::new("things", 1).assign(&["a", "b"]).unwrap_err();
        assert_eq!((full.kind, full.limit), ("things", 1));
    }
}
