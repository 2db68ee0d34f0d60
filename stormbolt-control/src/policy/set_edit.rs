//! A set with a few of its prefixes changed.

use ipnet::IpNet;

use super::Set;

/// A set after prefixes were added and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedSet {
    /// The set as it is then.
    pub set: Set,
    /// Prefixes that were not in it before.
    pub added: usize,
    /// Prefixes that are no longer in it.
    pub removed: usize,
    /// Prefixes that were to be added and had been in it, or to be removed and had not.
    pub unchanged: usize,
}

impl Set {
    /// The set with the prefixes of `add` and without those of `remove`. Takes one search for each of
    /// them, and one copy of the set.
    ///
    /// Both lists are in the order of [`Set::prefixes`], each prefix once; what is in both is removed.
    pub fn edited(&self, add: &[IpNet], remove: &[IpNet]) -> EditedSet {
        let mut prefixes = Vec::with_capacity(self.prefixes.len() + add.len());
        let (mut added, mut removed, mut unchanged) = (0, 0, 0);
        let mut rest = self.prefixes.as_slice();
        let (mut add, mut remove) = (add.iter().peekable(), remove.iter().peekable());
        loop {
            let (prefix, stays) = match (add.peek(), remove.peek()) {
                (None, None) => break,
                (Some(&&prefix), None) => (prefix, true),
                (None, Some(&&prefix)) => (prefix, false),
                (Some(&one), Some(&other)) => (*one.min(other), one < other),
            };
            add.next_if(|next| **next == prefix);
            remove.next_if(|next| **next == prefix);
            let (before, from) = rest.split_at(rest.partition_point(|one| *one < prefix));
            prefixes.extend_from_slice(before);
            let was_in = from.first() == Some(&prefix);
            rest = from.get(usize::from(was_in)..).unwrap_or_default();
            if stays {
                prefixes.push(prefix);
            }
            match (was_in, stays) {
                (false, true) => added += 1,
                (true, false) => removed += 1,
                (true, true) | (false, false) => unchanged += 1,
            }
        }
        prefixes.extend_from_slice(rest);
        EditedSet {
            set: Self {
                name: self.name.clone(),
                prefixes,
            },
            added,
            removed,
            unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use proptest::prelude::*;

    /// Prefixes that often are the same, lie in each other, or are of the other family.
    fn prefixes() -> impl Strategy<Value = BTreeSet<IpNet>> {
        let one = (any::<bool>(), 0_u8..6, 6_u8..10).prop_map(|(v6, address, length)| {
            let address = if v6 {
                IpAddr::from(Ipv6Addr::new(u16::from(address) << 8, 0, 0, 0, 0, 0, 0, 0))
            } else {
                IpAddr::from(Ipv4Addr::new(address, 0, 0, 0))
            };
            IpNet::new(address, length).unwrap().trunc()
        });
        proptest::collection::btree_set(one, 0..12)
    }

    proptest! {
        #[test]
        fn an_edited_set_has_what_sets_of_prefixes_say(
            before in prefixes(), add in prefixes(), remove in prefixes(),
        ) {
            let list = |set: &BTreeSet<IpNet>| set.iter().copied().collect::<Vec<_>>();
            let set = Set::new("a", list(&before));
            let edited = set.edited(&list(&add), &list(&remove));
            let expected: BTreeSet<IpNet> = before.union(&add).copied()
                .filter(|prefix| !remove.contains(prefix)).collect();
            prop_assert_eq!(&edited.set, &Set::new("a", list(&expected)));
            prop_assert_eq!(edited.added, expected.difference(&before).count());
            prop_assert_eq!(edited.removed, before.difference(&expected).count());
            let asked_for = add.union(&remove).count();
            prop_assert_eq!(edited.added + edited.removed + edited.unchanged, asked_for);
        }
    }
}
