//! The control line as one object: an observation goes in, commands come out.

mod cpu_sets;
mod link;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use cpu_sets::CpuSets;
pub use link::Following;
use link::{Link, links};

use crate::decide::{Allotment, Balancer, evict, round_robin};
use crate::estimate::{ClassEstimate, Estimator, Origins};
use crate::observe::{LinkSignals, Observation};
use crate::policy::{CpuSet, Policy};
use crate::units::BitsPerSecond;

#[expect(
    clippy::as_conversions,
    reason = "no number of slots exceeds an address"
)]
const SLOTS: usize = stormbolt_common::limits::SLOTS_PER_CPU_SET as usize;

/// What is to be written to the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold a class to a rate on an interface.
    SetRate {
        /// Position in [`Policy::interfaces`].
        interface: usize,
        /// Position in [`Policy::classes`].
        class: usize,
        /// The rate.
        rate: BitsPerSecond,
    },
    /// Share out another capacity of an interface: it comes into force by itself, and in what is derived from it
    /// for each class on the interface.
    SetCapacity {
        /// Position in [`Policy::interfaces`].
        interface: usize,
        /// The capacity.
        capacity: BitsPerSecond,
    },
    /// Serve a slot by another CPU.
    MoveSlot {
        /// Position in [`Controller::cpu_sets`].
        cpu_set: usize,
        /// Number of the slot within its CPU set.
        slot: usize,
        /// The CPU, a member of the CPU set.
        cpu: u32,
    },
}

impl Command {
    /// Whether it makes the data path police by other rates.
    pub const fn changes_rates(&self) -> bool {
        match self {
            Self::SetRate { .. } | Self::SetCapacity { .. } => true,
            Self::MoveSlot { .. } => false,
        }
    }
}

/// Decides rates and placements from observations, under one policy at a time.
///
/// It keeps what is in force, so that it only says what changes. After [`Controller::new`] and
/// [`Controller::set_policy`] everything that [`Controller::rates`] and [`Controller::placement`]
/// return has to be written; after that, the commands.
#[derive(Clone, Debug)]
pub struct Controller {
    /// The policy without its rules and sets, with the capacities that are in force.
    standing: Policy,
    cpu_sets: CpuSets,
    /// By interface.
    links: Vec<Link>,
    estimator: Estimator,
    /// In force, `[interface][class]`.
    rates: Vec<Vec<BitsPerSecond>>,
    /// In force, `[cpu_set][slot]`.
    placement: Vec<Vec<u32>>,
    /// By CPU set.
    balancers: Vec<Balancer>,
}

impl Controller {
    /// Starts with nothing known: every class has its guarantee and a part of the rest, every slot
    /// is placed in turn.
    pub fn new(policy: &Policy) -> Self {
        let cpu_sets = CpuSets::of(&policy.classes);
        let sets = cpu_sets.sets();
        let mut controller = Self {
            estimator: Estimator::new(
                policy.interfaces.len(),
                policy.classes.len(),
                sets.len(),
                SLOTS,
            ),
            rates: Vec::new(),
            placement: sets
                .iter()
                .map(|set| round_robin(SLOTS, &cpus(set)))
                .collect(),
            balancers: vec![Balancer::default(); sets.len()],
            standing: standing(policy),
            cpu_sets,
            links: links(policy),
        };
        controller.rates = controller.target_rates();
        controller
    }

    /// Takes over a new policy.
    ///
    /// Classes of the same name on interfaces of the same name keep their estimates and, within
    /// their new bounds, their rates. CPU sets that stay keep their placement; where a class's CPU
    /// set is replaced by another, only slots on CPUs that are gone are placed anew.
    pub fn set_policy(&mut self, policy: &Policy) {
        let cpu_sets = CpuSets::of(&policy.classes);
        let origins = Origins {
            interfaces: positions(
                policy
                    .interfaces
                    .iter()
                    .map(|interface| interface.name.as_str()),
                self.standing
                    .interfaces
                    .iter()
                    .map(|interface| interface.name.as_str()),
            ),
            classes: positions(
                policy.classes.iter().map(|class| class.name.as_str()),
                self.standing
                    .classes
                    .iter()
                    .map(|class| class.name.as_str()),
            ),
            cpu_sets: cpu_sets.origins(&policy.classes, &self.cpu_sets, &self.standing.classes),
        };

        let mut next = Self {
            estimator: self.estimator.rearranged(&origins, SLOTS),
            rates: Vec::new(),
            placement: Vec::new(),
            balancers: Vec::new(),
            standing: standing(policy),
            cpu_sets,
            links: links(policy),
        };
        next.keep_capacities(self, &origins);
        next.rates = next.target_rates();
        next.keep_damped_rates(&self.rates, &origins);
        next.keep_placement(self, &origins.cpu_sets);
        *self = next;
    }

