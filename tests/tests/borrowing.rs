//! What classes borrow of their interface's capacity, with a clock of ours and any number of CPUs.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use stormbolt_common::police::{
    BLOCKED, COST_FRACTION_BITS, CREDIT_FRACTION_BITS, ClassRate, InterfaceRate,
};
use stormbolt_control::decide::{Borrowing, class_rate, interface_rate};
use stormbolt_control::policy::{AttachMode, Class, Interface, Policy, Treatment};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};
use stormbolt_ebpf::police::{Bucket as _, Buckets, police};
use stormbolt_tests::host_tables::{HostBucket, HostClock};
use stormbolt_tests::policer::OnCpu;

use stormbolt_tests::random::Random;

const START_NS: u64 = 3_600_000_000_000;
const GIGABIT: u64 = 1_000_000_000;
const FRAME: u64 = 1514;
/// Time of a full frame at a gigabit.
const FRAME_NS: u64 = FRAME * 8;

/// A class on the interface, on many CPUs.
struct Member {
    class: Class,
    rate: ClassRate,
    own: HostBucket,
    ceil: HostBucket,
    on_cpus: Vec<OnCpu>,
    passed_bytes: u64,
}

/// An interface and its classes.
struct Link {
    interface: InterfaceRate,
    shared: HostBucket,
    members: Vec<Member>,
    silent_from_ns: u64,
    now_ns: u64,
}

fn class(priority: u8, rate: u64, ceil: Option<u64>) -> Class {
    Class {
        name: String::new(),
        priority,
        rate: BitsPerSecond(rate),
        ceil: ceil.map(BitsPerSecond),
        group: None,
        per_source: None,
        burst: Nanoseconds::from_millis(20),
        weight: 1,
        cpus: None,
        treatment: Treatment::default(),
    }
}

impl Link {
    /// Each class has its guarantee in force.
    fn new(capacity: u64, classes: Vec<Class>, cpus: u32) -> Self {
        let interface = Interface {
            name: "eth0".to_owned(),
            capacity: BitsPerSecond(capacity),
            mode: AttachMode::Auto,
            overhead: 0,
            adaptive: None,
            then: None,
        };
        let capacity = interface_rate(&interface, &classes);
        let policy = Policy {
            interfaces: vec![interface],
            classes,
            ..Policy::empty()
        };
        let borrowing = Borrowing::of(&policy);
        let member = |(position, class): (usize, &Class)| {
            let mut rate = class_rate(class.rate, class.burst, cpus);
            borrowing.write(&policy, (0, position), cpus, &mut rate);
            Member {
                class: class.clone(),
                rate,
                own: HostBucket::default(),
                ceil: HostBucket::default(),
                on_cpus: vec![OnCpu::default(); usize::try_from(cpus).expect("a small number")],
                passed_bytes: 0,
            }
        };
        let members = policy.classes.iter().enumerate().map(member);
        Self {
            interface: capacity,
            shared: HostBucket::default(),
            members: members.collect(),
            silent_from_ns: u64::MAX,
            now_ns: START_NS,
        }
    }

    fn offer(&mut self, member: usize, cpu: usize, bytes: u64) -> bool {
        let member = &mut self.members[member];
        let buckets = Buckets {
            own: &member.own,
            ceil: &member.ceil,
            beside: &member.ceil,
            shared: &self.shared,
            interface: &self.interface,
            silent_from_ns: self.silent_from_ns,
        };
        let clock = HostClock::at(self.now_ns, 250);
        let mut held = member.on_cpus[cpu].held();
        let passes = police(&member.rate, &mut held, &buckets, &clock, bytes).is_ok();
        member.passed_bytes += if passes { bytes } else { 0 };
        passes
    }

    fn passed_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.passed_bytes).sum()
    }
}

/// Time that bytes take, in 2^-20 ns.
fn cost(bytes: u64, cost_per_byte: u64) -> u128 {
    u128::from(bytes) * u128::from(cost_per_byte)
}

