//! Works out everything that a new policy needs, before anything is changed.

use std::sync::Arc;

use stormbolt_common::limits::{CellLayout, MAX_CPU_SETS, cell};
use stormbolt_common::police::ClassRate;
use stormbolt_common::policy::{
    PolicyHeader, RuleEntry, VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP,
};
use stormbolt_control::compile::CompiledRules;
use stormbolt_control::controller::Controller;
use stormbolt_control::decide::{
    Borrowing, FailsafeRates, SourceLimits, class_rate, interface_rate, write_treatment,
};
use stormbolt_control::policy::{Action, CpuSet, Malformed, Policy, Rule};
use stormbolt_control::units::BitsPerSecond;

use super::error::ApplyError;
use super::ids::{Full, Ids};
use super::rule_numbers::RuleNumbers;
use crate::datapath::PolicyTables;

/// The table numbers of everything in a policy.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) interface_ids: Ids<String>,
    pub(super) class_ids: Ids<String>,
    cpu_set_ids: Ids<CpuSet>,
    /// By position in the policy.
    pub(super) interfaces: Vec<u32>,
    /// By position in the policy.
    pub(super) classes: Vec<u32>,
    pub(super) rules: RuleNumbers,
    /// By position in the controller's list.
    pub(super) cpu_sets: Vec<u32>,
}

impl Numbers {
    /// Nothing has a number yet, and no more than there is room for will have one.
    pub(super) fn none(room: CellLayout) -> Self {
        Self {
            interface_ids: Ids::new("interfaces", room.interfaces()),
            class_ids: Ids::new("classes", room.classes()),
            cpu_set_ids: Ids::new("different CPU sets", MAX_CPU_SETS),
            interfaces: Vec::new(),
            classes: Vec::new(),
            rules: RuleNumbers::default(),
            cpu_sets: Vec::new(),
        }
    }

    /// The numbers under a policy with the rules that are in force with it, after those of `old`; `kept` has the
    /// rules that are equal in both.
    pub(super) fn under(
        &self,
        old: (&Policy, &[Arc<Rule>]),
        (policy, rules): (&Policy, &[Arc<Rule>]),
        kept: &[Option<u32>],
        cpu_sets: &[CpuSet],
    ) -> Result<Self, ApplyError> {
        let names: Vec<String> = policy
            .interfaces
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let (interfaces, interface_ids) = self.interface_ids.assign(&names).map_err(no_room)?;
        let names: Vec<String> = policy.classes.iter().map(|one| one.name.clone()).collect();
        let (classes, class_ids) = self.class_ids.assign(&names).map_err(no_room)?;
        let (cpu_sets, cpu_set_ids) = self.cpu_set_ids.assign(cpu_sets).map_err(too_many)?;
        Ok(Self {
            interface_ids,
            class_ids,
            cpu_set_ids,
            interfaces,
            classes,
            rules: self.rules.under(old, (policy, rules), kept)?,
            cpu_sets,
        })
    }

    /// The cell of a class on an interface, both by position.
    pub(super) fn cell(&self, interface: usize, class: usize) -> Option<u32> {
        Some(cell(
            *self.interfaces.get(interface)?,
            *self.classes.get(class)?,
        ))
    }
}

fn too_many(full: Full) -> ApplyError {
    ApplyError::TooMany {
        kind: full.kind,
        limit: full.limit,
    }
}

/// Their tables have a size that the operator may choose.
fn no_room(full: Full) -> ApplyError {
    ApplyError::NoRoom {
        kind: full.kind,
        room: full.limit,
    }
}

/// What of the classes' entries does not change while a policy is in force, but for capacities.
pub(super) struct Terms {
    borrowing: Borrowing,
    failsafe: FailsafeRates,
    sources: SourceLimits,
}

impl Terms {
    /// Under this policy.
    pub(super) fn of(policy: &Policy) -> Self {
        Self {
            borrowing: Borrowing::of(policy),
            failsafe: FailsafeRates::of(policy),
            sources: SourceLimits::of(policy),
        }
    }

    /// The capacity of an interface, by position, is another in `policy`.
    pub(super) fn renew(&mut self, policy: &Policy, interface: usize) {
        self.failsafe.renew(policy, interface);
    }
}

/// A class's rate on an interface as the policer reads it, steering included.
pub(super) fn rate_entry(
    controller: &Controller,
    numbers: &Numbers,
    terms: &Terms,
    place @ (_, class): (usize, usize),
    rate: BitsPerSecond,
    cpus: u32,
) -> ClassRate {
    // With the capacities that are in force.
    let policy = controller.standing();
    let set = controller
        .cpu_set_of(class)
        .and_then(|set| numbers.cpu_sets.get(set));
    let burst = policy.classes.get(class).map(|class| class.burst);
    let burst = burst.unwrap_or_default();
    let mut entry = ClassRate {
        // There are 64 sets at most.
        cpu_set: set.map_or(0, |set| u8::try_from(set + 1).unwrap_or(0)),
        failsafe_cost_per_byte: terms.failsafe.cost_per_byte(policy.failsafe.mode, place),
        ..class_rate(rate, burst, cpus)
    };
    terms.borrowing.write(policy, place, cpus, &mut entry);
    if let (Some(class), Some(interface)) =
        (policy.classes.get(class), policy.interfaces.get(place.0))
    {
        write_treatment(class, interface, policy.shadow, &mut entry);
        entry.source_limit = terms.sources.entry_of(class.per_source);
    }
    entry
}

/// What each rule does, by position.
pub(super) fn rule_entries(
    policy: &Policy,
    rules: &[Arc<Rule>],
    numbers: &Numbers,
) -> Vec<RuleEntry> {
    let rules = rules.iter().zip(&numbers.rules.numbers);
    rules
        .map(|(rule, &counter)| RuleEntry {
            verdict: match verdict(rule.action, numbers) {
                VERDICT_DROP if policy.shadow => VERDICT_SHADOW_DROP,
                verdict => verdict,
            },
            counter,
        })
        .collect()
}

fn verdict(action: Action, numbers: &Numbers) -> u32 {
    match action {
        Action::Class(class) => numbers.classes.get(class).copied().unwrap_or(VERDICT_PASS),
        Action::Pass => VERDICT_PASS,
        Action::Drop => VERDICT_DROP,
        Action::ShadowDrop => VERDICT_SHADOW_DROP,
    }
}

/// The tables of `policy` for generation `generation`, where its rules are `compiled`.
pub(super) fn tables(
    policy: &Policy,
    controller: &Controller,
    numbers: &Numbers,
    compiled: CompiledRules,
    generation: u32,
    terms: &Terms,
    cpus: u32,
) -> PolicyTables {
    let mut rates = Vec::new();
    for (interface, of_interface) in controller.rates().iter().enumerate() {
        for (class, &rate) in of_interface.iter().enumerate() {
            if let Some(cell) = numbers.cell(interface, class) {
                let place = (interface, class);
                let entry = rate_entry(controller, numbers, terms, place, rate, cpus);
                rates.push((cell, entry));
            }
        }
    }
    PolicyTables {
        header: PolicyHeader {
            generation,
            default_class: verdict(Action::Class(policy.default_class), numbers),
            malformed_pass: u32::from(policy.shadow || policy.malformed == Malformed::Pass),
            used_sets: compiled.used_sets,
        },
        rates,
        interface_rates: (numbers.interfaces.iter().copied())
            .zip(
                (controller.standing().interfaces.iter())
                    .map(|interface| interface_rate(interface, &policy.classes)),
            )
            .collect(),
        source_limits: terms.sources.limits().to_vec(),
        compiled,
    }
}
