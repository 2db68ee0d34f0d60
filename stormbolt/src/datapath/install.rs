//! Puts a policy into force, as a whole.

use std::mem::offset_of;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use aya::Pod;
use aya::maps::{Array, ArrayOfMaps, MapData};
use stormbolt_common::flow_cache::FlowMask;
use stormbolt_common::limits::{MAX_INTERFACES, interface_rate_index, rate_index};
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_common::policy::{Active, InForce, PolicyEntry, PolicyHeader, policy_slot};
use stormbolt_common::source::{MAX_SOURCE_LIMITS, SourceLimit, source_limit_index};
use stormbolt_control::compile::CompiledRules;
use stormbolt_control::units::Nanoseconds;

use super::blocks;
use super::error::DatapathError;
use super::load::Datapath;
use super::maps;

/// A policy in the form that the maps hold.
#[derive(Clone, Debug, Default)]
pub struct PolicyTables {
    /// The head; its generation is the one that comes into force.
    pub header: PolicyHeader,
    /// Rates by cell ([`stormbolt_common::limits::cell`]); cells that are not named pass freely.
    pub rates: Vec<(u32, ClassRate)>,
    /// Capacities by interface; interfaces that are not named lend nothing.
    pub interface_rates: Vec<(u32, InterfaceRate)>,
    /// What each source of a class may have, by number.
    pub source_limits: Vec<SourceLimit>,
    /// The compiled rules.
    pub compiled: CompiledRules,
}

/// The program runs for microseconds, in a softirq.
pub(super) const LONGER_THAN_ANY_PACKET: Duration = Duration::from_secs(1);

impl Datapath {
    /// Puts a policy into force. Packets see the old one or the new one, never a mixture: all
    /// tables are written to places that are not in use, then one word changes the generation. When
    /// this returns no packet sees the old one.
    ///
    /// # Errors
    /// A table cannot be written; the old policy stays in force.
    pub fn install(&mut self, tables: &PolicyTables) -> Result<(), DatapathError> {
        // Before anything is changed: it takes memory, and may fail.
        let barrier = self.templates.create(maps::BARRIER)?;
        let slot = policy_slot(tables.header.generation);
        blocks::write(self.map_mut(maps::BLOCKS)?, &tables.compiled.image)?;
        let seed = if tables.compiled.remembers_flows {
            self.flow_seed
        } else {
            0
        };
        let entry = PolicyEntry {
            header: tables.header,
            roots: tables.compiled.roots,
            flows: FlowMask {
                seed,
                window: self.flow_window,
                ..tables.compiled.flows
            },
        };
        self.set_entry(maps::POLICIES, slot, entry)?;
        let cells = self.cells.cells();
        for place in slot * cells..(slot + 1) * cells {
            self.rates.set(index(place), ClassRate::default());
        }
        for &(cell, rate) in &tables.rates {
            self.rates
                .set(index(rate_index(self.cells, slot, cell)), rate);
        }
        for interface in 0..MAX_INTERFACES {
            let place = index(interface_rate_index(slot, interface));
            self.interface_rates.set(place, InterfaceRate::default());
        }
        for &(interface, rate) in &tables.interface_rates {
            let place = index(interface_rate_index(slot, interface));
            self.interface_rates.set(place, rate);
        }
        for (number, &limit) in (0..MAX_SOURCE_LIMITS).zip(&tables.source_limits) {
            let place = index(source_limit_index(slot, number));
            self.sources.limits.set(place, limit);
        }
        self.put_into_force(tables.header.generation);
        if self.wait_for_packets(&barrier).is_err() {
            // The new policy is in force and the old one's tables are about to be given away. No packet
            // is in the program for as long as this.
            std::thread::sleep(LONGER_THAN_ANY_PACKET);
        }
        Ok(())
    }

    /// Waits until no packet is left that began before the call.
    pub(super) fn wait_until_left(&mut self) -> Result<(), DatapathError> {
        let barrier = self.templates.create(maps::BARRIER)?;
        self.wait_for_packets(&barrier)
    }

    /// Generation in force; zero before the first.
    pub fn generation(&self) -> u32 {
        self.in_force().generation
    }

    fn in_force(&self) -> InForce {
        let word = self.active.get(0).map_or(0, |active| active.in_force);
        InForce::of_word(word)
    }

    /// Rewrites the rate of one cell of the policy in force. Packets that a CPU's lease pays for go by the rate before
    /// until [`Self::put_rates_into_force`].
    pub fn set_rate(&self, cell: u32, rate: ClassRate) {
        let slot = policy_slot(self.generation());
        self.rates
            .set(index(rate_index(self.cells, slot, cell)), rate);
    }

    /// The rate of one cell of the policy in force.
    pub fn rate(&self, cell: u32) -> Option<ClassRate> {
        let slot = policy_slot(self.generation());
        self.rates.get(index(rate_index(self.cells, slot, cell)))
    }

    /// Rewrites what one interface of the policy in force can carry.
    pub fn set_interface_rate(&self, interface: u32, rate: InterfaceRate) {
        let slot = policy_slot(self.generation());
        let place = index(interface_rate_index(slot, interface));
        self.interface_rates.set(place, rate);
    }

    /// What one interface of the policy in force can carry.
    pub fn interface_rate(&self, interface: u32) -> Option<InterfaceRate> {
        let slot = policy_slot(self.generation());
        self.interface_rates
            .get(index(interface_rate_index(slot, interface)))
    }

    /// Sends the packets of a slot to where `entry` says ([`stormbolt_common::steer`]).
    pub fn set_slot(&self, slot: u32, entry: u32) {
        self.slot_cpus.set(index(slot), entry);
    }

    /// When `time` has passed without another call, the data path goes over to what the policy's failsafe says.
    pub fn expect_word_until(&self, time: Nanoseconds) {
        let silent_from = offset_of!(Active, silent_from_ns);
        self.active.set_word(0, silent_from, time.0);
    }

    /// Lets every packet go by the rates that were written before this call.
    pub fn put_rates_into_force(&self) {
        self.put_into_force(self.generation());
    }

    /// Puts the rates that were written into force, and with them a policy.
    fn put_into_force(&self, generation: u32) {
        if let Some(active) = self.active.get(0) {
            let before = InForce {
                generation,
                ..InForce::of_word(active.in_force)
            };
            // What was written before is seen by whoever sees this: no store is moved behind it.
            fence(Ordering::Release);
            let in_force = offset_of!(Active, in_force);
            self.active
                .set_word(0, in_force, before.with_other_rates().word());
        }
    }

    /// Overwrites one entry of an array that is not mapped into memory.
    fn set_entry<T: Pod>(
        &mut self,
        name: &'static str,
        entry: u32,
        value: T,
    ) -> Result<(), DatapathError> {
        let map = self.map_mut(name)?;
        let mut array: Array<_, T> =
            Array::try_from(map).map_err(DatapathError::map("open", name))?;
        array
            .set(entry, value, 0)
            .map_err(DatapathError::map("write", name))
    }

    /// Waits until no packet is left that began before the call: the kernel returns from a change
    /// to a map of maps only then.
    fn wait_for_packets(&mut self, inner: &MapData) -> Result<(), DatapathError> {
        let map = self.map_mut(maps::BARRIER)?;
        let mut barrier: ArrayOfMaps<_, MapData> =
            ArrayOfMaps::try_from(map).map_err(DatapathError::map("open", maps::BARRIER))?;
        barrier
            .set(0, inner, 0)
            .map_err(DatapathError::map("write", maps::BARRIER))
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