    /// The policy as far as rates go, without rules and sets: its capacities are those in force.
    pub fn standing(&self) -> &Policy {
        &self.standing
    }

    /// How the capacity of an interface follows its link; `None`: it does not.
    pub fn following(&self, interface: usize) -> Option<&Following> {
        self.links.get(interface)?.following.as_ref()
    }

    /// The distinct CPU sets of the policy's classes, in order of first use.
    pub fn cpu_sets(&self) -> &[CpuSet] {
        self.cpu_sets.sets()
    }

    /// Position in [`Controller::cpu_sets`] of a class's CPU set; `None`: it has none.
    pub fn cpu_set_of(&self, class: usize) -> Option<usize> {
        self.cpu_sets.of_class(class)
    }

    /// The rates in force, `[interface][class]`.
    pub fn rates(&self) -> &[Vec<BitsPerSecond>] {
        &self.rates
    }

    /// What the classes do, `[interface][class]`.
    pub fn demands(&self) -> &[Vec<ClassEstimate>] {
        self.estimator.classes()
    }

    /// The CPUs that serve the slots, `[cpu_set][slot]`.
    pub fn placement(&self) -> &[Vec<u32>] {
        &self.placement
    }

    /// Packets/s of each slot of a CPU set, smoothed; empty for a CPU set that there is not.
    pub fn slot_loads(&self, cpu_set: usize) -> &[u64] {
        self.estimator.slot_loads(cpu_set)
    }

    /// One round of the control line: takes in an observation and says what is to change.
    ///
    /// The commands are taken as carried out. They are in the order in which they should be: rates
    /// that fall come before those that rise, so that the link is not oversubscribed in between.
    pub fn tick(&mut self, observation: &Observation) -> Vec<Command> {
        if !self.estimator.observe(observation) {
            return Vec::new();
        }
        let capacities = self.decide_capacities(observation);
        let mut commands = self.decide_rates(capacities);
        self.decide_placement(&mut commands);
        commands
    }

    fn decide_capacities(&mut self, observation: &Observation) -> Vec<Command> {
        let mut commands = Vec::new();
        let nothing = LinkSignals::default();
        let span = self.estimator.span();
        let arrivals = self.estimator.arrivals();
        for (interface, (link, arrivals)) in self.links.iter_mut().zip(arrivals).enumerate() {
            let (Some(following), Some(spec)) = (
                &mut link.following,
                self.standing.interfaces.get_mut(interface),
            ) else {
                continue;
            };
            let signals = observation.links.get(interface).unwrap_or(&nothing);
            let times = (observation.now, span);
            let capacity = following.capacity_after(times, *arrivals, signals);
            if capacity == spec.capacity {
                continue;
            }
            spec.capacity = capacity;
            link.share_out(&self.standing, capacity);
            commands.push(Command::SetCapacity {
                interface,
                capacity,
            });
        }
        commands
    }

    /// Rates that fall come first, then the `capacities` that have changed.
    fn decide_rates(&mut self, mut capacities: Vec<Command>) -> Vec<Command> {
        let law = self.standing.law;
        let (mut falls, mut rises) = (Vec::new(), Vec::new());
        let links = self.links.iter_mut().zip(self.estimator.classes());
        for (interface, ((link, estimates), rates)) in links.zip(&mut self.rates).enumerate() {
            let next = link.next_rates(law, estimates, rates);
            for (class, (rate, &next)) in rates.iter_mut().zip(next).enumerate() {
                if next == *rate {
                    continue;
                }
                let command = Command::SetRate {
                    interface,
                    class,
                    rate: next,
                };
                if next < *rate {
                    falls.push(command);
                } else {
                    rises.push(command);
                }
                *rate = next;
            }
        }
        falls.append(&mut capacities);
        falls.append(&mut rises);
        falls
    }

