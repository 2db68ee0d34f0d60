//! Observe, decide, apply: the policy in force and what it takes to keep it so.

use std::collections::BTreeMap;

use stormbolt_common::limits::SLOTS_PER_CPU_SET;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::steer::entry_for_cpu;
use stormbolt_control::compile::{Input, Patient, Watch};
use stormbolt_control::controller::{Command, Controller};
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::policy::{AttachMode, FailsafeMode, Interface, Policy};
use stormbolt_control::units::Nanoseconds;

use super::baselines::Baselines;
use super::error::ApplyError;
use super::memory::TableMemory;
use super::observe::Received;
use super::plan::{Numbers, Terms, rule_entries, tables};
use super::table_sizes::{FixedSizes, room_for};
use crate::causes::with_causes;
use crate::datapath::{
    AttachedMode, Attachment, DEFAULT_FLOWS, DEFAULT_SOURCES, Datapath, PolicyTables, TableSizes,
};

/// A time that never comes.
const FOREVER: Nanoseconds = Nanoseconds(u64::MAX);

/// More than it takes to put a policy into force: it may be compiled for a minute.
const LONGEST_APPLY: Nanoseconds = Nanoseconds::from_millis(120_000);

/// The loaded data path under a policy. Dropping it detaches everything.
pub struct Engine {
    pub(super) datapath: Datapath,
    pub(super) policy: Policy,
    pub(super) controller: Controller,
    pub(super) numbers: Numbers,
    pub(super) terms: Terms,
    /// What is known of the links since the last tick, by interface.
    pub(super) signals: Vec<LinkSignals>,
    pub(super) attachments: BTreeMap<String, Attachment>,
    pub(super) baselines: Baselines,
    pub(super) received: Received,
    notices: Vec<String>,
    memory: TableMemory,
    /// IPv4 flows that each CPU remembers.
    flows: u32,
    /// Sources that have a bucket of their own.
    sources: u32,
}

impl Engine {
    /// Loads the program, puts `policy` into force and attaches to its interfaces.
    ///
    /// `table_bytes` is the memory that the compiled rules and sets of one policy may take; twice as
    /// much is allocated. Each CPU remembers as many flows as `policy` says, for as long as this runs.
    ///
    /// # Errors
    /// The kernel refuses; nothing stays attached.
    pub fn start(policy: Policy, hash_seed: u64, table_bytes: u64) -> Result<Self, ApplyError> {
        Self::start_watched(policy, hash_seed, table_bytes, &mut Patient)
    }

    /// Like [`Self::start`], unless `watch` wants to give up while `policy` is compiled.
    ///
    /// # Errors
    /// The kernel refuses, or [`ApplyError::GivenUp`]; nothing stays attached.
    pub fn start_watched(
        policy: Policy,
        hash_seed: u64,
        table_bytes: u64,
        watch: &mut dyn Watch,
    ) -> Result<Self, ApplyError> {
        Self::start_for_cpus(policy, hash_seed, table_bytes, 0, watch)
    }

    /// The same with counters and leases for `cpus` CPUs, if this machine does not have more: a tick reads
    /// and writes then what it does on a machine that has so many.
    ///
    /// # Errors
    /// As there.
    pub fn start_for_cpus(
        policy: Policy,
        hash_seed: u64,
        table_bytes: u64,
        cpus: u32,
        watch: &mut dyn Watch,
    ) -> Result<Self, ApplyError> {
        let nothing = Policy::empty();
        let flows = policy.tables.flows.unwrap_or(DEFAULT_FLOWS);
        let cells = room_for(&policy);
        let sources = policy.tables.sources.unwrap_or(DEFAULT_SOURCES);
        let sizes = TableSizes {
            bytes: table_bytes.saturating_mul(2),
            flows,
            cells,
            sources,
            cpus,
        };
        let datapath = Datapath::load(hash_seed, sizes)?;
        let mut engine = Self {
            received: Received::nothing(datapath.cpus()),
            memory: TableMemory::new(datapath.blocks()),
            flows,
            sources,
            datapath,
            controller: Controller::new(&nothing),
            terms: Terms::of(&nothing),
            signals: Vec::new(),
            policy: nothing,
            numbers: Numbers::none(cells),
            attachments: BTreeMap::new(),
            baselines: Baselines::default(),
            notices: Vec::new(),
        };
        engine.apply_watched(policy, watch)?;
        // Now and not at the first question, which would keep the controller waiting. Traffic is managed
        // all the same where the kernel refuses.
        if let Err(error) = engine.datapath.prepare_explain() {
            let reason = with_causes(&error);
            engine
                .notices
                .push(format!("`stormbolt explain` has no answers: {reason}"));
        }
        Ok(engine)
    }

    /// Puts `policy` into force as a whole and returns its generation.
    ///
    /// # Errors
    /// The policy does not fit or the kernel refuses; the policy in force stays in force.
    pub fn apply(&mut self, policy: Policy) -> Result<u32, ApplyError> {
        self.apply_watched(policy, &mut Patient)
    }

