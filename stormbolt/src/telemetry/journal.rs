//! What has happened: a bounded memory of events with sequence numbers, for whoever asks or waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::documents::{EventList, EventStatus};
use crate::api::documents::DOCUMENT_VERSION;

/// Events that are kept.
pub(super) const KEPT: usize = 1024;
/// Characters of a message that are kept.
const MAX_MESSAGE: usize = 1000;

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The daemon runs.
    DaemonStarted,
    /// Another policy is in force.
    PolicyApplied,
    /// A policy was refused, and the old one stays in force.
    PolicyRefused,
    /// A policy was refused because a table or the memory of rules is full.
    TableFull,
    /// The program is attached to an interface.
    Attached,
    /// It is no longer.
    Detached,
    /// There is something that the operator should know.
    Notice,
    /// That is over.
    NoticeCleared,
    /// The data path heard nothing from the controller, and the failsafe applied.
    Failsafe,
    /// A tick took longer than the interval.
    TickOverrun,
    /// A probe that answered does no longer.
    ProbeLost,
    /// It does again.
    ProbeAnswers,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Worth a look.
    Warning,
    /// Something does not work.
    Error,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::DaemonStarted,
        Self::PolicyApplied,
        Self::PolicyRefused,
        Self::TableFull,
        Self::Attached,
        Self::Detached,
        Self::Notice,
        Self::NoticeCleared,
        Self::Failsafe,
        Self::TickOverrun,
        Self::ProbeLost,
        Self::ProbeAnswers,
    ];

    /// Its name in documents and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DaemonStarted => "daemon_started",
            Self::PolicyApplied => "policy_applied",
            Self::PolicyRefused => "policy_refused",
            Self::TableFull => "table_full",
            Self::Attached => "attached",
            Self::Detached => "detached",
            Self::Notice => "notice",
            Self::NoticeCleared => "notice_cleared",
            Self::Failsafe => "failsafe",
            Self::TickOverrun => "tick_overrun",
            Self::ProbeLost => "probe_lost",
            Self::ProbeAnswers => "probe_answers",
        }
    }

    /// What it is about, for the documentation.
    pub const fn help(self) -> &'static str {
        match self {
            Self::DaemonStarted => "the daemon runs",
            Self::PolicyApplied => "a policy or an edit came into force",
            Self::PolicyRefused => "a policy or an edit was refused; the old policy stays in force",
            Self::TableFull => {
                "the same, because a table or the memory of rules has no room for it"
            }
            Self::Attached => "the program is attached to an interface",
            Self::Detached => "the program is no longer attached to an interface",
            Self::Notice => "a notice of `stormbolt show status` has come up",
            Self::NoticeCleared => "a notice has gone",
            Self::Failsafe => {
                "the data path heard nothing from the controller, so that the policy's failsafe applied"
            }
            Self::TickOverrun => "ticks of the controller took longer than its period",
            Self::ProbeLost => "an address behind a link does not answer echo requests any more",
            Self::ProbeAnswers => "it answers again",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::DaemonStarted
            | Self::PolicyApplied
            | Self::Attached
            | Self::NoticeCleared
            | Self::ProbeAnswers => Severity::Info,
            Self::PolicyRefused
            | Self::Detached
            | Self::Notice
            | Self::TickOverrun
            | Self::ProbeLost => Severity::Warning,
            Self::TableFull | Self::Failsafe => Severity::Error,
        }
    }
}

impl Severity {
    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The events of one daemon. Clones are about the same ones.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// Number of the last event, for whoever waits for the next.
    last: watch::Sender<u64>,
    /// Whether no more will come.
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<EventStatus>,
    counts: [u64; Kind::ALL.len()],
}

impl Default for Journal {
    fn default() -> Self {
        Self(Arc::new(Shared {
            kept: Mutex::default(),
            last: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        }))
    }
}

impl Journal {
    /// Takes note of an event at `time`. The oldest is forgotten when there are too many.
    pub fn record(&self, time: Timestamp, kind: Kind, message: &str) {
        let mut kept = self.kept();
        kept.last += 1;
        let sequence = kept.last;
        let position = Kind::ALL.iter().position(|one| *one == kind);
        if let Some(count) = position.and_then(|position| kept.counts.get_mut(position)) {
            *count += 1;
        }
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(EventStatus {
            sequence,
            time: format!("{time:.3}"),
            unix_milliseconds: u64::try_from(time.as_millisecond()).unwrap_or(0),
            kind: kind.name().to_owned(),
            severity: kind.severity().name().to_owned(),
            message: one_line(message),
        });
        drop(kept);
        self.0.last.send_replace(sequence);
    }

