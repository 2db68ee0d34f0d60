//! Which maps go from one daemon to the next.
//!
//! Counters, buckets and leases do: a class goes on where it was. What a policy is written into does not: the
//! next daemon writes its policy into new maps while packets are still held against the old ones.

use std::path::{Path, PathBuf};

use aya::maps::{Map, MapData};
use aya::{Ebpf, EbpfLoader};
use stormbolt_common::counters::{OUTCOMES_PER_CPU, PacketCounter, outcome_index};
use stormbolt_common::limits::{CellLayout, MAX_RULES};
use stormbolt_common::outcome::Outcome;

use super::bpffs::PinError;
use super::error::DatapathError;
use super::handover::BUCKET_VERSION;
use super::install::LONGER_THAN_ANY_PACKET;
use super::load::{Datapath, xdp_program};
use super::mapped::MappedArray;
use super::maps;
use super::pins::{self, FoundLink, Pins};
use super::record::{RECORD, Record, array};

/// The maps that the next daemon goes on with, where the layout is the same.
const LASTING: [&str; 11] = [
    maps::BUCKETS,
    maps::INTERFACE_BUCKETS,
    maps::DROPPED,
    maps::SOURCES,
    maps::SOURCE_COUNTERS,
    maps::OFFENDERS,
    maps::CLASS_CELLS,
    maps::REFUSALS,
    maps::AHEAD,
    maps::RULE_COUNTERS,
    maps::OUTCOMES,
];

/// What rules have their numbers. Only user space reads and writes it.
const RULE_KEYS: &str = "RULE_KEYS";

/// A key, and the counter as it stood when the number was given.
type RuleKeyEntry = [u64; 3];

/// The pins of a data path, and what came with them.
pub(super) struct Pinned {
    pub(super) pins: Pins,
    /// What the daemon before says of its tables.
    inherited: Option<Record>,
    /// Whether the tables go on.
    continues: bool,
    rule_keys: Option<MappedArray<RuleKeyEntry>>,
}

/// A rule that has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedRule {
    /// What it is known by; never zero.
    pub key: u64,
    /// Its number.
    pub number: u32,
    /// Its counter as it stood when it got the number.
    pub base: PacketCounter,
}

impl Pinned {
    /// Reads what the daemon before has left, for tables that will be as `record` says.
    pub(super) fn new(pins: Pins, record: &Record) -> Result<Self, DatapathError> {
        let inherited = match pins.before() {
            Some(tables) => Record::read(tables)?,
            None => None,
        };
        let whole = |tables: &Path| {
            let names = LASTING.iter().chain([&RULE_KEYS]);
            names.map(|name| tables.join(name)).all(|pin| pin.exists())
        };
        let like = inherited
            .as_ref()
            .is_some_and(|one| one.has_tables_of(record));
        let continues = like && pins.before().is_some_and(whole);
        Ok(Self {
            pins,
            inherited,
            continues,
            rule_keys: None,
        })
    }

    /// What the daemon before says, whether its tables go on or not.
    pub(super) fn inherited(&self) -> Option<&Record> {
        self.inherited.as_ref()
    }

    /// The tables that there are and that do not go on, and where the buckets of cells stand in them if those are
    /// like ours.
    pub(super) fn left(&self) -> Option<(PathBuf, Option<CellLayout>)> {
        let tables = self.pins.before().filter(|_| !self.continues)?;
        let record = self.inherited.as_ref();
        let record = record.filter(|record| record.bucket_version == BUCKET_VERSION);
        Some((tables.to_owned(), record.map(Record::cells)))
    }

    /// The tables that go on.
    fn tables(&self) -> Option<&Path> {
        self.pins.before().filter(|_| self.continues)
    }

    /// Lets the loader take the maps that there are.
    pub(super) fn load_over(&self, loader: &mut EbpfLoader<'_>) {
        for name in LASTING {
            if let Some(tables) = self.tables() {
                loader.map_pin_path(name, tables.join(name));
            }
        }
    }

