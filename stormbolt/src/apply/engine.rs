//! Observe, decide, apply: the policy in force and what it takes to keep it so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stormbolt_common::limits::SLOTS_PER_CPU_SET;
use stormbolt_common::steer::entry_for_cpu;
use stormbolt_control::compile::{Input, Patient, Watch};
use stormbolt_control::controller::{Command, Controller};
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::policy::{FailsafeMode, Policy, RulesInForce, kept_rules};
use stormbolt_control::units::Nanoseconds;

use super::baselines::Baselines;
use super::error::ApplyError;
use super::followers::{is_named, named_followers, open_followers};
use super::memory::TableMemory;
use super::observe::Received;
use super::plan::{Numbers, Terms, rule_entries, tables};
use super::table_sizes::{FixedSizes, room_for};
use crate::api::documents::FollowerStatus;
use crate::causes::with_causes;
use crate::datapath::{
    Attachment, DEFAULT_FLOWS, DEFAULT_SOURCES, Datapath, Follower, Pins, PolicyTables, TableSizes,
};

/// A time that never comes.
const FOREVER: Nanoseconds = Nanoseconds(u64::MAX);

/// More than it takes to put a policy into force: it may be compiled for a minute.
const LONGEST_APPLY: Nanoseconds = Nanoseconds::from_millis(120_000);

/// The loaded data path under a policy. Dropping it detaches everything, unless [`Engine::leave`] was called.
pub struct Engine {
    /// As it was written.
    pub(super) policy: Policy,
    /// What packets are looked up in: also the rules that no policy has.
    pub(super) rules: RulesInForce,
    pub(super) controller: Controller,
    pub(super) numbers: Numbers,
    pub(super) terms: Terms,
    /// What is known of the links since the last tick, by interface.
    pub(super) signals: Vec<LinkSignals>,
    pub(super) attachments: BTreeMap<String, Attachment>,
    /// What goes on with packets that pass, by the name of their interface.
    pub(super) followers: BTreeMap<String, FollowerStatus>,
    /// The programs that go on with what passes under the policy in force, and under the one before.
    opened: Vec<Arc<Follower>>,
    pub(super) baselines: Baselines,
    pub(super) received: Received,
    pub(super) notices: Vec<String>,
    /// Why interfaces of the policy are not attached, by name.
    pub(super) absent: BTreeMap<String, String>,
    /// Interfaces that an operator has asked to leave alone.
    pub(super) detached: BTreeSet<String>,
    pub(super) memory: TableMemory,
    /// Slots that were given to another CPU.
    pub(super) moved_slots: u64,
    /// IPv4 flows that each CPU remembers.
    pub(super) flows: u32,
    /// Sources that have a bucket of their own.
    sources: u32,
    /// Dropped last: what is attached is detached by then.
    pub(super) datapath: Datapath,
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
        Self::start_with(policy, hash_seed, (table_bytes, cpus), None, watch)
    }

    /// Like [`Self::start_watched`], pinned: what is attached outlives the process, and goes on from where a daemon
    /// before has left it, without a moment in between.
    ///
    /// # Errors
    /// As there. What the daemon before has left stays as it is.
    pub fn start_pinned(
        policy: Policy,
        hash_seed: u64,
        table_bytes: u64,
        pins: Pins,
        watch: &mut dyn Watch,
    ) -> Result<Self, ApplyError> {
        Self::start_with(policy, hash_seed, (table_bytes, 0), Some(pins), watch)
    }

    fn start_with(
        policy: Policy,
        hash_seed: u64,
        (table_bytes, cpus): (u64, u32),
        pins: Option<Pins>,
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
        let datapath = match pins {
            Some(pins) => Datapath::load_pinned(hash_seed, sizes, pins)?,
            None => Datapath::load(hash_seed, sizes)?,
        };
        let mut engine = Self {
            received: Received::nothing(datapath.cpus()),
            memory: TableMemory::new(datapath.blocks()),
            moved_slots: 0,
            flows,
            sources,
            datapath,
            controller: Controller::new(&nothing),
            terms: Terms::of(&nothing),
            signals: Vec::new(),
            policy: nothing,
            rules: RulesInForce::default(),
            numbers: Numbers::none(cells),
            attachments: BTreeMap::new(),
            followers: BTreeMap::new(),
            opened: Vec::new(),
            baselines: Baselines::default(),
            notices: Vec::new(),
            absent: BTreeMap::new(),
            detached: BTreeSet::new(),
        };
        engine.inherit();
        engine.apply_watched(policy, watch)?;
        // The policy is in force and the links run ours: what is left of others only takes memory.
        if let Err(error) = engine.datapath.settle() {
            tracing::warn!("left behind by a daemon before: {}", with_causes(&error));
        }
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
        policy.share_with(&self.policy);
        let rules = RulesInForce::of(&policy);
        let kept = kept_rules(self.rules.all(), rules.all());
        let mut controller = self.controller.clone();
        controller.set_policy(&policy);
        let numbers = self.numbers.under(
            (&self.policy, self.rules.all()),
            (&policy, rules.all()),
            &kept,
            controller.cpu_sets(),
        )?;
        let generation = next_generation(self.datapath.generation());
        let input = Input {
            rules: rules.all(),
            entries: &rule_entries(&policy, rules.all(), &numbers),
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
        match self.put_into_force((policy, rules), controller, numbers, &tables) {
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
        (policy, rules): (Policy, RulesInForce),
        controller: Controller,
        numbers: Numbers,
        tables: &PolicyTables,
    ) -> Result<(), ApplyError> {
        for cpu in controller.cpu_sets().iter().flat_map(|set| &set.0) {
            self.datapath.enable_cpu(*cpu)?;
        }
        let (before, generation) = (self.datapath.generation(), tables.header.generation);
        let followers = open_followers(&policy, &numbers, &self.opened)?;
        self.datapath.set_followers(generation, &followers)?;
        let attached = self.attach_new(&policy).and_then(|attached| {
            self.write_placement(&controller, &numbers);
            self.datapath.install(tables)?;
            Ok(attached)
        });
        if attached.is_err() {
            self.datapath.forget_followers(generation);
        }
        let attached = attached?;

        self.datapath.forget_followers(before);
        self.followers = named_followers(&followers);
        self.opened.retain(|one| is_named(one, &self.policy));
        self.opened
            .extend(followers.into_iter().map(|(_, one)| one));
        self.attachments.extend(attached);
        self.take_baselines(&policy, &numbers);
        self.remember_rules(&policy, rules.all(), &numbers);
        if self.has_other_sources(&policy, &numbers) {
            self.datapath.forget_offenders();
        }
        self.policy = policy;
        self.rules = rules;
        self.controller = controller;
        self.numbers = numbers;
        // Their positions are those of the old policy.
        self.signals.clear();
        self.promise_word(self.received.at, LONGEST_APPLY);
        self.remember();
        self.inherit_buckets();
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
            .chain(self.absent_notices())
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
                    self.moved_slots += 1;
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
}

/// Generations count up, skip zero and keep alternating between the two slots.
fn next_generation(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(2)
}
