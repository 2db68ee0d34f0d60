//! A program of somebody else goes on with what passes: packet by packet, by test runs.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use stormbolt::datapath::{DatapathError, Follower, FollowerError};
use stormbolt::lab::require_root;
use stormbolt_common::classifier::lane;
use stormbolt_common::follow::{FOLLOWED, followed_bit};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::{Sampling, Taken};
use stormbolt_common::steer::STAY;
use stormbolt_ebpf::sample::{Rest, choose, rest, rest_early, rest_unless_shown};
use stormbolt_ebpf::tables::Rules as _;
use stormbolt_tests::cases::{self, Case};
use stormbolt_tests::counters::Watched;
use stormbolt_tests::e2e::{LoadedAs, OtherProgram};
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::packet::{Ipv4, udp};
use stormbolt_tests::side_by_side::SideBySide;

const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: cases::CPU_SETS,
};

const ALL: Sampling = Sampling {
    packet_mask: 0,
    per_jiffy: u32::MAX,
    ..Sampling::OFF
};

const DROP: u32 = 1;
const PASS: u32 = 2;
const REDIRECT: u32 = 4;
/// What no packet ends with by StormBolt.
const TRANSMIT: u8 = 3;
const PORT: u16 = 6;
/// Where most UDP packets of the table of verdicts go.
const PORT_OF_TABLE: u16 = 2;

fn follower(program: &OtherProgram) -> Arc<Follower> {
    Arc::new(Follower::open("eth0", program.path()).unwrap())
}

#[test]
fn packets_that_pass_go_on_and_no_others_shown_or_not() {
    if !require_root("packets_that_pass_go_on_and_no_others_shown_or_not") {
        return;
    }
    let other = OtherProgram::load(PORT_OF_TABLE, TRANSMIT).pinned();
    let mut both = SideBySide::load(WATCHED);
    let mut samples = both.kernel.samples().unwrap();
    both.install(&cases::tables(1).0);
    let another_cpu = both.entry_of_another_cpu();
    both.set_slots(0, another_cpu);
    let table = cases::all();
    let run = |both: &mut SideBySide, case: &Case| {
        both.arrive_on(case.interface);
        both.kernel.test_run(&case.frame, 1).unwrap().verdict
    };
    let alone: Vec<u32> = table.iter().map(|case| run(&mut both, case)).collect();
    let steered = alone.iter().filter(|verdict| **verdict == REDIRECT).count();
    assert_eq!(steered > 0, another_cpu != STAY);

    let followers = [(0, follower(&other)), (5, follower(&other))];
    both.kernel.set_followers(2, &followers).unwrap();
    both.install(&cases::tables(2).0);
    for sampling in [Sampling::OFF, ALL] {
        samples.choose(sampling);
        let (mut followed, mut shown) = (0, 0);
        for (case, alone) in table.iter().zip(&alone) {
            let before = other.seen();
            let verdict = run(&mut both, case);
            let seen = other.seen();
            let expected = case.interface == Some(0) && *alone == PASS;
            assert_eq!(seen != before, expected, "{}", case.sentence);
            let to_port = seen.to_port > before.to_port;
            let expected = if to_port { u32::from(TRANSMIT) } else { *alone };
            assert_eq!(verdict, expected, "{}", case.sentence);
            followed += u32::from(seen != before);
            shown += usize::from(samples.take().is_some());
        }
        assert!(followed > 40, "{followed}");
        assert_eq!(shown, if sampling == ALL { table.len() } else { 0 });
    }
    let seen = other.seen();
    assert!(seen.to_port > 0 && seen.arp > 0, "{seen:?}");
}

