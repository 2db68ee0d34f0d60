//! The loaded program and the same stages on the host, under the same policy.

use std::cell::Cell;
use std::fmt::Write as _;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use stormbolt::datapath::{Datapath, PolicyTables};
use stormbolt_common::explain::Explained;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::ClassRate;
use stormbolt_common::steer::entry_for_cpu;
use stormbolt_common::{limits::SLOTS_PER_CPU_SET, steer};
use stormbolt_ebpf::pipeline;

use crate::counters::{Counters, Moved, Watched};
use crate::host_tables::HostTables;
use crate::tables::TABLE_SIZES;

const HASH_SEED: u64 = 0x5eed_0f5e_ed0f_5eed;
/// What the kernel calls the loopback device of every namespace, where test frames arrive.
const LOOPBACK: u32 = 1;

/// Both data paths. Made for one thread, which it binds to one CPU.
pub struct SideBySide {
    /// The loaded program.
    pub kernel: Datapath,
    /// The stages on the host.
    pub host: HostTables,
    watched: Watched,
    before: Counters,
}

impl SideBySide {
    /// Loads the program. Frames arrive on interface 0; no policy is in force.
    ///
    /// # Panics
    /// The program cannot be loaded, or the thread not be bound to a CPU.
    pub fn load(watched: Watched) -> Self {
        let cpu = bind_to_one_cpu();
        let kernel = Datapath::load(HASH_SEED, TABLE_SIZES).unwrap();
        let before = Counters::read(&kernel, watched);
        let mut both = Self {
            kernel,
            host: HostTables::new(cpu, HASH_SEED),
            watched,
            before,
        };
        both.arrive_on(Some(0));
        both
    }

    /// Lets the next frames arrive on this interface of the tables, or on one that is not ours.
    pub fn arrive_on(&mut self, interface: Option<u32>) {
        self.kernel.set_interface(LOOPBACK, interface);
        self.host.interface = interface;
    }