fn units(ns: u64) -> u128 {
    u128::from(ns) << COST_FRACTION_BITS
}

#[test]
fn capacity_that_nobody_uses_is_there_at_once_and_no_more_than_that() {
    for cpus in [1_u32, 2, 16] {
        let classes = vec![class(0, GIGABIT / 2, None), class(7, GIGABIT / 100, None)];
        let mut link = Link::new(GIGABIT, classes, cpus);
        let mut random = Random::of(cpus.into());
        let mut passed_in = |link: &mut Link, ms: u64| {
            let before = link.passed_bytes();
            // Half again as much as the link carries.
            for _ in 0..ms * 1_000_000 * 3 / 2 / FRAME_NS {
                link.now_ns += FRAME_NS * 2 / 3;
                let cpu = random.index(usize::try_from(cpus).expect("a small number"));
                link.offer(1, cpu, FRAME);
            }
            link.passed_bytes() - before
        };
        let a_ms = GIGABIT / 8 / 1000;
        // Its own bucket of 20 ms at a hundredth, and half of the link's of 10 ms are full at first.
        let first = passed_in(&mut link, 10);
        assert!(
            first >= 99 * a_ms / 10 && first <= 16 * a_ms,
            "{cpus}: {first}"
        );
        let then = passed_in(&mut link, 100);
        let expected = 100 * a_ms;
        assert!(
            then.abs_diff(expected) <= expected / 100,
            "{cpus}: {then} of {expected}"
        );
    }
}

#[test]
fn a_higher_priority_finds_room_under_a_flood_of_a_lower_one() {
    let classes = vec![class(0, GIGABIT / 10, None), class(7, 0, None)];
    let mut link = Link::new(GIGABIT, classes, 2);
    let mut random = Random::of(4);
    let flood = |link: &mut Link, random: &mut Random, frames: u64| {
        for _ in 0..frames {
            link.now_ns += FRAME_NS / 10;
            link.offer(1, random.index(2), FRAME);
        }
    };
    flood(&mut link, &mut random, 100_000);
    let mut lost = 0;
    for _ in 0..1_000 {
        // Its guarantee, unevenly: a frame in ten of the link's time, up to 40 at a time.
        let frames = 1 + random.below(40);
        flood(&mut link, &mut random, frames * 100);
        for _ in 0..frames {
            lost += u32::from(!link.offer(0, random.index(2), FRAME));
        }
    }
    assert_eq!(lost, 0, "up to its guarantee");
    // Three ms of the link at once: the flood leaves five, of which a CPU may hold one for itself.
    for _ in 0..3_000_000 / FRAME_NS {
        lost += u32::from(!link.offer(0, random.index(2), FRAME));
    }
    assert_eq!(lost, 0, "beyond its guarantee");
}

#[test]
fn what_own_rates_spend_is_not_lent_as_well() {
    // The first class sends its guarantee in bursts; the second one wants all that is left.
    let classes = vec![class(0, GIGABIT / 2, None), class(7, 0, None)];
    let mut link = Link::new(GIGABIT, classes, 2);
    let (mut number, start) = (0_u64, link.now_ns);
    while link.now_ns < start + 2_000_000_000 {
        link.now_ns += FRAME_NS / 2;
        number += 1;
        link.offer(1, 0, FRAME);
        if number.is_multiple_of(2_000) {
            for _ in 0..500 {
                link.offer(0, 1, FRAME);
            }
        }
    }
    let all = cost(link.passed_bytes(), link.interface.cost_per_byte);
    let first = cost(link.members[0].passed_bytes, link.interface.cost_per_byte);
    let span = units(link.now_ns - start);
    assert!(first * 100 >= span * 49, "{first} of {span}");
    assert!(all <= span + units(40_000_000), "{all} of {span}");
    assert!(all * 100 >= span * 98, "{all} of {span}");
}

#[derive(Clone, Debug)]
struct Event {
    later_ns: u64,
    member: usize,
    cpu: usize,
    bytes: u64,
    packets: u64,
}

