//! Capacities that follow their links: what comes in about them, what is written, what is shown.

#[cfg(test)]
mod tests;

use stormbolt_control::decide::interface_rate;
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::engine::Engine;
use super::plan::rate_entry;
use crate::api::documents::{AdaptiveStatus, CapacityChange, ProbeStatus};

impl Engine {
    /// Takes over what is known of the links, by interface of the policy in force; the next tick acts on it.
    pub fn sense(&mut self, signals: Vec<LinkSignals>) {
        self.signals = signals;
    }

    /// Writes a class's rate on an interface, both by position.
    pub(super) fn set_rate(&self, place: (usize, usize), rate: BitsPerSecond) {
        let entry = rate_entry(
            &self.controller,
            &self.numbers,
            &self.terms,
            place,
            rate,
            self.datapath.cpus(),
        );
        if let Some(cell) = self.numbers.cell(place.0, place.1) {
            self.datapath.set_rate(cell, entry);
        }
    }

    /// Writes the capacity of an interface, by position, and all that is derived from it: ceils, reserves,
    /// failsafe rates.
    pub(super) fn set_capacity(&mut self, interface: usize) {
        let standing = self.controller.standing();
        let spec = standing.interfaces.get(interface);
        let (Some(spec), Some(&number)) = (spec, self.numbers.interfaces.get(interface)) else {
            return;
        };
        self.terms.renew(standing, interface);
        let rate = interface_rate(spec, &standing.classes);
        self.datapath.set_interface_rate(number, rate);
        let rates = self.controller.rates().get(interface);
        for (class, &rate) in rates.into_iter().flatten().enumerate() {
            self.set_rate((interface, class), rate);
        }
    }

    /// Probes that do not answer.
    pub(super) fn link_notices(&self) -> impl Iterator<Item = String> {
        let interfaces = self.controller.standing().interfaces.iter().enumerate();
        interfaces.flat_map(|(position, interface)| {
            let following = self.controller.following(position);
            let silent = following.into_iter().flat_map(|one| one.echoes().silent());
            let held = following.is_some_and(|one| one.estimate().queue_delay.is_none());
            silent.map(move |address| {
                let consequence = if held {
                    format!("; the capacity holds at {}", interface.capacity)
                } else {
                    String::new()
                };
                format!(
                    "interface {}: probe {address} does not answer echo requests{consequence}",
                    interface.name
                )
            })
        })
    }

    /// How the capacity of an interface, by position, follows its link.
    pub(super) fn adaptive_status(&self, position: usize) -> Option<AdaptiveStatus> {
        let following = self.controller.following(position)?;
        let interface = self.policy.interfaces.get(position)?;
        let adaptive = interface.adaptive.as_ref()?;
        let (adaptation, estimate) = (following.adaptation(), following.estimate());
        let last_change = adaptation.last_change();
        let probes = following.echoes().status().map(|probe| ProbeStatus {
            address: probe.address,
            answered: probe.answered,
            lost: probe.lost,
            baseline_microseconds: probe.baseline.map(microseconds),
            queue_delay_microseconds: probe.queue_delay.map(microseconds),
        });
        Some(AdaptiveStatus {
            start_bits_per_second: interface.capacity,
            min_bits_per_second: adaptive.min,
            max_bits_per_second: adaptive.max,
            arrived_bits_per_second: estimate.arrived,
            delay_target_microseconds: microseconds(adaptive.delay_target),
            queue_delay_microseconds: estimate.queue_delay.map(microseconds),
            state: adaptation.reason().name().to_owned(),
            last_change: last_change.map(|change| CapacityChange {
                reason: change.reason.name().to_owned(),
                from_bits_per_second: change.from,
                age_milliseconds: self.received.at.since(change.at).0 / 1_000_000,
            }),
            probes: probes.collect(),
        })
    }
}

fn microseconds(time: Nanoseconds) -> u64 {
    time.0 / 1_000
}