    /// Like [`Self::apply`], unless `watch` wants to give up while `policy` is compiled.
    ///
    /// # Errors
    /// As there, and [`ApplyError::GivenUp`]; the policy in force stays in force.
    pub fn apply_watched(
        &mut self,
        mut policy: Policy,
        watch: &mut dyn Watch,
    ) -> Result<u32, ApplyError> {
        let kept = policy.share_with(&self.policy);
        let mut controller = self.controller.clone();
        controller.set_policy(&policy);
        let numbers = self
            .numbers
            .under(&self.policy, &policy, &kept, controller.cpu_sets())?;
        let generation = next_generation(self.datapath.generation());
        let input = Input {
            rules: &policy.rules,
            entries: &rule_entries(&policy, &numbers),
            sets: &policy.sets,
            interfaces: &numbers.interfaces,
            kept: Some(&kept),
        };
        // No tick comes meanwhile.
        self.promise_word(self.received.at, LONGEST_APPLY);
        let compiled = self.memory.compile(input, watch)?;
        let cpus = self.datapath.cpus();
        let terms = Terms::of(controller.standing());
        let tables = tables(
            &policy,
            &controller,
            &numbers,
            compiled,
            generation,
            &terms,
            cpus,
        );
        match self.put_into_force(policy, controller, numbers, &tables) {
            Ok(()) => {
                self.terms = terms;
                self.memory.keep();
                Ok(generation)
            }
            Err(error) => {
                self.memory.discard();
                Err(error)
            }
        }
    }

    fn put_into_force(
        &mut self,
        policy: Policy,
        controller: Controller,
        numbers: Numbers,
        tables: &PolicyTables,
    ) -> Result<(), ApplyError> {
        for cpu in controller.cpu_sets().iter().flat_map(|set| &set.0) {
            self.datapath.enable_cpu(*cpu)?;
        }
        self.forget_vanished();
        // Attached before the policy is in force, so that a failure leaves the old one; until then
        // their packets pass as those of no interface of ours.
        let mut attached = Vec::new();
        for interface in &policy.interfaces {
            if !self.attachments.contains_key(&interface.name) {
                attached.push((
                    interface.name.clone(),
                    self.datapath.attach(&interface.name, interface.mode)?,
                ));
            }
        }
        self.write_placement(&controller, &numbers);
        self.datapath.install(tables)?;

        self.attachments.extend(attached);
        self.take_baselines(&policy, &numbers);
        if self.has_other_sources(&policy, &numbers) {
            self.datapath.forget_offenders();
        }
        self.policy = policy;
        self.controller = controller;
        self.numbers = numbers;
        // Their positions are those of the old policy.
        self.signals.clear();
        self.promise_word(self.received.at, LONGEST_APPLY);
        self.settle_interfaces();
        Ok(())
    }

    /// One interval of the control line at time `now`.
    pub fn tick(&mut self, now: Nanoseconds) {
        let mut observation = self.observe(now);
        observation.links = std::mem::take(&mut self.signals);
        let commands = self.controller.tick(&observation);
        let other_rates = commands.iter().any(Command::changes_rates);
        for command in commands {
            self.carry_out(command);
        }
        if other_rates {
            self.datapath.put_rates_into_force();
        }
        self.measure_cpus(now);
        self.promise_word(now, self.policy.failsafe.after);
    }

    /// Tells the data path that it will hear from the controller within some time, or never needs to. Before the
    /// first tick nobody knows the time; until then it needs to hear nothing.
    fn promise_word(&self, now: Nanoseconds, within: Nanoseconds) {
        if now == Nanoseconds::default() {
            return;
        }
        self.datapath
            .expect_word_until(match self.policy.failsafe.mode {
                FailsafeMode::Hold => FOREVER,
                FailsafeMode::Guaranteed | FailsafeMode::Open => {
                    Nanoseconds(now.0.saturating_add(within.0))
                }
            });
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Generation of the policy in force.
    pub fn generation(&self) -> u32 {
        self.datapath.generation()
    }

    /// How large the tables are that no policy changes.
    pub fn table_sizes(&self) -> FixedSizes {
        FixedSizes {
            bytes: self.memory.budget(),
            flows: self.flows,
            sources: self.sources,
            cells: self.datapath.cells(),
        }
    }

    /// What the operator should know about the attachments and the tables.
    pub fn notices(&self) -> Vec<String> {
        let fallbacks = self.attachments.iter().filter_map(|(name, attachment)| {
            let reason = attachment.fallback.as_ref()?;
            Some(format!(
                "interface {name} runs in generic mode, which is slower: its driver refused native \
                 mode ({reason})"
            ))
        });
        let tables = self.table_sizes().notices(&self.policy);
        fallbacks
            .chain(self.link_notices())
            .chain(tables.map(|(message, help)| format!("{message}; {help}")))
            .chain(self.notices.iter().cloned())
            .collect()
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::SetRate {
                interface,
                class,
                rate,
            } => self.set_rate((interface, class), rate),
            Command::SetCapacity { interface, .. } => self.set_capacity(interface),
            Command::MoveSlot { cpu_set, slot, cpu } => {
                if let Some(&number) = self.numbers.cpu_sets.get(cpu_set) {
                    self.set_slot(number, slot, cpu);
                }
            }
        }
    }

