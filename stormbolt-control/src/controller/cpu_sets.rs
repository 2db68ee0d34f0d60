//! The distinct CPU sets of a policy, and where they come from when it changes.

use std::collections::HashMap;

use crate::policy::{Class, CpuSet};

/// The distinct CPU sets of a policy, numbered.
#[derive(Clone, Debug, Default)]
pub(super) struct CpuSets {
    sets: Vec<CpuSet>,
    of_class: Vec<Option<usize>>,
}

impl CpuSets {
    /// Numbers the CPU sets of `classes` in order of first use.
    pub(super) fn of(classes: &[Class]) -> Self {
        let mut numbers: HashMap<&CpuSet, usize> = HashMap::new();
        let mut sets = Vec::new();
        let mut number = |set| {
            *numbers.entry(set).or_insert_with(|| {
                sets.push(set.clone());
                sets.len() - 1
            })
        };
        let of_class = classes
            .iter()
            .map(|class| class.cpus.as_ref().map(&mut number))
            .collect();
        Self { sets, of_class }
    }

    pub(super) fn sets(&self) -> &[CpuSet] {
        &self.sets
    }

    pub(super) fn of_class(&self, class: usize) -> Option<usize> {
        self.of_class.get(class).copied().flatten()
    }

    /// Where each set stood among the `old` ones: the same set, or else the one that a class of
    /// the same name used.
    pub(super) fn origins(
        &self,
        classes: &[Class],
        old: &Self,
        old_classes: &[Class],
    ) -> Vec<Option<usize>> {
        let of_name: HashMap<&str, usize> = old_classes
            .iter()
            .zip(&old.of_class)
            .filter_map(|(class, set)| set.map(|set| (class.name.as_str(), set)))
            .collect();
        let origin = |(number, set): (usize, &CpuSet)| {
            let same = old.sets.iter().position(|old| old == set);
            same.or_else(|| {
                classes
                    .iter()
                    .zip(&self.of_class)
                    .filter(|(_, set)| **set == Some(number))
                    .find_map(|(class, _)| of_name.get(class.name.as_str()).copied())
            })
        };
        self.sets.iter().enumerate().map(origin).collect()
    }
}
