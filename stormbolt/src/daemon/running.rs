//! The machine and what the daemon knows about its run.

use stormbolt_control::compile::{Progress, Watch};
use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;

use super::activity::{Activity, Cancel};
use super::clock;
use super::machine::{BoxedError, Machine};
use super::probe::Prober;
use super::recent::{Lately, Recent};
use crate::api::documents::{DOCUMENT_VERSION, Status};
use crate::api::explanation::Explanation;
use crate::apply::{ApplyError, Asked, ExplainError};
use crate::causes::with_causes;

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
}

impl Running {
    /// Takes over a machine that has just been started.
    pub(super) fn new(machine: Box<dyn Machine>, begun: Begun, activity: Activity) -> Self {
        let mut running = Self {
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
        };
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
                tracing::warn!(
                    "policy from {source} refused, generation {generation} stays in force: {reason}"
                );
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

    pub(super) fn interval(&self) -> Nanoseconds {
        self.machine.policy().interval
    }

    /// One tick. Returns the time at its end.
    pub(super) fn tick(&mut self, now: Nanoseconds) -> Nanoseconds {
        if self.prober.is_wanted() {
            self.machine.sense(self.prober.take());
            if now.since(self.looked) >= NOTICES_EVERY {
                self.looked = now;
                self.log_notices();
            }
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
        self.last_tick = end.since(now);
        end
    }

    /// Another policy is in force.
    fn go_over(&mut self) {
        self.recent.forget();
        self.prober.follow(self.machine.policy());
        self.log_policy();
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.machine.notices();
        notices.extend(self.prober.notices());
        notices.extend(self.trouble.clone());
        notices
    }

    fn log_policy(&mut self) {
        let (generation, source) = (self.generation, &self.source);
        tracing::info!("generation {generation} in force, from {source}");
        let attached = self
            .machine
            .interfaces()
            .interfaces
            .into_iter()
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
        self.log_notices();
    }

    fn log_notices(&mut self) {
        let notices = self.notices();
        for notice in notices
            .iter()
            .filter(|notice| !self.told.1.contains(notice))
        {
            tracing::warn!("{notice}");
        }
        self.told.1 = notices;
    }
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
