//! The machine and what the daemon knows about its run.

use stormbolt_control::compile::{Progress, Watch};
use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;

use super::activity::{Activity, Cancel};
use super::clock;
use super::machine::{BoxedError, Machine, no_room};
use super::probe::Prober;
use super::recent::{Lately, Recent};
use super::seldom::Seldom;
use super::service_manager;
use crate::api::documents::{DOCUMENT_VERSION, Status};
use crate::api::explanation::Explanation;
use crate::apply::{ApplyError, Asked, ExplainError, Wanted};
use crate::causes::with_causes;
use crate::sampling::{Board, Reader};
use crate::telemetry::{Journal, Kind, Lookout, RunCounts, Snapshot};

/// Characters of a policy's source that are kept.
const MAX_SOURCE: usize = 4096;

/// How often it is looked for notices that have come up since a policy was put into force.
const NOTICES_EVERY: Nanoseconds = Nanoseconds::from_millis(1_000);

/// What a machine has been started with.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    /// Where the policy came from.
    pub(super) source: String,
    /// Its generation; nothing: what the machine says.
    pub(super) generation: Option<u32>,
    /// Why policies are not kept.
    pub(super) trouble: Option<String>,
}

/// A machine that runs; owned by the worker's thread.
pub struct Running {
    /// Ends before the machine does. The error is why no packets are sampled.
    reader: Result<Option<Reader>, String>,
    board: Board,
    machine: Box<dyn Machine>,
    prober: Prober,
    activity: Activity,
    source: String,
    /// Of the policy in force.
    generation: u32,
    /// What is wrong with keeping policies.
    trouble: Option<String>,
    /// When the policy in force is undone, if it waits to be confirmed.
    unconfirmed: Option<Nanoseconds>,
    started: Nanoseconds,
    ticks: u64,
    last_tick: Nanoseconds,
    recent: Recent,
    /// What has been logged already about attachments, and as notices.
    told: (Vec<String>, Vec<String>),
    /// When it was looked for notices last.
    looked: Nanoseconds,
    journal: Journal,
    lookout: Lookout,
    counts: RunCounts,
    overruns: Seldom,
    silences: Seldom,
}

impl Running {
    /// Takes over a machine that has just been started.
    pub(super) fn new(
        mut machine: Box<dyn Machine>,
        begun: Begun,
        activity: Activity,
        journal: Journal,
        board: Board,
    ) -> Self {
        let mut running = Self {
            reader: reader(machine.as_mut(), &board),
            board,
            generation: begun.generation.unwrap_or_else(|| machine.generation()),
            trouble: begun.trouble,
            unconfirmed: None,
            machine,
            prober: Prober::default(),
            activity,
            source: printable(&begun.source),
            started: clock::now(),
            ticks: 0,
            last_tick: Nanoseconds(0),
            recent: Recent::default(),
            told: Default::default(),
            looked: Nanoseconds(0),
            journal,
            lookout: Lookout::default(),
            counts: RunCounts::default(),
            overruns: Seldom::default(),
            silences: Seldom::default(),
        };
        let version = env!("CARGO_PKG_VERSION");
        running.record(Kind::DaemonStarted, &format!("stormbolt {version} started"));
        running.go_over();
        running
    }

    /// Generation of the policy in force, which goes on from one daemon to the next.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Where the policy in force came from.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// When the policy in force is undone, if it waits to be confirmed.
    pub(crate) fn set_unconfirmed(&mut self, until: Option<Nanoseconds>) {
        self.unconfirmed = until;
    }

    /// What is known from sampled packets.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// What the machine says about itself.
    pub fn machine(&self) -> &dyn Machine {
        self.machine.as_ref()
    }

