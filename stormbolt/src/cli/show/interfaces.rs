//! `show interfaces`: what became of the frames that arrived.

use super::Shown;
use crate::api::documents::{AdaptiveStatus, FollowerStatus, InterfaceStatus, Interfaces};
use crate::cli::format::{bytes, count, measured, seconds};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};

impl Shown for Interfaces {
    const PATH: &'static str = "/v1/interfaces";

    /// The interfaces, and below them how their capacities follow their links, and what became of their frames.
    fn table(&self, style: Style) -> String {
        let titles = [
            "interface",
            "mode",
            ">capacity",
            ">received",
            ">bytes",
            ">dropped",
        ];
        let mut interfaces = Table::new(style, &titles);
        let mut outcomes = Table::new(
            style,
            &["interface", "outcome", "verdict", ">packets", ">bytes"],
        );
        for interface in &self.interfaces {
            let dropped = interface.outcomes.iter().filter(|outcome| outcome.dropped);
            interfaces.row([
                interface.name.as_str().into(),
                interface.mode.as_str().into(),
                capacity(interface).into(),
                count(interface.received_packets).into(),
                bytes(interface.received_bytes).into(),
                count(dropped.map(|outcome| outcome.packets).sum()).into(),
            ]);
            for outcome in interface
                .outcomes
                .iter()
                .filter(|outcome| outcome.packets > 0)
            {
                outcomes.row([
                    interface.name.as_str().into(),
                    outcome.outcome.as_str().into(),
                    if outcome.dropped {
                        Item::Alarming("dropped".into())
                    } else {
                        "passed".into()
                    },
                    count(outcome.packets).into(),
                    bytes(outcome.bytes).into(),
                ]);
            }
        }
        let followers: Vec<Followed> = self.interfaces.iter().filter_map(followed).collect();
        let following: Vec<Following> = self.interfaces.iter().filter_map(following).collect();
        format!(
            "{}\n{}{}{}",
            interfaces.render(),
            programs(&followers, style),
            links(&following, style),
            outcomes.render()
        )
    }
}

/// One that follows its link is not as exact as one that somebody has written.
fn capacity(interface: &InterfaceStatus) -> String {
    let capacity = interface.capacity_bits_per_second;
    match interface.adaptive {
        Some(_) => measured(capacity),
        None => capacity.to_string(),
    }
}

/// An interface whose packets a program of somebody else goes on with.
type Followed<'a> = (&'a str, &'a FollowerStatus);

fn followed(interface: &InterfaceStatus) -> Option<Followed<'_>> {
    Some((&interface.name, interface.then.as_ref()?))
}

/// The programs that go on with what passes; nothing where there are none.
fn programs(interfaces: &[Followed<'_>], style: Style) -> String {
    if interfaces.is_empty() {
        return String::new();
    }
    let mut programs = Table::new(style, &["interface", "then", ">program", "name"]);
    for (name, then) in interfaces {
        programs.row([
            (*name).into(),
            then.path.as_str().into(),
            then.program_id.to_string().into(),
            then.program_name.as_str().into(),
        ]);
    }
    format!("{}\n", programs.render())
}

/// An interface whose capacity follows its link.
type Following<'a> = (&'a str, &'a AdaptiveStatus);

fn following(interface: &InterfaceStatus) -> Option<Following<'_>> {
    Some((&interface.name, interface.adaptive.as_ref()?))
}

/// How capacities follow their links, and the probes that they go by; nothing where none does.
fn links(interfaces: &[Following<'_>], style: Style) -> String {
    if interfaces.is_empty() {
        return String::new();
    }
    let titles = [
        "interface",
        ">from",
        ">to",
        ">start",
        ">arriving",
        ">queue delay",
        "now",
        "last change",
    ];
    let mut links = Table::new(style, &titles);
    let titles = [
        "interface",
        "probe",
        ">answered",
        ">lost",
        ">baseline",
        ">queue delay",
    ];
    let mut probes = Table::new(style, &titles);
    for (name, link) in interfaces {
        links.row([
            (*name).into(),
            link.min_bits_per_second.to_string().into(),
            link.max_bits_per_second.to_string().into(),
            link.start_bits_per_second.to_string().into(),
            measured(link.arrived_bits_per_second).into(),
            queue_delay(link),
            link.state.as_str().into(),
            last_change(link).into(),
        ]);
        for probe in &link.probes {
            let delay = match probe.queue_delay_microseconds {
                Some(delay) => milliseconds(delay).into(),
                None => Item::Alarming("no answer".into()),
            };
            probes.row([
                (*name).into(),
                probe.address.to_string().into(),
                count(probe.answered).into(),
                count(probe.lost).into(),
                probe
                    .baseline_microseconds
                    .map_or("-".to_owned(), milliseconds)
                    .into(),
                delay,
            ]);
        }
    }
    let has_probes = interfaces.iter().any(|(_, link)| !link.probes.is_empty());
    let probes = if has_probes {
        format!("{}\n", probes.render())
    } else {
        String::new()
    };
    format!("{}\n{probes}", links.render())
}

fn queue_delay(link: &AdaptiveStatus) -> Item {
    match link.queue_delay_microseconds {
        None if link.probes.is_empty() => "-".into(),
        None => Item::Alarming("no answer".into()),
        Some(delay) if delay > link.delay_target_microseconds => {
            Item::Alarming(milliseconds(delay))
        }
        Some(delay) => milliseconds(delay).into(),
    }
}

fn last_change(link: &AdaptiveStatus) -> String {
    link.last_change.as_ref().map_or("-".to_owned(), |change| {
        format!(
            "{}, from {}, {} ago",
            change.reason,
            measured(change.from_bits_per_second),
            seconds(change.age_milliseconds / 1_000)
        )
    })
}

/// To a tenth.
fn milliseconds(microseconds: u64) -> String {
    format!("{}.{} ms", microseconds / 1_000, microseconds / 100 % 10)
}
