//! Metrics of the CPUs, the flow caches and the tables.

use super::family::{Family, counter, gauge};

const CPU: &[&str] = &["cpu"];
const TABLE: &[&str] = &["table"];

pub(super) const FAMILIES: &[Family] = &[
    counter(
        "cpu_received",
        Some("packets"),
        CPU,
        "Packets that the program saw on the CPU since it was loaded.",
        |snapshot, samples| {
            let mut cpus = snapshot.cpus.cpus.iter();
            cpus.try_for_each(|cpu| samples.add(&[&cpu.cpu.to_string()], cpu.received_packets))
        },
    ),
    gauge(
        "cpu_slots",
        None,
        CPU,
        "Slots, over all CPU sets, that lead to the CPU.",
        |snapshot, samples| {
            let mut cpus = snapshot.cpus.cpus.iter();
            cpus.try_for_each(|cpu| samples.add(&[&cpu.cpu.to_string()], cpu.slots))
        },
    ),
    gauge(
        "cpu_steered_packets_per_second",
        None,
        CPU,
        "Packets per second of the slots that lead to the CPU, in the last interval.",
        |snapshot, samples| {
            let mut cpus = snapshot.cpus.cpus.iter();
            cpus.try_for_each(|cpu| {
                samples.add(&[&cpu.cpu.to_string()], cpu.steered_packets_per_second)
            })
        },
    ),
    counter(
        "slots_moved",
        None,
        &[],
        "Slots that the controller has given to another CPU.",
        |snapshot, samples| samples.add(&[], snapshot.tables.moved_slots),
    ),
    gauge(
        "flow_cache_limit_flows",
        None,
        CPU,
        "IPv4 flows that the CPU has room for; an IPv6 flow takes the room of two.",
        |snapshot, samples| {
            let mut caches = snapshot.tables.flow_caches.iter();
            caches.try_for_each(|cache| samples.add(&[&cache.cpu.to_string()], cache.limit_flows))
        },
    ),
    gauge(
        "flow_cache_window_lookups",
        None,
        CPU,
        "Packets that were looked up in the CPU's flow cache, in the window of packets that is not over yet.",
        |snapshot, samples| {
            let mut caches = snapshot.tables.flow_caches.iter();
            caches.try_for_each(|cache| {
                samples.add(&[&cache.cpu.to_string()], cache.looked_up_packets)
            })
        },
    ),
    gauge(
        "flow_cache_window_misses",
        None,
        CPU,
        "Those of them whose flow was not known.",
        |snapshot, samples| {
            let mut caches = snapshot.tables.flow_caches.iter();
            caches
                .try_for_each(|cache| samples.add(&[&cache.cpu.to_string()], cache.missed_packets))
        },
    ),
    counter(
        "flow_cache_windows",
        None,
        CPU,
        "Windows of packets after which the CPU asked how well its flow cache does, modulo 2^32.",
        |snapshot, samples| {
            let mut caches = snapshot.tables.flow_caches.iter();
            caches.try_for_each(|cache| samples.add(&[&cache.cpu.to_string()], cache.windows))
        },
    ),
    gauge(
        "flow_cache_sampling",
        None,
        CPU,
        "1 while the CPU looks few flows up because most are not found, as under random addresses; else 0.",
        |snapshot, samples| {
            let mut caches = snapshot.tables.flow_caches.iter();
            caches.try_for_each(|cache| samples.add(&[&cache.cpu.to_string()], cache.is_sampling))
        },
    ),
    gauge(
        "rule_memory_used",
        Some("bytes"),
        &[],
        "Memory that the compiled rules and sets of the policy in force take.",
        |snapshot, samples| samples.add(&[], snapshot.tables.rule_memory.used_bytes),
    ),
    gauge(
        "rule_memory_limit",
        Some("bytes"),
        &[],
        "Memory that those of one policy may take; the next policy has as much beside it.",
        |snapshot, samples| samples.add(&[], snapshot.tables.rule_memory.limit_bytes),
    ),
    gauge(
        "table_used",
        Some("entries"),
        TABLE,
        "Entries of a table that are taken; of sources those that have been used, estimated by a sample.",
        |snapshot, samples| {
            let mut tables = snapshot.tables.tables.iter();
            tables.try_for_each(|table| samples.add(&[&table.table], table.used_entries))
        },
    ),
    gauge(
        "table_limit",
        Some("entries"),
        TABLE,
        "Entries that the table has room for.",
        |snapshot, samples| {
            let mut tables = snapshot.tables.tables.iter();
            tables.try_for_each(|table| samples.add(&[&table.table], table.limit_entries))
        },
    ),
];
