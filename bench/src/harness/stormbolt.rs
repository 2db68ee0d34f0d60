//! StormBolt itself, loaded by its own engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use aya::programs::{ProgramFd, loaded_programs};
use stormbolt::apply::Engine;
use stormbolt::lab::Namespace;
use stormbolt_common::outcome::Outcome;
use stormbolt_control::compile::Patient;
use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;

use super::clock::now_ns;
use super::counters::Counters;
use super::memory::memory_of;

/// Memory for the rules of one policy: the daemon's default.
const TABLE_BYTES: u64 = 128 << 20;
/// The kernel's name of the program that takes a packet through all stages.
pub const WHOLE_PROGRAM: &str = "stormbolt";
/// The program that uses all that is counted.
const UNPAID_PROGRAM: &str = "stormbolt_pay";
/// The program that parses and classifies as that one does, and does nothing else.
pub const CLASSIFYING_PROGRAM: &str = "explain";

/// StormBolt under a policy, as the daemon runs it.
///
/// It manages the loopback device of a namespace of its own. The kernel gives each of these the
/// number of the device that test frames arrive on, wherever they are sent, so that any number of
/// engines is under measurement side by side.
pub struct Loaded {
    namespace: Namespace,
    engine: Engine,
    /// The engine's programs and their numbers, by the kernel's names.
    programs: BTreeMap<String, (ProgramFd, u32)>,
}

/// What became of the packets since a policy is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// All of them.
    pub received: u64,
    /// Those that went on to another CPU.
    pub steered: u64,
    /// Those that met each rule, in the policy's order.
    pub by_rule: Vec<u64>,
}

impl Loaded {
    /// Loads StormBolt and puts `policy` into force; its only interface is `lo`.
    ///
    /// # Errors
    /// The policy does not fit, or the kernel refuses.
    pub fn start(policy: Policy) -> Result<Self> {
        Self::start_in(Namespace::new("bench")?, policy)
    }

    /// Loads StormBolt inside of `namespace`, which has the interfaces of `policy`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_in(namespace: Namespace, policy: Policy) -> Result<Self> {
        Self::start_with(namespace, policy, 0)
    }

    /// Loads StormBolt as [`Self::start`] does, with counters for `cpus` CPUs, if this machine does not have
    /// more.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_for_cpus(policy: Policy, cpus: u32) -> Result<Self> {
        Self::start_with(Namespace::new("bench")?, policy, cpus)
    }

    fn start_with(namespace: Namespace, policy: Policy, cpus: u32) -> Result<Self> {
        let before = own_programs()?;
        let engine = namespace
            .run(|| Engine::start_for_cpus(policy, 1, TABLE_BYTES, cpus, &mut Patient))??;
        let after = own_programs()?;
        let mut programs = BTreeMap::new();
        for info in loaded_programs() {
            let info = info?;
            let id = info.id();
            if after.contains(&id)
                && !before.contains(&id)
                && let Some(name) = info.name_as_str()
            {
                programs.insert(name.to_owned(), (info.fd()?, id));
            }
        }
        Ok(Self {
            namespace,
            engine,
            programs,
        })
    }

    /// The program that has this name in the kernel.
    ///
    /// # Errors
    /// The engine has loaded none of that name.
    pub fn program(&self, name: &str) -> Result<&ProgramFd> {
        Ok(&self.find(name)?.0)
    }

    fn find(&self, name: &str) -> Result<&(ProgramFd, u32)> {
        let program = self.programs.get(name);
        program.with_context(|| format!("the engine has loaded no program `{name}`"))
    }

    /// Puts `policy` into force in the place of the other one, and returns the time that it took, in
    /// nanoseconds.
    ///
    /// # Errors
    /// The policy does not fit, or the kernel refuses.
    pub fn apply(&mut self, policy: Policy) -> Result<u64> {
        let engine = &mut self.engine;
        self.namespace.run(|| {
            let before = now_ns();
            engine.apply(policy)?;
            Ok(now_ns() - before)
        })?
    }

    /// What became of the packets since the policy is in force.
    pub fn packets(&self) -> Packets {
        let interfaces = self.engine.interfaces().interfaces;
        let outcomes = interfaces.iter().flat_map(|one| &one.outcomes);
        let steered = outcomes.filter(|one| one.outcome == Outcome::ClassSteered.name());
        Packets {
            received: interfaces.iter().map(|one| one.received_packets).sum(),
            steered: steered.map(|one| one.packets).sum(),
            by_rule: self
                .engine
                .rules()
                .rules
                .iter()
                .map(|rule| rule.packets)
                .collect(),
        }
    }

    /// One interval of the control line at time `now`.
    pub fn tick(&mut self, now: Nanoseconds) {
        self.engine.tick(now);
    }

    /// The rates in force, in bit/s, by class and on the only interface.
    pub fn rates(&self) -> Vec<u64> {
        let classes = self.engine.classes().classes;
        classes
            .iter()
            .map(|one| one.rate_bits_per_second.0)
            .collect()
    }

    /// Packets of each class that did not pass its policer, by the last tick.
    pub fn dropped_by_class(&self) -> Vec<u64> {
        let classes = self.engine.classes().classes;
        classes.iter().map(|one| one.dropped_packets).collect()
    }

    /// Packets that each CPU has received since the program was loaded.
    pub fn received_by_cpu(&mut self) -> Vec<u64> {
        // They are read at a tick, whenever that is.
        self.engine.tick(Nanoseconds(now_ns()));
        let cpus = self.engine.cpus().cpus;
        cpus.iter().map(|cpu| cpu.received_packets).collect()
    }

    /// The counters of classes and slots.
    ///
    /// # Errors
    /// The kernel does not give them away.
    pub fn counters(&self) -> Result<Counters> {
        let cpus = u32::try_from(self.engine.cpus().cpus.len())?;
        Counters::of(self.find(UNPAID_PROGRAM)?.1, cpus)
    }

    /// Memory of the programs' maps, those of the policy included, in bytes as the kernel counts
    /// them.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn memory(&self) -> Result<u64> {
        memory_of(&self.programs.values().map(|&(_, id)| id).collect())
    }
}

/// Numbers of the BPF programs that this process has descriptors of.
fn own_programs() -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The descriptor of this very folder is gone by the time that it is read.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        found.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    Ok(found)
}
