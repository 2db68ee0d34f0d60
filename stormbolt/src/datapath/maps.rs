//! The names of maps and programs, as `stormbolt-ebpf/src/kernel/` defines them.

pub(super) const PROGRAM: &str = "stormbolt";
pub(super) const RULES_PROGRAM: &str = "stormbolt_rules";
pub(super) const UNPAID_PROGRAM: &str = "stormbolt_pay";
pub(super) const SAMPLE_PROGRAM: &str = "show";
pub(super) const EXPLAIN_PROGRAM: &str = "explain";
pub(super) const EXPLAIN_RULES_PROGRAM: &str = "explain_rules";
/// What packets go through.
pub(super) const PACKET_PROGRAMS: [&str; 4] =
    [PROGRAM, RULES_PROGRAM, UNPAID_PROGRAM, SAMPLE_PROGRAM];
pub(super) const NEXT: &str = "NEXT";
pub(super) const FOLLOWERS: &str = "FOLLOWERS";
pub(super) const ACTIVE: &str = "ACTIVE";
pub(super) const INTERFACES: &str = "INTERFACES";
pub(super) const POLICIES: &str = "POLICIES";
pub(super) const LANES: &str = "LANES";
pub(super) const FLOWS: &str = "FLOWS";
pub(super) const FLOW_LINE_MASK: &str = "FLOW_LINE_MASK";
pub(super) const BLOCKS: &str = "BLOCKS";
pub(super) const WORD_MASK: &str = "WORD_MASK";
pub(super) const BARRIER: &str = "BARRIER";
pub(super) const BUCKETS: &str = "BUCKETS";
pub(super) const RATES: &str = "RATES";
pub(super) const CELL_CLASS_BITS: &str = "CELL_CLASS_BITS";
pub(super) const CELL_MASK: &str = "CELL_MASK";
pub(super) const INTERFACE_RATES: &str = "INTERFACE_RATES";
pub(super) const INTERFACE_BUCKETS: &str = "INTERFACE_BUCKETS";
pub(super) const DROPPED: &str = "DROPPED";
pub(super) const SOURCE_LIMITS: &str = "SOURCE_LIMITS";
pub(super) const SOURCES: &str = "SOURCES";
pub(super) const SOURCE_LINE_MASK: &str = "SOURCE_LINE_MASK";
pub(super) const TICK_NS: &str = "TICK_NS";
pub(super) const SOURCE_COUNTERS: &str = "SOURCE_COUNTERS";
pub(super) const OFFENDERS: &str = "OFFENDERS";
pub(super) const SLOT_CPUS: &str = "SLOT_CPUS";
pub(super) const CPUS: &str = "CPUS";
pub(super) const CLASS_CELLS: &str = "CLASS_CELLS";
pub(super) const REFUSALS: &str = "REFUSALS";
pub(super) const AHEAD: &str = "AHEAD";
pub(super) const RULE_COUNTERS: &str = "RULE_COUNTERS";
pub(super) const OUTCOMES: &str = "OUTCOMES";
pub(super) const SLOT_PACKETS: &str = "SLOT_PACKETS";
pub(super) const EXPLAINED: &str = "EXPLAINED";
pub(super) const SAMPLES: &str = "SAMPLES";

pub(super) const GENERATOR_PROGRAM: &str = "generate";
pub(super) const GENERATOR_SETTINGS: &str = "SETTINGS";
pub(super) const GENERATOR_STATE: &str = "STATE";
