//! StormBolt itself, loaded by its own engine.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use aya::programs::{ProgramFd, loaded_programs};
use stormbolt::apply::Engine;
use stormbolt::lab::Namespace;
use stormbolt_control::policy::Policy;

use super::clock::now_ns;
use super::memory::memory_of;

/// Memory for the rules of one policy: the daemon's default.
const TABLE_BYTES: u64 = 128 << 20;
/// The program's name in the kernel.
const PROGRAM: &str = "stormbolt";

/// StormBolt under a policy, as the daemon runs it.
///
/// It manages the loopback device of a namespace of its own. The kernel gives each of these the
/// number of the device that test frames arrive on, wherever they are sent, so that any number of
/// engines is under measurement side by side.
pub struct Loaded {
    namespace: Namespace,
    engine: Engine,
    program: ProgramFd,
    program_id: u32,
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
        let before = own_programs()?;
        let engine = namespace.run(|| Engine::start(policy, 1, TABLE_BYTES))??;
        let after = own_programs()?;
        let mut program = None;
        for info in loaded_programs() {
            let info = info?;
            let id = info.id();
            if info.name_as_str() == Some(PROGRAM) && after.contains(&id) && !before.contains(&id) {
                program = Some((info.fd()?, id));
            }
        }
        let (program, program_id) = program.context("the engine has loaded no program")?;
        Ok(Self {
            namespace,
            engine,
            program,
            program_id,
        })
    }

    /// The program.
    pub fn program(&self) -> &ProgramFd {
        &self.program
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

    /// Whether the policy in force has rules.
    pub fn has_rules(&self) -> bool {
        !self.engine.policy().rules.is_empty()
    }

    /// How many packets there were, and how many of them met a rule.
    pub fn packets(&self) -> (u64, u64) {
        let interfaces = self.engine.interfaces().interfaces;
        let received = interfaces.iter().map(|one| one.received_packets);
        let rules = self.engine.rules().rules;
        let matched = rules.iter().map(|rule| rule.packets);
        (received.sum(), matched.sum())
    }

    /// Memory of the program's maps, those of the policy included, in bytes as the kernel counts
    /// them.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn memory(&self) -> Result<u64> {
        memory_of(self.program_id)
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
