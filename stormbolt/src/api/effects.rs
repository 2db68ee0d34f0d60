//! What a policy would have done to what arrived lately.

use std::collections::BTreeSet;

use stormbolt_control::policy::Policy;
use stormbolt_control::units::BitsPerSecond;

use super::documents::{PolicyChange, TrafficEffect};
use crate::daemon::Lately;

/// For each class and rule that `changes` is about, what arrived in it under the policy in force, and what of
/// that `new` would have refused because of its ceilings.
pub(super) fn effects(
    new: &Policy,
    changes: &[PolicyChange],
    lately: &Lately,
) -> Vec<TrafficEffect> {
    let about = |kind: &str| -> BTreeSet<&str> {
        let about = changes.iter().filter(|change| change.kind == kind);
        about.map(|change| change.name.as_str()).collect()
    };
    let (classes, interfaces, rules) = (about("class"), about("interface"), about("rule"));
    let mut effects = Vec::new();
    for ((class, interface), arrived) in &lately.classes {
        if !classes.contains(class.as_str()) && !interfaces.contains(interface.as_str()) {
            continue;
        }
        let ceil = ceil(new, class, interface);
        effects.push(TrafficEffect {
            kind: "class".to_owned(),
            name: class.clone(),
            interface: Some(interface.clone()),
            within_milliseconds: lately.milliseconds,
            arrived_bits_per_second: Some(*arrived),
            refused_bits_per_second: ceil
                .map(|ceil| BitsPerSecond(arrived.0.saturating_sub(ceil.0))),
            matched_packets: None,
        });
    }
    for (rule, packets) in &lately.rules {
        if rules.contains(rule.as_str()) {
            effects.push(TrafficEffect {
                kind: "rule".to_owned(),
                name: rule.clone(),
                interface: None,
                within_milliseconds: lately.milliseconds,
                arrived_bits_per_second: None,
                refused_bits_per_second: None,
                matched_packets: Some(*packets),
            });
        }
    }
    effects
}

/// The most that a class may have on an interface; nothing if one of them is gone, or nothing is dropped.
fn ceil(policy: &Policy, class: &str, interface: &str) -> Option<BitsPerSecond> {
    let class = policy.classes.iter().find(|one| one.name == class)?;
    let interface = policy.interfaces.iter().find(|one| one.name == interface)?;
    if policy.shadow || class.treatment.shadow {
        return None;
    }
    let ceil = class.ceil.unwrap_or(interface.capacity);
    Some(BitsPerSecond(ceil.0.min(interface.capacity.0)))
}