    fn write_placement(&self, controller: &Controller, numbers: &Numbers) {
        for (placement, &number) in controller.placement().iter().zip(&numbers.cpu_sets) {
            for (slot, &cpu) in placement.iter().enumerate() {
                self.set_slot(number, slot, cpu);
            }
        }
    }

    fn set_slot(&self, cpu_set: u32, slot: usize, cpu: u32) {
        if let Ok(slot) = u32::try_from(slot) {
            self.datapath
                .set_slot(cpu_set * SLOTS_PER_CPU_SET + slot, entry_for_cpu(cpu));
        }
    }

    /// Lets the interfaces of the policy be seen, and lets go of those that are not in it.
    fn settle_interfaces(&mut self) {
        self.notices.clear();
        let names: Vec<String> = self
            .policy
            .interfaces
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let gone: Vec<String> = self
            .attachments
            .keys()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(attachment) = self.attachments.remove(&name) {
                self.datapath.set_interface(attachment.ifindex, None);
            }
        }
        for (interface, number) in self
            .policy
            .interfaces
            .clone()
            .into_iter()
            .zip(self.numbers.interfaces.clone())
        {
            self.settle_mode(&interface);
            if let Some(attachment) = self.attachments.get(&interface.name) {
                self.datapath
                    .set_interface(attachment.ifindex, Some(number));
            }
        }
    }

    /// Lets go of interfaces that are gone, or have been made anew under the same name: the kernel has
    /// detached the program from them.
    fn forget_vanished(&mut self) {
        let gone = |name: &String, attachment: &Attachment| !attachment.is_on(name);
        for (_, attachment) in self.attachments.extract_if(.., |name, one| gone(name, one)) {
            self.datapath.set_interface(attachment.ifindex, None);
        }
    }

    /// Attaches anew where the policy asks for another mode than the one that runs.
    fn settle_mode(&mut self, interface: &Interface) {
        let wanted = match interface.mode {
            AttachMode::Auto => return,
            AttachMode::Native => AttachedMode::Native,
            AttachMode::Generic => AttachedMode::Generic,
        };
        let name = &interface.name;
        if self
            .attachments
            .get(name)
            .is_none_or(|attachment| attachment.mode == wanted)
        {
            return;
        }
        self.attachments.remove(name);
        let attached = self.datapath.attach(name, interface.mode).or_else(|error| {
            self.notices.push(format!(
                "interface {name} keeps the mode that it can: {} mode is not possible ({error})",
                wanted.name()
            ));
            self.datapath.attach(name, AttachMode::Auto)
        });
        match attached {
            Ok(attachment) => {
                self.attachments.insert(name.clone(), attachment);
            }
            Err(error) => {
                self.notices
                    .push(format!("interface {name} is not attached: {error}"));
            }
        }
    }

    /// Remembers the counters of everything that has just got a number.
    fn take_baselines(&mut self, policy: &Policy, numbers: &Numbers) {
        let rules = numbers.rules.numbers.iter().zip(&numbers.rules.before);
        let rules = rules.map(|(&number, before)| {
            let before = before.and_then(|position| usize::try_from(position).ok());
            let kept = before.and_then(|position| self.baselines.rules.get(position));
            kept.copied()
                .unwrap_or_else(|| self.datapath.rule_counter(number))
        });
        let rules: Vec<_> = rules.collect();
        let mut cells = BTreeMap::new();
        let mut outcomes = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for (position, (interface, &number)) in policy
            .interfaces
            .iter()
            .zip(&numbers.interfaces)
            .enumerate()
        {
            let known = self.numbers.interface_ids.has(&interface.name);
            for outcome in Outcome::ALL {
                let key = (interface.name.clone(), outcome);
                let kept = self.baselines.outcomes.get(&key).filter(|_| known).copied();
                let now = || self.datapath.outcome_counter(number, outcome);
                outcomes.insert(key, kept.unwrap_or_else(now));
            }
            for (class_position, class) in policy.classes.iter().enumerate() {
                let known = known && self.numbers.class_ids.has(&class.name);
                let key = (interface.name.clone(), class.name.clone());
                let kept = self.baselines.cells.get(&key).filter(|_| known).copied();
                let cell = numbers.cell(position, class_position);
                let now = || {
                    cell.map(|cell| self.datapath.cell_counters(cell))
                        .unwrap_or_default()
                };
                cells.insert(key.clone(), kept.unwrap_or_else(now));
                if class.per_source.is_some() {
                    let kept = self.baselines.sources.get(&key).filter(|_| known).copied();
                    let now = || cell.map(|cell| self.datapath.source_counters(cell));
                    sources.insert(key, kept.or_else(now).unwrap_or_default());
                }
            }
        }
        self.baselines = Baselines {
            cells,
            sources,
            rules,
            outcomes,
        };
    }
}

/// Generations count up, skip zero and keep alternating between the two slots.
fn next_generation(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(2)
}