    /// Puts a policy into force, unless `cancel` says that nobody waits for it any more. `source` says
    /// where it came from: a path, or `api`; `generation` is what it gets, else what the machine says.
    ///
    /// # Errors
    ///
    /// When this machine cannot run the policy, or it was given up; the one in force stays.
    pub fn apply(
        &mut self,
        policy: Policy,
        source: &str,
        generation: Option<u32>,
        cancel: &Cancel,
    ) -> Result<u32, BoxedError> {
        let source = printable(source);
        let budget = self.machine.table_sizes().bytes;
        let mut watch = self.activity.begin(policy.rules.len(), budget, cancel);
        // Whoever waited for their turn may have gone meanwhile.
        let result = if watch.interrupted(Progress { words: 0 }) {
            Err(ApplyError::GivenUp.into())
        } else {
            self.machine.apply(policy, &mut watch)
        };
        drop(watch);
        match result {
            Ok(of_machine) => {
                self.source = source;
                self.generation = generation.unwrap_or(of_machine);
                self.go_over();
                Ok(self.generation)
            }
            Err(error) => {
                let (generation, reason) = (self.generation, with_causes(error.as_ref()));
                let message = format!(
                    "policy from {source} refused, generation {generation} stays in force: {reason}"
                );
                tracing::warn!("{message}");
                let full = no_room(error.as_ref());
                let kind = if full {
                    Kind::TableFull
                } else {
                    Kind::PolicyRefused
                };
                self.counts.refused_policies += 1;
                self.record(kind, &message);
                Err(error)
            }
        }
    }

    /// What becomes of a packet right now, and why.
    ///
    /// # Errors
    ///
    /// When the packet cannot be asked about.
    pub fn explain(&mut self, asked: &Asked) -> Result<Explanation, ExplainError> {
        let mut answer = self.machine.explain(asked, clock::now())?;
        answer.generation = self.generation;
        Ok(answer)
    }

    /// What arrived in the last minute, as far as it is known.
    pub(crate) fn lately(&self) -> Option<Lately> {
        let (classes, rules) = (self.machine.classes(), self.machine.rules());
        self.recent.lately(clock::now(), &classes, &rules)
    }

    /// The status document.
    pub fn status(&self) -> Status {
        let policy = self.machine.policy();
        Status {
            version: DOCUMENT_VERSION,
            daemon_version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: clock::now().since(self.started).0 / 1_000_000_000,
            generation: self.generation,
            policy_source: self.source.clone(),
            interval_milliseconds: policy.interval.0 / 1_000_000,
            ticks: self.ticks,
            last_tick_microseconds: self.last_tick.0 / 1_000,
            interface_count: policy.interfaces.len(),
            class_count: policy.classes.len(),
            rule_count: policy.rules.len(),
            confirm_within_seconds: self
                .unconfirmed
                .map(|until| until.since(clock::now()).0 / 1_000_000_000),
            notices: self.notices(),
        }
    }

    /// Looks at what has become of the interfaces.
    pub(super) fn follow_links(&mut self) {
        self.machine.follow_links();
        self.log_attached();
    }

    /// Takes the program off these interfaces or off all, or puts it back.
    ///
    /// # Errors
    ///
    /// When there is no such interface, or it cannot be attached to.
    pub fn set_attached(&mut self, names: &[String], attached: bool) -> Result<(), BoxedError> {
        let result = self.machine.set_attached(names, attached);
        self.log_attached();
        result
    }

    /// Lets what is attached outlive the machine.
    pub(super) fn leave(&mut self) {
        self.machine.leave();
    }

    /// Everything that metrics are made of; so many classes and so many rules at most.
    pub fn snapshot(&self, limit: usize) -> Snapshot {
        let machine = self.machine.as_ref();
        let silent_from = machine.silent_from();
        let (sampled, round_trips) = self.board.counts();
        let classes = Wanted {
            classes: round_trips.classes().collect(),
            ..Wanted::default()
        };
        Snapshot {
            status: self.status(),
            run: self.counts.clone(),
            events: self.journal.counts(),
            silent_in: (silent_from.0 != u64::MAX).then(|| silent_from.since(clock::now())),
            interfaces: machine.interfaces(),
            counted: machine.counted(limit),
            cpus: machine.cpus(),
            sources: machine.sources(),
            tables: machine.tables(),
            sampled,
            round_trips,
            class_names: machine.named(&classes).classes,
        }
    }

    pub(super) fn interval(&self) -> Nanoseconds {
        self.machine.policy().interval
    }

    /// One tick. Returns the time at its end.
    pub(super) fn tick(&mut self, now: Nanoseconds) -> Nanoseconds {
        self.hear_of_silence(now);
        if self.prober.is_wanted() {
            self.machine.sense(self.prober.take());
        }
        self.machine.tick(now);
        let policy = self.machine.policy();
        let cells = policy.classes.len() * policy.interfaces.len();
        if self.recent.is_due(now, cells, policy.rules.len()) {
            let (classes, rules) = (self.machine.classes(), self.machine.rules());
            self.recent.note(now, &classes, &rules);
        }
        let end = clock::now();
        self.ticks += 1;
        self.activity.beat();
        self.last_tick = end.since(now);
        self.count_tick(end);
        if now.since(self.looked) < NOTICES_EVERY {
            return end;
        }
        self.looked = now;
        self.look();
        clock::now()
    }