    /// Pins the programs and maps of a loaded object, all but the constants.
    pub(super) fn pin(&mut self, ebpf: &mut Ebpf) -> Result<(), DatapathError> {
        let own = self.pins.own().to_owned();
        for name in maps::PACKET_PROGRAMS {
            let path = own.join(name);
            let pinned = xdp_program(ebpf, name)?.pin(&path);
            pinned.map_err(PinError::pin(&path))?;
        }
        // No name on a bpffs has a dot, and those of constants begin with one.
        for (name, map) in ebpf.maps().filter(|(name, _)| !name.contains('.')) {
            let path = own.join(name);
            if let Some(data) = map_data(map) {
                data.pin(&path).map_err(PinError::pin(&path))?;
            }
        }
        let keys = match self.tables() {
            Some(tables) => MapData::from_pin(tables.join(RULE_KEYS))
                .map_err(DatapathError::map("open", RULE_KEYS))?,
            None => array(RULE_KEYS, 24, MAX_RULES)?,
        };
        let path = own.join(RULE_KEYS);
        keys.pin(&path).map_err(PinError::pin(&path))?;
        let entries = usize::try_from(MAX_RULES).unwrap_or(0);
        self.rule_keys = Some(MappedArray::new(RULE_KEYS, &keys, entries)?);
        Ok(())
    }

    /// The link that a daemon before has pinned for interface number `ifindex`.
    pub(super) fn link_on(&self, ifindex: u32) -> Result<Option<FoundLink>, PinError> {
        if self.pins.is_settled() {
            return Ok(None);
        }
        let links = self.pins.links()?;
        Ok(links.into_iter().find(|link| link.ifindex == ifindex))
    }
}

impl Datapath {
    /// What the daemon before wanted to know again, if there was one.
    pub fn inherited_names(&self) -> Option<&serde_json::Value> {
        let record = self.pinned.as_ref()?.inherited()?;
        Some(&record.names)
    }

    /// Whether the counters of that daemon go on.
    pub fn continues(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.continues)
    }

    /// Whether what is attached outlives the process.
    pub fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// The rules that have numbers.
    pub fn numbered_rules(&self) -> Vec<NumberedRule> {
        let keys = self.pinned.as_ref();
        let Some(keys) = keys.and_then(|pinned| pinned.rule_keys.as_ref()) else {
            return Vec::new();
        };
        let rule = |number: u32| {
            let place = usize::try_from(number).ok()?;
            let [key, packets, bytes] = keys.get(place)?;
            let base = PacketCounter { packets, bytes };
            (key != 0).then_some(NumberedRule { key, number, base })
        };
        (0..MAX_RULES).filter_map(rule).collect()
    }

    /// Remembers what rule has a number.
    pub fn remember_rule(&self, rule: NumberedRule) {
        let PacketCounter { packets, bytes } = rule.base;
        self.set_rule_key(rule.number, [rule.key, packets, bytes]);
    }

    /// Forgets the rule that had this number.
    pub fn forget_rule(&self, number: u32) {
        self.set_rule_key(number, [0; 3]);
    }

    fn set_rule_key(&self, number: u32, entry: RuleKeyEntry) {
        let keys = self.pinned.as_ref();
        if let Some(keys) = keys.and_then(|pinned| pinned.rule_keys.as_ref()) {
            keys.set(usize::try_from(number).unwrap_or(usize::MAX), entry);
        }
    }

    /// Remembers the generation in force, and `names` for the engine that comes after.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn remember(&self, names: serde_json::Value) -> Result<(), DatapathError> {
        let Some(pinned) = &self.pinned else {
            return Ok(());
        };
        let record = Record {
            hash_seed: self.hash_seed(),
            generation: self.generation(),
            names,
            ..Record::of(self.cpus, self.cells, self.source_lines)
        };
        record.write(pinned.pins.own())
    }

    /// Lets go of all that daemons before have left: no link runs it any more.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn settle(&mut self) -> Result<(), DatapathError> {
        if self.pinned.is_none() {
            return Ok(());
        }
        if self.wait_until_left().is_err() {
            std::thread::sleep(LONGER_THAN_ANY_PACKET);
        }
        let attached = self.program_id;
        let Some(pinned) = &mut self.pinned else {
            return Ok(());
        };
        // Of interfaces that are gone, or that the policy no longer names.
        for link in pinned.pins.links()? {
            if link.program_id() != Some(attached) {
                let path = &link.path;
                std::fs::remove_file(path).map_err(PinError::io("remove", path))?;
            }
        }
        Ok(pinned.pins.settle()?)
    }

    /// Lets programs, maps and links outlive this process.
    pub fn leave(&mut self) {
        if let Some(pinned) = &mut self.pinned {
            pinned.pins.leave();
        }
    }
}

