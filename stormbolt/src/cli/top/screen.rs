//! What stands on the screen: the last documents, what became of the ones before, and the reader's wishes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use crate::api::client::ClientError;
use crate::api::documents::{
    ClassStatus, Classes, Cpus, Flows, InterfaceStatus, Interfaces, Sources, Status,
};
use crate::causes::with_causes;
use crate::telemetry::documents::EventList;

/// Looks that a sparkline goes back.
pub(super) const HISTORY: usize = 30;
/// Rows that a page key moves.
const PAGE: usize = 10;

/// Everything that the daemon says at one time.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) status: Status,
    pub(super) interfaces: Interfaces,
    pub(super) classes: Classes,
    pub(super) cpus: Cpus,
    pub(super) sources: Sources,
    pub(super) flows: Flows,
    pub(super) events: EventList,
    /// When, by the monotonic clock.
    pub(super) at: Nanoseconds,
}

/// What classes are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Policy,
    Offered,
    Passed,
    Dropped,
    Name,
}

/// What the reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    GoOn,
    End,
}

/// The state of the screen.
pub(super) struct Screen {
    pub(super) colour: bool,
    pub(super) look: Look,
    pub(super) sort: Sort,
    pub(super) paused: bool,
    /// Classes that are scrolled away.
    pub(super) first: usize,
    /// Why there is nothing new.
    pub(super) problem: Option<String>,
    /// Per interface: frames, bits and drops per second between the last two looks.
    rates: BTreeMap<String, InterfaceRates>,
    /// Passed bits per second at the last looks, by class and interface.
    history: BTreeMap<(String, String), VecDeque<u64>>,
}

/// What arrived on an interface between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InterfaceRates {
    pub(super) packets_per_second: u64,
    pub(super) arriving: BitsPerSecond,
    pub(super) dropped_per_second: u64,
}

impl Screen {
    pub(super) fn new(colour: bool, look: Look) -> Self {
        let mut screen = Self {
            colour,
            look,
            sort: Sort::Policy,
            paused: false,
            first: 0,
            problem: None,
            rates: BTreeMap::new(),
            history: BTreeMap::new(),
        };
        screen.remember();
        screen
    }

    /// Takes what the daemon said, or why it said nothing.
    pub(super) fn take(&mut self, looked: Result<Look, ClientError>) {
        if self.paused {
            return;
        }
        match looked {
            Ok(look) => {
                self.rates = rates(&self.look, &look);
                self.look = look;
                self.problem = None;
                self.remember();
            }
            Err(error) => self.problem = Some(with_causes(&error)),
        }
    }

    /// Does what the reader says.
    pub(super) fn heed(&mut self, event: &Event) -> Wish {
        // Whatever else happens, a resize for example, is drawn anew.
        let Event::Key(key) = event else {
            return Wish::GoOn;
        };
        if key.kind == KeyEventKind::Release {
            return Wish::GoOn;
        }
        self.heed_key(*key)
    }

    fn heed_key(&mut self, key: KeyEvent) -> Wish {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::End;
        }
        if matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
            return Wish::End;
        }
        if key.code == KeyCode::Char('s') {
            self.sort = self.sort.next();
        }
        if matches!(key.code, KeyCode::Char('p' | ' ')) {
            self.paused = !self.paused;
        }
        let last = self.look.classes.classes.len().saturating_sub(1);
        self.first = scrolled(key.code, self.first, last).min(last);
        Wish::GoOn
    }

    /// The classes in the order that is wanted.
    pub(super) fn classes(&self) -> Vec<&ClassStatus> {
        let mut classes: Vec<_> = self.look.classes.classes.iter().collect();
        match self.sort {
            Sort::Policy => {}
            Sort::Offered => classes.sort_by_key(|one| Reverse(one.offered_bits_per_second)),
            Sort::Passed => classes.sort_by_key(|one| Reverse(one.passed_bits_per_second)),
            Sort::Dropped => classes.sort_by_key(|one| Reverse(one.dropped_packets)),
            Sort::Name => classes.sort_by(|one, other| one.name.cmp(&other.name)),
        }
        classes
    }

    /// What passed of a class at the last looks, the oldest first.
    pub(super) fn history(&self, class: &ClassStatus) -> impl Iterator<Item = u64> {
        let history = self.history.get(&key(class));
        history.into_iter().flatten().copied()
    }

    /// What arrives on an interface.
    pub(super) fn rates(&self, interface: &InterfaceStatus) -> InterfaceRates {
        self.rates.get(&interface.name).copied().unwrap_or_default()
    }

    fn remember(&mut self) {
        let mut before = std::mem::take(&mut self.history);
        for class in &self.look.classes.classes {
            let key = key(class);
            let mut history = before.remove(&key).unwrap_or_default();
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(class.passed_bits_per_second.0);
            self.history.insert(key, history);
        }
    }
}

impl Sort {
    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Offered => "offered",
            Self::Passed => "passed",
            Self::Dropped => "dropped",
            Self::Name => "name",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Policy => Self::Offered,
            Self::Offered => Self::Passed,
            Self::Passed => Self::Dropped,
            Self::Dropped => Self::Name,
            Self::Name => Self::Policy,
        }
    }
}

/// The first class that is shown after a key, where `first` was it before.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other keys scroll nothing, those to come as well"
)]
fn scrolled(key: KeyCode, first: usize, last: usize) -> usize {
    match key {
        KeyCode::Down => first + 1,
        KeyCode::Up => first.saturating_sub(1),
        KeyCode::PageDown => first + PAGE,
        KeyCode::PageUp => first.saturating_sub(PAGE),
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => first,
    }
}

fn key(class: &ClassStatus) -> (String, String) {
    (class.interface.clone(), class.name.clone())
}

fn rates(before: &Look, now: &Look) -> BTreeMap<String, InterfaceRates> {
    let span = now.at.since(before.at).0.max(1);
    let per_second = |now: u64, before: u64| {
        // An interface that was attached anew begins at zero.
        let grown = u128::from(now.saturating_sub(before));
        u64::try_from(grown * 1_000_000_000 / u128::from(span)).unwrap_or(u64::MAX)
    };
    let interfaces = now.interfaces.interfaces.iter();
    let rates = interfaces.filter_map(|one| {
        let before = before.interfaces.interfaces.iter();
        let before = before.clone().find(|before| before.name == one.name)?;
        let bytes = per_second(one.received_bytes, before.received_bytes);
        let rates = InterfaceRates {
            packets_per_second: per_second(one.received_packets, before.received_packets),
            arriving: BitsPerSecond(bytes.saturating_mul(8)),
            dropped_per_second: per_second(dropped(one), dropped(before)),
        };
        Some((one.name.clone(), rates))
    });
    rates.collect()
}

fn dropped(interface: &InterfaceStatus) -> u64 {
    let outcomes = interface.outcomes.iter();
    outcomes
        .filter(|outcome| outcome.dropped)
        .map(|outcome| outcome.packets)
        .sum()
}
