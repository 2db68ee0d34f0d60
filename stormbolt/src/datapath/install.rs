//! Puts a policy into force, as a whole.

use aya::Pod;
use aya::maps::lpm_trie::Key;
use aya::maps::{Array, ArrayOfMaps, LpmTrie, Map, MapData};
use stormbolt_common::Address;
use stormbolt_common::classifier::{DIRECT_ENTRIES, RuleBitmap};
use stormbolt_common::limits::{MAX_BITMAPS, MAX_CELLS, MAX_RULES};
use stormbolt_common::police::ClassRate;
use stormbolt_common::policy::{Active, PolicyHeader, RuleEntry, policy_slot};
use stormbolt_control::compile::{CompiledRules, Prefix};

use super::error::DatapathError;
use super::load::Datapath;
use super::mapped::MappedArray;
use super::maps;

/// A policy in the form that the maps hold.
#[derive(Clone, Debug)]
pub struct PolicyTables {
    /// The head; its generation is the one that comes into force.
    pub header: PolicyHeader,
    /// What each rule does, in order.
    pub rules: Vec<RuleEntry>,
    /// Rates by cell ([`stormbolt_common::limits::cell`]); cells that are not named pass freely.
    pub rates: Vec<(u32, ClassRate)>,
    /// The compiled rules.
    pub compiled: CompiledRules,
}

/// What is kept of the policy in force.
pub(super) struct Installed {
    rates: MappedArray<ClassRate>,
}

impl Datapath {
    /// Puts a policy into force. Packets see the old one or the new one, never a mixture: all
    /// tables are written to the slot that is not in use, then one word changes the generation.
    ///
    /// # Errors
    /// A table cannot be made or written; the old policy stays in force.
    pub fn install(&mut self, tables: &PolicyTables) -> Result<(), DatapathError> {
        let slot = policy_slot(tables.header.generation);
        let header = self.templates.create(maps::POLICIES)?;
        let header = with_one_entry(header, maps::POLICIES, &tables.header)?;
        self.place(maps::POLICIES, slot, &header)?;
        self.place_array(maps::RULES, slot, MAX_RULES, &tables.rules)?;
        self.place_array::<u32>(maps::DIRECT, slot, DIRECT_ENTRIES, &tables.compiled.direct)?;
        self.place_array::<RuleBitmap>(maps::BITMAPS, slot, MAX_BITMAPS, &tables.compiled.bitmaps)?;
        self.place_prefixes(maps::SOURCES, slot, &tables.compiled.sources)?;
        self.place_prefixes(maps::DESTINATIONS, slot, &tables.compiled.destinations)?;
        let rates = self.place_array::<ClassRate>(maps::RATES, slot, MAX_CELLS, &[])?;
        for (cell, rate) in &tables.rates {
            rates.set(index(*cell), *rate);
        }
        self.activate(tables.header.generation);
        self.installed = Some(Installed { rates });
        // The kernel returns from a change to a map of maps only when no program can still see the
        // state before it, so no packet is left in the previous generation after this.
        if let Err(error) = self.place(maps::POLICIES, slot, &header) {
            tracing::warn!("packets may see the previous policy for a moment: {error}");
        }
        Ok(())
    }

    /// Generation in force; zero before the first.
    pub fn generation(&self) -> u32 {
        self.active.get(0).map_or(0, |active| active.generation)
    }

    /// Rewrites the rate of one cell of the policy in force.
    pub fn set_rate(&self, cell: u32, rate: ClassRate) {
        if let Some(installed) = &self.installed {
            installed.rates.set(index(cell), rate);
        }
    }

    /// The rate of one cell of the policy in force.
    pub fn rate(&self, cell: u32) -> Option<ClassRate> {
        self.installed.as_ref()?.rates.get(index(cell))
    }

    /// Sends the packets of a slot to where `entry` says ([`stormbolt_common::steer`]).
    pub fn set_slot(&self, slot: u32, entry: u32) {
        self.slot_cpus.set(index(slot), entry);
    }

    fn activate(&self, generation: u32) {
        if let Some(active) = self.active.get(0) {
            self.active.set(
                0,
                Active {
                    generation,
                    ..active
                },
            );
        }
    }

    fn place_array<T: Pod + Default>(
        &mut self,
        name: &'static str,
        slot: u32,
        entries: u32,
        values: &[T],
    ) -> Result<MappedArray<T>, DatapathError> {
        let inner = self.templates.create(name)?;
        let mapped = MappedArray::new(name, &inner, index(entries))?;
        for (position, value) in values.iter().enumerate() {
            mapped.set(position, *value);
        }
        self.place(name, slot, &inner)?;
        Ok(mapped)
    }

    fn place_prefixes(
        &mut self,
        name: &'static str,
        slot: u32,
        prefixes: &[(Prefix, u32)],
    ) -> Result<(), DatapathError> {
        let inner = self.templates.create(name)?;
        let mut trie: LpmTrie<_, Address, u32> =
            LpmTrie::try_from(Map::LpmTrie(inner)).map_err(DatapathError::map("open", name))?;
        for (prefix, bitmap) in prefixes {
            trie.insert(
                &Key::new(u32::from(prefix.length), prefix.address),
                bitmap,
                0,
            )
            .map_err(DatapathError::map("fill", name))?;
        }
        self.place(name, slot, &trie)
    }

    /// Puts a map into a slot of a map of maps, and waits until no program can see what was there.
    fn place<V: aya::maps::InnerMap>(
        &mut self,
        name: &'static str,
        slot: u32,
        inner: &V,
    ) -> Result<(), DatapathError> {
        let outer = self.map_mut(name)?;
        let mut outer: ArrayOfMaps<_, V> =
            ArrayOfMaps::try_from(outer).map_err(DatapathError::map("open", name))?;
        outer
            .set(slot, inner, 0)
            .map_err(DatapathError::map("write", name))
    }
}

/// Writes the only entry of an array that is not mapped into memory.
fn with_one_entry<T: Pod>(
    map: MapData,
    name: &'static str,
    value: &T,
) -> Result<Array<MapData, T>, DatapathError> {
    let mut array = Array::try_from(Map::Array(map)).map_err(DatapathError::map("open", name))?;
    array
        .set(0, value, 0)
        .map_err(DatapathError::map("fill", name))?;
    Ok(array)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