fn event() -> impl Strategy<Value = Event> {
    let later_ns = prop_oneof![6 => 0_u64..200_000, 1 => 0_u64..20_000_000];
    let bytes = prop_oneof![Just(60_u64), Just(FRAME), 14_u64..9000];
    (later_ns, 0..6_usize, 0..64_usize, bytes, 1..40_u64).prop_map(
        |(later_ns, member, cpu, bytes, packets)| Event {
            later_ns,
            member,
            cpu,
            bytes,
            packets,
        },
    )
}

/// Classes whose guarantees add up to no more than a hundred parts, with or without a ceil.
fn members() -> impl Strategy<Value = Vec<(u8, u64, Option<u64>)>> {
    let ceil = proptest::option::of(1..120_u64);
    prop::collection::vec((0..8_u8, 0..16_u64, ceil), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_interface_passes_no_more_than_its_capacity_and_a_class_no_more_than_its_ceil(
        capacity in 10_000_000..100_000_000_000_u64,
        cpus in 1..64_u32,
        members in members(),
        events in prop::collection::vec(event(), 1..300),
    ) {
        let part = capacity / 100;
        let classes = members
            .iter()
            .map(|&(priority, rate, ceil)| {
                class(priority, rate * part, ceil.map(|ceil| ceil.max(rate).max(1) * part))
            })
            .collect();
        let mut link = Link::new(capacity, classes, cpus);
        let cpus = usize::try_from(cpus).expect("a small number");
        for event in events {
            link.now_ns += event.later_ns;
            let member = event.member % link.members.len();
            for _ in 0..event.packets {
                link.offer(member, event.cpu % cpus, event.bytes);
            }
        }
        let span = units(link.now_ns - START_NS);
        let price = link.interface.cost_per_byte;
        let jumbo = units(2) + cost(9000, price);
        // Full buckets at the start, those of the classes at their rates.
        let bursts: u128 = link.members.iter().map(|member| {
            let depth = units(member.rate.burst_ns);
            let own = depth / u128::from(member.rate.cost_per_byte.min(u64::MAX / 2)) + 9000;
            own * u128::from(price)
        }).sum();
        let all = cost(link.passed_bytes(), price);
        let allowed = span + units(link.interface.burst_ns) + bursts + jumbo;
        prop_assert!(all <= allowed, "{all} of {allowed}");
        for member in &link.members {
            let Some(ceil) = member.class.ceil.filter(|ceil| ceil.0 < capacity) else {
                continue;
            };
            let at_ceil = class_rate(ceil, Nanoseconds::from_millis(20), 1);
            let own = units(member.rate.burst_ns)
                / u128::from(member.rate.cost_per_byte.min(u64::MAX / 2)) + 9000;
            let depth = units(link.interface.burst_ns) + cost(9000, at_ceil.cost_per_byte);
            let passed = cost(member.passed_bytes, at_ceil.cost_per_byte);
            // What several CPUs borrow at one moment is known to the ceil a moment later.
            let loans = units(member.rate.loan_ns.into());
            let allowed = span + depth + own * u128::from(at_ceil.cost_per_byte) + loans;
            prop_assert!(passed <= allowed, "{passed} of {allowed} of {:?}", member.class);
        }
    }
}

/// Passed of the interface's capacity, in percent, while a class sends 150 % of it for 200 ms.
fn percent_passed(link: &mut Link, member: usize) -> u64 {
    let (before, start) = (link.members[member].passed_bytes, link.now_ns);
    while link.now_ns < start + 200_000_000 {
        link.now_ns += FRAME_NS * 2 / 3;
        link.offer(member, 0, FRAME);
    }
    (link.members[member].passed_bytes - before) * 8 * 5 * 100 / GIGABIT
}

#[test]
fn without_a_word_from_the_controller_the_failsafe_holds_and_nothing_is_borrowed() {
    let classes = vec![class(0, GIGABIT / 2, None), class(7, GIGABIT / 10, None)];
    let mut link = Link::new(GIGABIT, classes, 1);
    link.members[1].rate.failsafe_cost_per_byte =
        class_rate(BitsPerSecond(GIGABIT / 4), Nanoseconds::from_millis(20), 1).cost_per_byte;
    let before = percent_passed(&mut link, 1);
    assert!((99..=107).contains(&before), "{before}");
    link.silent_from_ns = link.now_ns + 200_000_000;
    let in_time = percent_passed(&mut link, 1);
    assert!((99..=101).contains(&in_time), "{in_time}");
    let silent = percent_passed(&mut link, 1);
    assert!((24..=28).contains(&silent), "{silent}");
    // It is back.
    link.silent_from_ns = u64::MAX - 1;
    let back = percent_passed(&mut link, 1);
    assert!((99..=106).contains(&back), "{back}");
}

#[test]
fn without_a_word_an_open_failsafe_passes_everything_and_one_without_a_rate_nothing() {
    let mut link = Link::new(GIGABIT, vec![class(0, 0, None), class(7, 0, None)], 1);
    link.members[0].rate.failsafe_cost_per_byte = 0;
    link.members[1].rate.failsafe_cost_per_byte = BLOCKED;
    link.silent_from_ns = link.now_ns;
    assert_eq!(percent_passed(&mut link, 0), 150);
    assert_eq!(percent_passed(&mut link, 1), 0);
}

#[test]
fn a_slow_link_with_all_priorities_lends_its_whole_capacity_to_the_last_one() {
    // A frame takes 0.6 ms, and the last of eight priorities may use 1.25 ms of the bucket.
    let capacity = 20_000_000;
    let classes = (0..8).map(|priority| class(priority, 0, None)).collect();
    let mut link = Link::new(capacity, classes, 1);
    let start = link.now_ns;
    while link.now_ns < start + 2_000_000_000 {
        link.now_ns += FRAME * 8 * 1_000_000_000 / capacity / 3;
        link.offer(7, 0, FRAME);
    }
    let all = cost(link.passed_bytes(), link.interface.cost_per_byte);
    let span = units(link.now_ns - start);
    assert!(
        all * 100 >= span * 98 && all <= span + units(20_000_000),
        "{all} of {span}"
    );
}

#[test]
fn without_a_word_what_a_lease_covers_passes_whatever_the_limit_on_packets() {
    let mut link = Link::new(GIGABIT, vec![class(0, GIGABIT / 10, None)], 1);
    let rate = &mut link.members[0].rate;
    // More than a lease has.
    rate.least = 60_000 << CREDIT_FRACTION_BITS;
    rate.failsafe_cost_per_byte = rate.cost_per_byte;
    link.silent_from_ns = link.now_ns;
    assert!(link.offer(0, 0, 100));
    let spent_until_ns = link.members[0].own.spent_until_ns();
    for _ in 0..100 {
        assert!(link.offer(0, 0, 100));
    }
    assert_eq!(link.members[0].own.spent_until_ns(), spent_until_ns);
}

#[test]
fn a_slow_guarantee_is_held_without_a_word() {
    let guarantee = class_rate(BitsPerSecond(256_000), Nanoseconds::from_millis(20), 1);
    let mut link = Link::new(GIGABIT, vec![class(0, 256_000, None)], 1);
    link.members[0].rate.failsafe_cost_per_byte = guarantee.cost_per_byte;
    link.silent_from_ns = link.now_ns;
    for percent in [110, 150, 200] {
        let (before, start) = (link.passed_bytes(), link.now_ns);
        while link.now_ns < start + 20_000_000_000 {
            link.now_ns += FRAME * 8 * 1_000_000_000 / 256_000 * 100 / percent;
            link.offer(0, 0, FRAME);
        }
        let passed = (link.passed_bytes() - before) * 8 / 20;
        assert!(
            passed.abs_diff(256_000) <= 256_000 / 100,
            "{percent}: {passed}"
        );
    }
}