    /// Puts a policy into force.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn install(&mut self, tables: &PolicyTables) {
        self.kernel.install(tables).unwrap();
        self.host.install(tables.clone());
    }

    /// Rewrites a rate of the policy, as a tick does. It comes into force when rates are [put into
    /// force](Self::put_rates_into_force).
    pub fn set_rate(&mut self, cell: u32, rate: ClassRate) {
        self.kernel.set_rate(cell, rate);
        self.host.set_rate(cell, rate);
    }

    /// Puts rates into force that were rewritten.
    pub fn put_rates_into_force(&mut self) {
        self.kernel.put_rates_into_force();
        self.host.put_rates_into_force();
    }

    /// Sends all packets of a CPU set where `entry` says.
    pub fn set_slots(&mut self, cpu_set: u32, entry: u32) {
        for slot in cpu_set * SLOTS_PER_CPU_SET..(cpu_set + 1) * SLOTS_PER_CPU_SET {
            self.kernel.set_slot(slot, entry);
            self.host.slot_cpus[usize::try_from(slot).unwrap()] = entry;
        }
    }

    /// The slot entry of another CPU, with a queue; [`steer::STAY`] on a machine with one CPU.
    ///
    /// # Panics
    /// The kernel does not make the queue.
    pub fn entry_of_another_cpu(&mut self) -> u32 {
        let others = (0..self.kernel.cpus()).filter(|cpu| *cpu != self.host.cpu);
        for cpu in others {
            if self.kernel.enable_cpu(cpu).is_ok() {
                self.host.queues.insert(cpu);
                return entry_for_cpu(cpu);
            }
        }
        steer::STAY
    }

    /// Runs `frame` through both, fails if they differ in the least, and says what moved.
    ///
    /// # Panics
    /// They differ, or the frame did not end in exactly one outcome; `name` is in the message.
    pub fn run(&mut self, name: &str, frame: &[u8]) -> (Outcome, Moved) {
        let (outcome, moved, _) = self.run_changing(name, frame);
        (outcome, moved)
    }

    /// As [`Self::run`], and returns what they have made of the frame.
    ///
    /// # Panics
    /// As there.
    pub fn run_changing(&mut self, name: &str, frame: &[u8]) -> (Outcome, Moved, Vec<u8>) {
        let (outcome, changed) = self.run_uncounted(name, frame);
        let moved = self.compare_counters(name);
        let [(_, ended_in, by)] = moved.outcomes[..] else {
            panic!("{name}: not one outcome: {moved:?}\n{}", hex(frame));
        };
        assert_eq!(ended_in, outcome, "{name}");
        assert_eq!(by.packets, 1, "{name}");
        assert_eq!(by.bytes, u64::try_from(frame.len()).unwrap(), "{name}");
        (outcome, moved, changed)
    }

    /// Asks both what the rules say about `frame`, fails if they differ in the least or if a counter
    /// moves, and says it.
    ///
    /// # Panics
    /// They differ, or a counter has moved; `name` is in the message.
    pub fn explain(&mut self, name: &str, frame: &[u8]) -> Explained {
        let host = pipeline::explain(frame, &mut self.host);
        let kernel = self.kernel.explain(frame, LOOPBACK).unwrap();
        assert_eq!(kernel, host, "{name}\n{}", hex(frame));
        let moved = self.compare_counters(name);
        assert_eq!(moved, Moved::default(), "{name}\n{}", hex(frame));
        kernel
    }

    /// Runs `frame` through both and compares the verdict and what they have made of it only.
    ///
    /// # Panics
    /// They differ.
    pub fn run_uncounted(&mut self, name: &str, frame: &[u8]) -> (Outcome, Vec<u8>) {
        let (mut by_host, mut by_kernel) = (frame.to_vec(), frame.to_vec());
        let cells = Cell::from_mut(by_host.as_mut_slice()).as_slice_of_cells();
        let outcome = pipeline::process(cells, &mut self.host);
        let verdict = self
            .kernel
            .test_run_in_place(&mut by_kernel)
            .unwrap()
            .verdict;
        assert_eq!(hex(&by_kernel), hex(&by_host), "{name}");
        assert_eq!(
            verdict,
            verdict_of(outcome),
            "{name}: {outcome:?} on the host\n{}",
            hex(frame)
        );
        (outcome, by_kernel)
    }

    /// Fails if any counter differs, and says what moved since the last time.
    ///
    /// # Panics
    /// A counter differs.
    pub fn compare_counters(&mut self, name: &str) -> Moved {
        let kernel = Counters::read(&self.kernel, self.watched);
        let moved = kernel.since(&self.before, self.watched);
        let host = self.host.counters(self.watched);
        if kernel != host {
            let on_host = host.since(&self.before, self.watched);
            panic!("{name}: counters differ\nkernel: {moved:?}\nhost:   {on_host:?}");
        }
        self.before = kernel;
        moved
    }
}

/// The XDP verdict of an outcome, as `main.rs` of the program gives it.
fn verdict_of(outcome: Outcome) -> u32 {
    const XDP_DROP: u32 = 1;
    const XDP_PASS: u32 = 2;
    const XDP_REDIRECT: u32 = 4;
    match outcome {
        Outcome::NotIp
        | Outcome::NeighborDiscovery
        | Outcome::Unconfigured
        | Outcome::MalformedPassed
        | Outcome::RulePassed
        | Outcome::ClassPassed
        | Outcome::OverRateShadowed
        | Outcome::RuleDropShadowed => XDP_PASS,
        Outcome::ClassSteered => XDP_REDIRECT,
        Outcome::OverRate
        | Outcome::OverSourceRate
        | Outcome::RuleDropped
        | Outcome::Truncated
        | Outcome::BadVersion
        | Outcome::BadHeaderLength
        | Outcome::BadTotalLength
        | Outcome::TooManyExtensionHeaders
        | Outcome::BadFragment
        | Outcome::BadAddress
        | Outcome::TooManyVlanTags => XDP_DROP,
    }
}

/// Binds the calling thread to the first CPU that it may run on, and says which.
fn bind_to_one_cpu() -> u32 {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).unwrap();
    let cpu = (0..CpuSet::count())
        .find(|&cpu| allowed.is_set(cpu).unwrap())
        .unwrap();
    let mut one = CpuSet::new();
    one.set(cpu).unwrap();
    sched_setaffinity(this_thread, &one).unwrap();
    u32::try_from(cpu).unwrap()
}

/// A frame in hexadecimal, to be pasted into a bug report.
pub fn hex(frame: &[u8]) -> String {
    frame.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