/// What became of the frames that arrived under the tables of one daemon, whether it runs or not.
pub struct LeftOutcomes {
    outcomes: MappedArray<PacketCounter>,
    cpus: u32,
}

impl LeftOutcomes {
    /// Those of the only daemon that has tables below `base`.
    ///
    /// # Errors
    /// There are none, or of more daemons than one, or the kernel refuses.
    pub fn open(base: &Path) -> Result<Self, DatapathError> {
        let tables = pins::only_tables(base)?;
        let missing = DatapathError::Missing {
            kind: "record",
            name: RECORD,
        };
        let record = Record::read(&tables)?.ok_or(missing)?;
        let map = MapData::from_pin(tables.join(maps::OUTCOMES))
            .map_err(DatapathError::map("open", maps::OUTCOMES))?;
        let entries = usize::try_from(record.cpus * OUTCOMES_PER_CPU).unwrap_or(0);
        Ok(Self {
            outcomes: MappedArray::new(maps::OUTCOMES, &map, entries)?,
            cpus: record.cpus,
        })
    }

    /// Packets of interface `number` of the tables that ended in `outcome`.
    pub fn packets(&self, number: u32, outcome: Outcome) -> u64 {
        let packets = |cpu| {
            let place = usize::try_from(outcome_index(cpu, number, outcome)).ok()?;
            Some(self.outcomes.get(place)?.packets)
        };
        (0..self.cpus)
            .filter_map(packets)
            .fold(0, u64::wrapping_add)
    }
}

/// The kernel's map behind any kind of map that there is in the object.
fn map_data(map: &Map) -> Option<&MapData> {
    if let Map::Array(data)
    | Map::ArrayOfMaps(data)
    | Map::CpuMap(data)
    | Map::ProgramArray(data)
    | Map::RingBuf(data) = map
    {
        Some(data)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aya_obj::Object;

    /// Those that a daemon makes anew.
    const OF_ONE_DAEMON: [&str; 17] = [
        maps::NEXT,
        maps::FOLLOWERS,
        maps::ACTIVE,
        maps::INTERFACES,
        maps::POLICIES,
        maps::LANES,
        maps::FLOWS,
        maps::RATES,
        maps::INTERFACE_RATES,
        maps::BLOCKS,
        maps::BARRIER,
        maps::SOURCE_LIMITS,
        maps::SLOT_CPUS,
        maps::SLOT_PACKETS,
        maps::CPUS,
        maps::EXPLAINED,
        maps::SAMPLES,
    ];

    #[test]
    fn of_every_map_it_is_known_whether_the_next_daemon_goes_on_with_it() {
        let object = Object::parse(super::super::object::data_path()).unwrap();
        let mut names: Vec<&str> = object.maps.keys().map(String::as_str).collect();
        names.retain(|name| !name.contains('.'));
        names.sort_unstable();
        let mut known = [&LASTING[..], &OF_ONE_DAEMON[..]].concat();
        known.sort_unstable();
        assert_eq!(names, known);
    }
}