    /// The events behind number `after`, `limit` at most, the oldest first. A number that has not been reached is one of a
    /// daemon before this one: then all are behind it.
    pub fn list(&self, after: u64, limit: usize) -> EventList {
        let kept = self.kept();
        let after = if after > kept.last { 0 } else { after };
        let first = kept
            .events
            .front()
            .map_or(kept.last + 1, |event| event.sequence);
        let behind = kept.events.iter().filter(|event| event.sequence > after);
        EventList {
            version: DOCUMENT_VERSION,
            last_sequence: kept.last,
            missed_events: first.saturating_sub(after + 1),
            events: behind.take(limit).cloned().collect(),
        }
    }

    /// How many there have been of each kind.
    pub fn counts(&self) -> Vec<(Kind, u64)> {
        Kind::ALL.into_iter().zip(self.kept().counts).collect()
    }

    /// No more events will come: whoever waits may go.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    /// Waits until there is an event behind number `after`; `false`: no more will come.
    pub async fn wait(&self, after: u64) -> bool {
        let mut last = self.0.last.subscribe();
        tokio::select! {
            () = self.closed() => false,
            // The sender is `self`'s.
            found = last.wait_for(|&last| last > after) => found.is_ok(),
        }
    }

    /// Waits until no more events will come.
    pub async fn closed(&self) {
        let mut closed = self.0.closed.subscribe();
        // The sender is `self`'s.
        drop(closed.wait_for(|&closed| closed).await);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked while holding it left a memory of events behind, whole enough to be read.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages name what clients have sent, and go to terminals.
fn one_line(message: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().take(MAX_MESSAGE).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(count: usize) -> Journal {
        let journal = Journal::default();
        for number in 1..=count {
            let message = format!("number {number}\nof {count}");
            journal.record(Timestamp::UNIX_EPOCH, Kind::Notice, &message);
        }
        journal
    }

    #[test]
    fn events_are_numbered_and_listed_behind_a_number() {
        let list = recorded(3).list(1, 10);
        assert_eq!((list.last_sequence, list.missed_events), (3, 0));
        let numbers: Vec<_> = list.events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, [2, 3]);
        assert_eq!(list.events[0].message, "number 2 of 3");
        assert_eq!(list.events[0].time, "1970-01-01T00:00:00.000Z");
        assert_eq!(recorded(3).list(0, 2).events.len(), 2);
        assert_eq!(recorded(3).list(3, 9).events, []);
    }

    #[test]
    fn the_oldest_are_forgotten_and_counted_as_missed() {
        let journal = recorded(KEPT + 5);
        let list = journal.list(2, usize::MAX);
        assert_eq!((list.events.len(), list.missed_events), (KEPT, 3));
        assert_eq!(list.events[0].sequence, 6);
        assert_eq!(journal.list(5, usize::MAX).missed_events, 0);
        let all = u64::try_from(KEPT + 5).unwrap();
        assert!(journal.counts().contains(&(Kind::Notice, all)));
    }

    #[test]
    fn a_number_of_a_daemon_before_gets_all_events() {
        let list = recorded(2).list(700, 10);
        assert_eq!((list.events.len(), list.missed_events), (2, 0));
    }

    #[test]
    fn messages_are_cut_and_command_no_terminal() {
        let journal = Journal::default();
        let long = format!("\x1b[2J{}", "ä".repeat(5000));
        journal.record(Timestamp::UNIX_EPOCH, Kind::Notice, &long);
        let message = journal.list(0, 1).events.remove(0).message;
        assert_eq!(message.chars().count(), MAX_MESSAGE);
        assert!(message.starts_with(" [2Jä"), "{message}");
    }

    #[tokio::test]
    async fn who_waits_is_told_of_the_next_event_and_of_the_end() {
        let journal = recorded(1);
        assert!(journal.wait(0).await);
        let (waiting, recording) = (journal.clone(), journal.clone());
        let waits = tokio::spawn(async move { waiting.wait(1).await });
        recording.record(Timestamp::UNIX_EPOCH, Kind::Notice, "next");
        assert!(waits.await.unwrap());
        journal.close();
        assert!(!journal.wait(2).await);
    }
}