    /// Takes note of ticks that were due and did not take place.
    pub(super) fn missed(&mut self, ticks: u64) {
        self.counts.missed_ticks += ticks;
    }

    fn count_tick(&mut self, now: Nanoseconds) {
        let (took, interval) = (self.last_tick, self.interval());
        if !self.counts.ticked(took, interval) {
            return;
        }
        if let Some(times) = self.overruns.times(now) {
            let (took, interval) = (took.0 / 1_000, interval.0 / 1_000);
            let message = format!(
                "a tick took {took} µs, more than its interval of {interval} µs; {times} since this was said last"
            );
            self.record(Kind::TickOverrun, &message);
        }
    }

    /// The data path may have given the controller up since the last tick.
    fn hear_of_silence(&mut self, now: Nanoseconds) {
        let silent_from = self.machine.silent_from();
        if silent_from >= now {
            return;
        }
        self.counts.silences += 1;
        if let Some(times) = self.silences.times(now) {
            let silence = now.since(silent_from).0 / 1_000_000;
            let message = format!(
                "the data path heard nothing from the controller: for {silence} ms the policy's failsafe applied; \
                 {times} times since this was said last"
            );
            self.record(Kind::Failsafe, &message);
        }
    }

    fn record(&self, kind: Kind, message: &str) {
        self.journal.record(clock::wall(), kind, message);
    }

    /// Another policy is in force.
    fn go_over(&mut self) {
        self.recent.forget();
        let known = Wanted {
            classes: self.board.classes(),
            ..Wanted::default()
        };
        let named = self.machine.named(&known);
        self.board
            .keep_classes(|class| named.classes.contains_key(&class));
        self.prober.follow(self.machine.policy());
        self.log_policy();
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.machine.notices();
        notices.extend(self.prober.notices());
        notices.extend(self.trouble.clone());
        notices.extend(self.reader.as_ref().err().cloned());
        notices
    }

    fn log_policy(&mut self) {
        let (generation, source) = (self.generation, &self.source);
        let message = format!("generation {generation} in force, from {source}");
        tracing::info!(generation, policy_source = %source, "{message}");
        service_manager::tell_status(&message);
        self.counts.applied_policies += 1;
        self.record(Kind::PolicyApplied, &message);
        self.log_attached();
    }

    fn log_attached(&mut self) {
        let attached = self
            .machine
            .interfaces()
            .interfaces
            .into_iter()
            .filter(|interface| interface.mode != "detached")
            .map(|interface| {
                let capacity = match &interface.adaptive {
                    None => interface.capacity_bits_per_second.to_string(),
                    Some(link) => format!(
                        "from {} to {} as the link allows",
                        link.min_bits_per_second, link.max_bits_per_second
                    ),
                };
                format!(
                    "attached to {} in {} mode, capacity {capacity}",
                    interface.name, interface.mode
                )
            });
        let attached: Vec<_> = attached.collect();
        for line in attached.iter().filter(|line| !self.told.0.contains(line)) {
            tracing::info!("{line}");
        }
        self.told.0 = attached;
        self.look();
    }

    /// Tells what has come up, in the log and as events.
    fn look(&mut self) {
        let notices = self.notices();
        let changes = self.lookout.look(&self.machine.interfaces(), &notices);
        for (kind, message) in changes {
            self.record(kind, &message);
        }
        for notice in notices
            .iter()
            .filter(|notice| !self.told.1.contains(notice))
        {
            tracing::warn!("{notice}");
        }
        self.told.1 = notices;
    }
}

/// Reads what the data path shows. Traffic is managed all the same where that cannot be read.
fn reader(machine: &mut dyn Machine, board: &Board) -> Result<Option<Reader>, String> {
    let failed = |reason: String| {
        format!("no packets are sampled, so that flows and captures show nothing: {reason}")
    };
    let samples = machine.samples();
    let Some(samples) = samples.map_err(|error| failed(with_causes(error.as_ref())))? else {
        return Ok(None);
    };
    let reader = Reader::start(samples, board.clone());
    reader.map(Some).map_err(|error| failed(error.to_string()))
}

/// Names of sources come from clients and go to terminals.
fn printable(source: &str) -> String {
    let printable = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    source.chars().take(MAX_SOURCE).map(printable).collect()
}
