//! What a policy would change, as text.

use std::io::{self, Write};

use stormbolt_control::units::BitsPerSecond;

use super::apply::changed_set;
use super::format::{count, measured};
use super::output::Output;
use super::table::printable;
use crate::api::documents::{Applied, PolicyChange, TrafficEffect};

/// Shows all differences; whether there are any.
pub(super) fn show(applied: &Applied, output: &mut Output<'_>) -> io::Result<bool> {
    for change in &applied.changes {
        writeln!(output, "{}", line(change))?;
    }
    for set in &applied.changed_sets {
        writeln!(output, "{}", changed_set(set, "would be "))?;
    }
    for effect in &applied.effects {
        writeln!(output, "{}", effect_line(effect))?;
    }
    Ok(!applied.changes.is_empty() || !applied.changed_sets.is_empty())
}

/// `  class bulk on eth0: 48.1Mbit arrived in the last 60 s, 38.1Mbit of it above its new ceil`
fn effect_line(effect: &TrafficEffect) -> String {
    let name = printable(&effect.name);
    let time = format!(
        "in the last {} s",
        effect.within_milliseconds.div_ceil(1_000)
    );
    if let Some(packets) = effect.matched_packets {
        return format!("  rule {name}: {} packets matched {time}", count(packets));
    }
    let rate = |bits: Option<BitsPerSecond>| measured(bits.unwrap_or_default());
    let what = match effect.refused_bits_per_second {
        Some(BitsPerSecond(0)) => ", none of it above its new ceil".to_owned(),
        Some(refused) => format!(", {} of it above its new ceil", rate(Some(refused))),
        None => String::new(),
    };
    let on = effect.interface.as_deref().map_or(String::new(), printable);
    let arrived = rate(effect.arrived_bits_per_second);
    format!("  class {name} on {on}: {arrived} arrived {time}{what}")
}

/// `~ class bulk: ceil 800Mbit → 600Mbit`
fn line(change: &PolicyChange) -> String {
    let what = match (change.kind.as_str(), change.name.as_str()) {
        ("setting", "") => "policy".to_owned(),
        ("setting", section) => printable(section),
        (kind, name) => format!("{kind} {}", printable(name)),
    };
    let text = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), printable);
    let at = |place: Option<usize>| place.map_or(String::new(), |at| format!(" at position {at}"));
    match change.change.as_str() {
        "added" => format!(
            "+ {what}{}: {}",
            at(change.position_after),
            text(&change.after)
        ),
        "removed" => format!(
            "- {what}{}: {}",
            at(change.position_before),
            text(&change.before)
        ),
        "moved" => {
            let number = |place: Option<usize>| place.unwrap_or_default();
            let (from, to) = (
                number(change.position_before),
                number(change.position_after),
            );
            format!("~ {what}: from position {from} to {to}")
        }
        _ => {
            let (before, after) = (text(&change.before), text(&change.after));
            format!("~ {what}: {} {before} → {after}", text(&change.key))
        }
    }
}
