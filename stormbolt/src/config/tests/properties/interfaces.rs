//! Interfaces of any kind.

use proptest::collection::btree_set;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use stormbolt_control::policy::{Adaptive, AttachMode, Interface};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::{CAPACITY, distinct};

fn adaptive(capacity: u64) -> impl Strategy<Value = Option<Adaptive>> {
    let probes = btree_set(r"192\.0\.2\.[1-9]|2001:db8::[1-9a-f]", 0..4);
    let times = (20..=1_000_u64, 1..=1_000_u64);
    let bounds = (CAPACITY..=capacity, capacity..=400_000_000_000);
    of(
        (bounds, probes, times).prop_map(|((min, max), probes, times)| {
            // Without a probe the times mean nothing, and are not written.
            let (interval, target) = if probes.is_empty() { (100, 15) } else { times };
            Adaptive {
                min: BitsPerSecond(min),
                max: BitsPerSecond(max),
                probes: probes.iter().map(|one| one.parse().unwrap()).collect(),
                probe_interval: Nanoseconds::from_millis(interval),
                delay_target: Nanoseconds::from_millis(target),
            }
        }),
    )
}

pub(super) fn interfaces() -> impl Strategy<Value = Vec<Interface>> {
    let modes = select(vec![
        AttachMode::Auto,
        AttachMode::Native,
        AttachMode::Generic,
    ]);
    let names = distinct("[a-z\"'.\\\\é]{1,5}[0-9]", 1..4);
    let overheads = -64..=127_i8;
    let followers = of("/sys/fs/bpf/[a-zé\"\\\\ ]{1,8}");
    let capacities = (CAPACITY..=400_000_000_000_u64)
        .prop_flat_map(|capacity| (Just(capacity), adaptive(capacity)));
    (names, capacities, modes, overheads, followers).prop_map(
        |(names, (capacity, adaptive), mode, overhead, then)| {
            let capacity = BitsPerSecond(capacity);
            names
                .into_iter()
                .map(|name| Interface {
                    name,
                    capacity,
                    mode,
                    overhead,
                    adaptive: adaptive.clone(),
                    then: then.clone(),
                })
                .collect()
        },
    )
}
