//! What stands on the screen, and what keys do.

use std::path::PathBuf;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::draw::draw;
use super::screen::{HISTORY, Look, Screen, Sort, Wish};
use crate::api::client::ClientError;
use crate::daemon::fake;
use crate::telemetry::documents::{EventList, EventStatus};
use crate::telemetry::samples;

fn look(second: u64) -> Look {
    let mut interfaces = fake::interfaces();
    interfaces.interfaces[0].received_packets += second * 1_000;
    interfaces.interfaces[0].received_bytes += second * 125_000;
    interfaces.interfaces[0].outcomes[2].packets += second * 7;
    let mut classes = fake::classes();
    classes.classes[1].passed_bits_per_second = BitsPerSecond(second * 100_000_000);
    let event = EventStatus {
        sequence: 1,
        time: "2026-11-30T14:22:08.123Z".to_owned(),
        unix_milliseconds: 0,
        kind: "attached".to_owned(),
        severity: "info".to_owned(),
        message: "attached to eth0 in native mode".to_owned(),
    };
    Look {
        status: samples::status(),
        interfaces,
        classes,
        cpus: fake::cpus(),
        sources: fake::sources(),
        flows: fake::flows(),
        events: EventList {
            version: 1,
            last_sequence: 1,
            missed_events: 0,
            events: vec![event],
        },
        at: Nanoseconds::from_millis(second * 1_000),
    }
}

fn screen() -> Screen {
    let mut screen = Screen::new(false, look(0));
    for second in 1..=8 {
        screen.take(Ok(look(second)));
    }
    screen
}

fn drawn(screen: &Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, screen)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..height).map(row).collect()
}

fn press(screen: &mut Screen, code: KeyCode) -> Wish {
    screen.heed(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn line<'l>(lines: &'l [String], beginning: &str) -> &'l str {
    let found = lines.iter().find(|line| line.starts_with(beginning));
    found.unwrap_or_else(|| panic!("no `{beginning}` in {lines:#?}"))
}

#[test]
fn everything_has_its_place() {
    let lines = drawn(&screen(), 130, 39);
    assert!(lines[0].starts_with("stormbolt 0.1.0  up 1h 2min  generation 7 from /etc"));
    assert_eq!(lines[1], "interface eth0 runs in generic mode");
    let words = |beginning: &str| -> Vec<String> {
        let line = line(&lines, beginning);
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(
        words("eth0"),
        ["eth0", "native", "1Gbit", "1Mbit", "1", "k/s", "7/s"]
    );
    let bulk = line(&lines, "bulk");
    assert!(
        bulk.contains("800Mbit") && bulk.contains("2.5Gbit"),
        "{bulk}"
    );
    assert!(
        bulk.contains("██████████ 100%") && bulk.contains("12.3 k"),
        "{bulk}"
    );
    assert!(bulk.ends_with("▁▂▃▄▅▆▇█"), "{bulk}");
    assert!(line(&lines, "192.0.2.7").contains("14:22:08   attached       attached to eth0"));
    let flow = line(&lines, "192.0.2.9:50000");
    assert!(
        flow.contains("[2001:db8::1]:443") && flow.contains("bulk") && flow.ends_with("20.5 ms"),
        "{flow}"
    );
    let cpu = lines.iter().find(|line| line.contains("12.3 k/s")).unwrap();
    assert!(cpu.ends_with("██████████ 100%"), "{cpu}");
    assert!(lines[38].starts_with("q end   s sort (by policy)   p pause"));
}

#[test]
fn every_size_of_a_terminal_is_drawn() {
    let screen = screen();
    for width in [1, 2, 20, 80, 300] {
        for height in [1, 3, 10, 24, 100] {
            assert_eq!(drawn(&screen, width, height).len(), usize::from(height));
        }
    }
}

#[test]
fn keys_end_sort_pause_and_scroll() {
    let mut screen = screen();
    assert_eq!(screen.classes()[0].name, "gold");
    for _ in 0..3 {
        press(&mut screen, KeyCode::Char('s'));
    }
    assert_eq!(
        (screen.sort, screen.classes()[0].name.as_str()),
        (Sort::Dropped, "bulk")
    );
    press(&mut screen, KeyCode::PageDown);
    assert_eq!(screen.first, 1);
    press(&mut screen, KeyCode::Home);
    assert_eq!(screen.first, 0);

    press(&mut screen, KeyCode::Char('p'));
    screen.take(Ok(look(90)));
    assert_eq!(screen.look.at, Nanoseconds::from_millis(8_000));
    assert_eq!(drawn(&screen, 80, 30)[1], "paused");
    press(&mut screen, KeyCode::Char('p'));
    screen.take(Ok(look(90)));
    assert_eq!(screen.look.at, Nanoseconds::from_millis(90_000));

    assert_eq!(press(&mut screen, KeyCode::Char('c')), Wish::GoOn);
    for end in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(press(&mut screen, end), Wish::End);
    }
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.heed(&Event::Key(interrupt)), Wish::End);
    assert_eq!(screen.heed(&Event::Resize(10, 10)), Wish::GoOn);
}

#[test]
fn a_daemon_that_is_gone_is_said_and_the_last_figures_stay() {
    let mut screen = screen();
    screen.take(Err(ClientError::TimedOut {
        path: PathBuf::from("/x"),
        seconds: 10,
    }));
    let lines = drawn(&screen, 100, 30);
    assert_eq!(lines[1], "the daemon did not answer within 10 s at /x");
    line(&lines, "gold");
    screen.take(Ok(look(9)));
    assert_eq!(
        drawn(&screen, 100, 30)[1],
        "interface eth0 runs in generic mode"
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut screen = screen();
    for second in 0..100 {
        screen.take(Ok(look(second)));
    }
    let gold = fake::classes().classes.remove(0);
    assert_eq!(screen.history(&gold).count(), HISTORY);
}