#[test]
fn the_verdict_is_that_of_the_program_of_the_policy_in_force() {
    if !require_root("the_verdict_is_that_of_the_program_of_the_policy_in_force") {
        return;
    }
    let frame = Ipv4::of(17).frame(&udp(5, PORT, 0));
    let dropping = OtherProgram::load(PORT, 1).pinned();
    let transmitting = OtherProgram::load(PORT, TRANSMIT).pinned();
    let mut both = SideBySide::load(WATCHED);
    let verdict = |both: &mut SideBySide| both.kernel.test_run(&frame, 1).unwrap().verdict;
    let install = |both: &mut SideBySide, generation| both.install(&cases::tables(generation).0);

    install(&mut both, 1);
    assert_eq!(verdict(&mut both), PASS);
    both.kernel
        .set_followers(2, &[(0, follower(&dropping))])
        .unwrap();
    assert_eq!(verdict(&mut both), PASS, "the old policy is in force");
    install(&mut both, 2);
    assert_eq!(verdict(&mut both), DROP);
    both.kernel
        .set_followers(3, &[(0, follower(&transmitting))])
        .unwrap();
    assert_eq!(verdict(&mut both), DROP);
    install(&mut both, 3);
    both.kernel.forget_followers(2);
    assert_eq!(verdict(&mut both), u32::from(TRANSMIT));

    // A policy that is given up, and one without.
    both.kernel
        .set_followers(4, &[(0, follower(&dropping))])
        .unwrap();
    both.kernel.forget_followers(4);
    assert_eq!(verdict(&mut both), u32::from(TRANSMIT));
    install(&mut both, 4);
    both.kernel.forget_followers(3);
    assert_eq!(verdict(&mut both), PASS);
    assert_eq!(
        (dropping.seen().to_port, transmitting.seen().to_port),
        (2, 2)
    );
}

#[test]
fn what_the_kernel_refuses_leaves_the_others_out_too() {
    if !require_root("what_the_kernel_refuses_leaves_the_others_out_too") {
        return;
    }
    let frame = Ipv4::of(17).frame(&udp(5, PORT, 0));
    let right = OtherProgram::load(PORT, TRANSMIT).pinned();
    let wrong = OtherProgram::load_as(LoadedAs::XdpWithFragments, PORT, TRANSMIT).pinned();
    let mut both = SideBySide::load(WATCHED);
    let followers = [(0, follower(&right)), (1, follower(&wrong))];
    let refused = both.kernel.set_followers(1, &followers).unwrap_err();
    let DatapathError::Follower { source, path, .. } = refused else {
        panic!("{refused}");
    };
    assert!(matches!(source, FollowerError::Refused(_)), "{source}");
    assert_eq!(path.to_str(), Some(wrong.path()));
    both.install(&cases::tables(1).0);
    assert_eq!(both.kernel.test_run(&frame, 1).unwrap().verdict, PASS);
}

#[test]
fn only_packets_of_an_interface_with_a_follower_are_marked() {
    let mut tables = HostTables::new(0, 1);
    tables.followed = followed_bit(3);
    for (interface, is_followed) in [(None, false), (Some(2), false), (Some(3), true)] {
        tables.interface = interface;
        tables.sampling = Sampling::OFF;
        let early = rest_early(&mut tables, Outcome::NotIp);
        let expected = Rest {
            is_shown: false,
            is_followed,
        };
        assert_eq!(early, expected);
        if is_followed {
            assert_eq!(tables.lane(lane::INTERFACE), 3);
        }
        tables.set_lane(lane::INTERFACE, interface.unwrap_or(0));
        choose(&mut tables);
        assert_eq!(rest(&mut tables, Outcome::ClassPassed), expected);
        let word = tables.lane(lane::SAMPLE);
        assert_eq!(word, if is_followed { FOLLOWED } else { 0 });

        tables.sampling = ALL;
        choose(&mut tables);
        let both = Rest {
            is_shown: true,
            is_followed,
        };
        assert_eq!(rest(&mut tables, Outcome::ClassPassed), both);
        let word = tables.lane(lane::SAMPLE);
        assert_eq!(Taken::of_word(word).outcome, Outcome::ClassPassed.index());
        assert_eq!(rest_unless_shown(word), expected);
        assert_eq!(rest_early(&mut tables, Outcome::NotIp), both);
    }
}
