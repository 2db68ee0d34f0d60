//! The control line as one object: an observation goes in, commands come out.

mod cpu_sets;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use cpu_sets::CpuSets;

use crate::decide::{Allotment, Balancer, Tree, evict, least_demands, next_rates, round_robin};
use crate::estimate::{ClassEstimate, Estimator, Origins};
use crate::observe::Observation;
use crate::policy::{Class, CpuSet, Interface, Law, Policy};
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

/// Decides rates and placements from observations, under one policy at a time.
///
/// It keeps what is in force, so that it only says what changes. After [`Controller::new`] and
/// [`Controller::set_policy`] everything that [`Controller::rates`] and [`Controller::placement`]
/// return has to be written; after that, the commands.
#[derive(Clone, Debug)]
pub struct Controller {
    interfaces: Vec<Interface>,
    classes: Vec<Class>,
    cpu_sets: CpuSets,
    law: Law,
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
            interfaces: policy.interfaces.clone(),
            classes: policy.classes.clone(),
            cpu_sets,
            law: policy.law,
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
                self.interfaces
                    .iter()
                    .map(|interface| interface.name.as_str()),
            ),
            classes: positions(
                policy.classes.iter().map(|class| class.name.as_str()),
                self.classes.iter().map(|class| class.name.as_str()),
            ),
            cpu_sets: cpu_sets.origins(&policy.classes, &self.cpu_sets, &self.classes),
        };

        let mut next = Self {
            estimator: self.estimator.rearranged(&origins, SLOTS),
            rates: Vec::new(),
            placement: Vec::new(),
            balancers: Vec::new(),
            interfaces: policy.interfaces.clone(),
            classes: policy.classes.clone(),
            cpu_sets,
            law: policy.law,
            links: links(policy),
        };
        next.rates = next.target_rates();
        next.keep_damped_rates(&self.rates, &origins);
        next.keep_placement(self, &origins.cpu_sets);
        *self = next;
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
        let mut commands = self.decide_rates();
        self.decide_placement(&mut commands);
        commands
    }

    fn decide_rates(&mut self) -> Vec<Command> {
        let (mut falls, mut rises) = (Vec::new(), Vec::new());
        let links = self.links.iter_mut().zip(self.estimator.classes());
        for (interface, ((link, estimates), rates)) in links.zip(&mut self.rates).enumerate() {
            let next = link.next_rates(self.law, estimates, rates);
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
        let links = self.links.iter_mut().zip(self.estimator.classes());
        let rates = links.map(|(link, estimates)| {
            let allotments = link.allot(self.law, estimates);
            allotments.iter().map(Allotment::rate).collect()
        });
        rates.collect()
    }

    /// Lowers target rates to what was in force before; the way up is taken step by step. The
    /// guarantees stand.
    fn keep_damped_rates(&mut self, before: &[Vec<BitsPerSecond>], origins: &Origins) {
        let links = self.links.iter_mut().zip(self.estimator.classes());
        let links = links.zip(&mut self.rates).zip(&origins.interfaces);
        for (((link, estimates), rates), origin) in links {
            let Some(before) = origin.and_then(|origin| before.get(origin)) else {
                continue;
            };
            let allotments = link.allot(self.law, estimates);
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

/// The claims on one interface.
#[derive(Clone, Debug)]
struct Link {
    capacity: BitsPerSecond,
    tree: Tree,
    /// What each class is credited with while it wants less.
    least: Vec<BitsPerSecond>,
    /// The rates of the next interval; kept for its memory.
    next: Vec<BitsPerSecond>,
}

fn links(policy: &Policy) -> Vec<Link> {
    let link = |interface: &Interface| Link {
        capacity: interface.capacity,
        tree: Tree::new(policy, interface.capacity),
        least: least_demands(policy, interface.capacity),
        next: Vec::with_capacity(policy.classes.len()),
    };
    policy.interfaces.iter().map(link).collect()
}

impl Link {
    /// What the estimates entitle every class to.
    fn allot(&mut self, law: Law, estimates: &[ClassEstimate]) -> &[Allotment] {
        let (tree, least) = (&mut self.tree, &self.least);
        tree.allot(law, |class| {
            let demand = estimates.get(class).map(|estimate| estimate.demand);
            let least = least.get(class).copied();
            demand.unwrap_or_default().max(least.unwrap_or_default())
        })
    }

    /// The rates after those in force: `rate_{k+1} = update(rate_k, Δt)`.
    fn next_rates(
        &mut self,
        law: Law,
        estimates: &[ClassEstimate],
        in_force: &[BitsPerSecond],
    ) -> &[BitsPerSecond] {
        self.allot(law, estimates);
        let bound = u128::from(self.capacity.0) + self.tree.lent();
        next_rates(bound, in_force, self.tree.allotments(), &mut self.next);
        self.tree.hold_ceils(&mut self.next);
        &self.next
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
