//! Names of what samples have as numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::Engine;
use crate::datapath::{DatapathError, Samples};

/// What is to be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Numbers of classes.
    pub classes: BTreeSet<u32>,
    /// Numbers of rules' counters.
    pub rules: BTreeSet<u32>,
}

/// The names that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Interfaces of the policy, by the number of each device that their frames arrive on.
    pub interfaces: BTreeMap<u32, String>,
    /// Classes, by number.
    pub classes: BTreeMap<u32, String>,
    /// Rules, by the number of their counter.
    pub rules: BTreeMap<u32, String>,
}

impl Engine {
    /// The names of interfaces, and of what is wanted.
    pub fn named(&self, wanted: &Wanted) -> Named {
        let attached = self.attachments.iter();
        let interfaces = attached.flat_map(|(name, attachment)| {
            let arrivals = attachment.arrivals().iter();
            arrivals.map(|ifindex| (*ifindex, name.clone()))
        });
        let classes = self.numbers.classes.iter().zip(&self.policy.classes);
        let classes = classes.filter(|(number, _)| wanted.classes.contains(number));
        let rules: BTreeMap<u32, String> = if wanted.rules.is_empty() {
            BTreeMap::new()
        } else {
            // Those that are built in have numbers as well.
            let rules = self.numbers.rules.numbers.iter().zip(self.rules.all());
            rules
                .filter(|(number, _)| wanted.rules.contains(number))
                .map(|(number, rule)| (*number, rule.name.clone()))
                .collect()
        };
        Named {
            interfaces: interfaces.collect(),
            classes: classes
                .map(|(number, class)| (*number, class.name.clone()))
                .collect(),
            rules,
        }
    }

    /// The packets that the program shows; once.
    ///
    /// # Errors
    /// They were taken before, or the kernel does not let them be read.
    pub fn samples(&mut self) -> Result<Samples, DatapathError> {
        self.datapath.samples()
    }

    /// The number of a class.
    pub fn class_number(&self, name: &str) -> Option<u32> {
        let position = self.policy.classes.iter().position(|one| one.name == name);
        self.numbers.classes.get(position?).copied()
    }
}