    fn decide_placement(&mut self, commands: &mut Vec<Command>) {
        let sets = self
            .cpu_sets
            .sets()
            .iter()
            .zip(&mut self.placement)
            .zip(&mut self.balancers);
        for (cpu_set, ((set, placement), balancer)) in sets.enumerate() {
            let loads = self.estimator.slot_loads(cpu_set);
            for moved in balancer.moves(loads, placement, &cpus(set)) {
                if let Some(cpu) = placement.get_mut(moved.slot) {
                    *cpu = moved.place;
                    let (slot, cpu) = (moved.slot, moved.place);
                    commands.push(Command::MoveSlot { cpu_set, slot, cpu });
                }
            }
        }
    }

    /// What the estimates entitle every class to, `[interface][class]`.
    fn target_rates(&mut self) -> Vec<Vec<BitsPerSecond>> {
        let law = self.standing.law;
        let links = self.links.iter_mut().zip(self.estimator.classes());
        let rates = links.map(|(link, estimates)| {
            let allotments = link.allot(law, estimates);
            allotments.iter().map(Allotment::rate).collect()
        });
        rates.collect()
    }

    /// Takes over what is known of links, and with it the capacities, within their new bounds.
    fn keep_capacities(&mut self, before: &Self, origins: &Origins) {
        let links = self.links.iter_mut().zip(&origins.interfaces).enumerate();
        for (interface, (link, origin)) in links {
            let known = origin.and_then(|origin| before.following(origin));
            let (Some(following), Some(known), Some(spec)) = (
                &mut link.following,
                known,
                self.standing.interfaces.get_mut(interface),
            ) else {
                continue;
            };
            *following = known.under(following);
            spec.capacity = following.capacity();
            let capacity = spec.capacity;
            link.share_out(&self.standing, capacity);
        }
    }

    /// Lowers target rates to what was in force before; the way up is taken step by step. The
    /// guarantees stand.
    fn keep_damped_rates(&mut self, before: &[Vec<BitsPerSecond>], origins: &Origins) {
        let law = self.standing.law;
        let links = self.links.iter_mut().zip(self.estimator.classes());
        let links = links.zip(&mut self.rates).zip(&origins.interfaces);
        for (((link, estimates), rates), origin) in links {
            let Some(before) = origin.and_then(|origin| before.get(origin)) else {
                continue;
            };
            let allotments = link.allot(law, estimates);
            for ((rate, allotment), origin) in
                rates.iter_mut().zip(allotments).zip(&origins.classes)
            {
                if let Some(before) = origin.and_then(|origin| before.get(origin)) {
                    *rate = (*rate).min(*before).max(allotment.guarantee);
                }
            }
        }
    }

    fn keep_placement(&mut self, before: &Self, origins: &[Option<usize>]) {
        for (cpu_set, (set, origin)) in self.cpu_sets.sets().iter().zip(origins).enumerate() {
            let cpus = cpus(set);
            let known = origin.and_then(|origin| {
                before
                    .placement
                    .get(origin)
                    .zip(before.balancers.get(origin))
            });
            let Some((placement, balancer)) = known else {
                self.placement.push(round_robin(SLOTS, &cpus));
                self.balancers.push(Balancer::default());
                continue;
            };
            let mut placement = placement.clone();
            for moved in evict(self.estimator.slot_loads(cpu_set), &placement, &cpus) {
                if let Some(cpu) = placement.get_mut(moved.slot) {
                    *cpu = moved.place;
                }
            }
            self.placement.push(placement);
            self.balancers.push(balancer.clone());
        }
    }
}

/// What of a policy the controller goes by.
fn standing(policy: &Policy) -> Policy {
    Policy {
        interval: policy.interval,
        law: policy.law,
        failsafe: policy.failsafe,
        shadow: policy.shadow,
        interfaces: policy.interfaces.clone(),
        classes: policy.classes.clone(),
        groups: policy.groups.clone(),
        ..Policy::empty()
    }
}

fn cpus(set: &CpuSet) -> Vec<u32> {
    set.0.iter().copied().collect()
}

/// Where each of `names` stands in `old`.
fn positions<'a>(
    names: impl Iterator<Item = &'a str>,
    old: impl Iterator<Item = &'a str>,
) -> Vec<Option<usize>> {
    let old: HashMap<&str, usize> = old
        .enumerate()
        .map(|(position, name)| (name, position))
        .collect();
    names.map(|name| old.get(name).copied()).collect()
}
