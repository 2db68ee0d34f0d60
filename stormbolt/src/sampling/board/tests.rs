//! Samples in, what is known of them out.

use super::super::packet::tests::{sample, segment};
use super::*;

const SECOND: u64 = 1_000_000_000;

fn dropped(time: u64) -> Sample {
    let mut sample = sample(&segment(946, 1, 2));
    sample.head.outcome = Outcome::OverRate.index();
    sample.head.verdict = 4;
    sample.head.time_ns = time;
    sample
}

#[test]
fn those_that_send_most_are_known_with_what_is_dropped_of_it() {
    let board = Board::default();
    for second in 1..=20 {
        let now = second * SECOND;
        let samples = (0..100).map(|_| dropped(now));
        board.take(samples, Nanoseconds(now), 7);
    }
    let top = board.top(5);
    let ([(flow, talker)], [((ifindex, source), _)]) = (&top.flows[..], &top.sources[..]) else {
        panic!("{top:?}");
    };
    assert_eq!((flow.ports, *ifindex), (Some((50_000, 443)), 3));
    assert_eq!(*source, flow.source);
    // A hundred frames of 1,012 bytes a second.
    assert!((800_000..=809_600).contains(&talker.offered.0));
    assert_eq!((talker.dropped, talker.verdict), (talker.offered, 4));
    assert_eq!(top.counts.shown, 2_000);
}

#[test]
fn packets_that_were_let_go_are_counted_for_the_next_one_that_was_not() {
    let board = Board::default();
    let mut samples = [dropped(1), dropped(2), dropped(3)];
    samples[1].head.over_limit = 8;
    samples[2].head.over_limit = 8;
    samples[2].head.no_room = 4;
    board.take(samples.into_iter(), Nanoseconds(SECOND), 7);
    let (counts, _) = board.counts();
    assert_eq!((counts.shown, counts.over_limit, counts.no_room), (3, 8, 4));
    let (_, talker) = board.top(1).flows[0];
    // 1 + (1 + 8) + (1 + 4).
    let expected = 15_000 * 1_000 / 3_000;
    assert!(talker.packets_per_1000_seconds.abs_diff(expected) <= 1);
}

#[test]
fn a_capture_gets_what_it_wants_and_what_it_does_not_take_is_lost() {
    let board = Board::default();
    let wants_drops = Filter {
        is_dropped: Some(true),
        ..Filter::default()
    };
    let mut captured = board.capture(wants_drops, 1).unwrap();
    let passed = sample(&segment(0, 1, 2));
    let samples = (0..5_000).flat_map(|time| [dropped(time), passed]);
    board.take(samples, Nanoseconds(SECOND), 7);
    assert_eq!(captured.lost(), 5_000 - 4_096);
    let first = captured.packets.try_recv().unwrap();
    assert_eq!(
        (first.sample.head.time_ns, first.packet.is_some()),
        (0, true)
    );
}

#[test]
fn of_one_in_so_many_packets_one_in_so_many_is_taken() {
    let board = Board::default();
    let mut captured = board.capture(Filter::default(), 10).unwrap();
    let mut samples: Vec<Sample> = (0..1_000).map(dropped).collect();
    board.take(samples.iter().copied(), Nanoseconds(SECOND), 7);
    let mut taken =
        || -> Vec<_> { std::iter::from_fn(|| captured.packets.try_recv().ok()).collect() };
    let each: Vec<u64> = taken().iter().map(|one| one.stands_for_halves).collect();
    assert_eq!(each, [20; 100]);
    // Each stands for 16 packets, and so do those that are taken, all together.
    for one in &mut samples {
        one.head.stands_for_halves = 32;
    }
    board.take(samples.into_iter(), Nanoseconds(SECOND), 7);
    let taken = taken();
    assert_eq!(taken.len(), 1_000);
    let packets: u64 = taken.iter().map(|one| one.stands_for_halves / 2).sum();
    assert!((15_990..=16_000).contains(&packets), "{packets}");
}

#[test]
fn as_long_as_somebody_captures_as_many_are_shown_as_are_wanted() {
    let board = Board::default();
    // A flood, of which one in some thousand is shown.
    let mut flood = dropped(1);
    flood.head.stands_for_halves = 2_000;
    let shown = |count: usize, now| {
        let samples = std::iter::repeat_n(flood, count);
        board.take(samples, Nanoseconds(now), 7)
    };
    let alone = shown(2_000, SECOND);
    assert!(alone.packet_mask >= 1_023, "{alone:?}");
    let fine = board.capture(Filter::default(), 1).unwrap();
    let sampling = shown(2_000, 2 * SECOND);
    assert_eq!((sampling.packet_mask, sampling.per_jiffy), (0, 1_024));
    drop(fine);
    let coarse = board.capture(Filter::default(), 64).unwrap();
    assert_eq!(shown(2_000, 3 * SECOND).packet_mask, 63);
    drop(coarse);
    let seldom = board.capture(Filter::default(), u32::MAX).unwrap();
    assert_eq!(shown(2_000, 4 * SECOND).packet_mask, alone.packet_mask);
    drop(seldom);
    assert_eq!(shown(2_000, 5 * SECOND), alone);
}

#[test]
fn what_is_known_by_the_number_of_a_class_goes_with_the_class() {
    let board = Board::default();
    let of_class = |class| Filter {
        class: Some(class),
        ..Filter::default()
    };
    let mut gone = board.capture(of_class(4), 1).unwrap();
    let mut stays = board.capture(of_class(5), 1).unwrap();
    assert_eq!(board.classes(), [4, 5].into());
    board.keep_classes(|class| class == 5);
    let ended = mpsc::error::TryRecvError::Disconnected;
    assert_eq!(gone.packets.try_recv().unwrap_err(), ended);
    let goes_on = mpsc::error::TryRecvError::Empty;
    assert_eq!(stays.packets.try_recv().unwrap_err(), goes_on);
}

#[test]
fn there_are_so_many_captures_at_most_and_they_end_with_the_daemon() {
    let board = Board::default();
    let capture = || board.capture(Filter::default(), 1);
    let mut some: Vec<_> = (0..MAX_CAPTURES).map(|_| capture().unwrap()).collect();
    assert!(capture().is_none());
    some.pop();
    some.push(capture().unwrap());
    board.close();
    let ended = some[0].packets.try_recv();
    assert_eq!(ended.unwrap_err(), mpsc::error::TryRecvError::Disconnected);
}
