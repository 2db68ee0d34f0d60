//! The exact text of what is shown.

use super::Shown;
use crate::api::documents::{FollowerStatus, SetStatus, Sets};
use crate::cli::output::Style;
use crate::cli::tests::status;
use crate::daemon::fake;
use crate::telemetry::documents::{EventList, EventStatus};

const PLAIN: Style = Style { colour: false };

/// A document's text must be these lines.
fn assert_shows(document: &impl Shown, expected: &[&str]) {
    let text = document.table(PLAIN);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "\n{text}");
    assert!(text.ends_with('\n'));
}

#[test]
fn status_is_a_line_for_each_thing() {
    assert_shows(
        &status(),
        &[
            "daemon  stormbolt 0.1.0, process 4242, up 1h 2min",
            "policy  generation 7 from /etc/stormbolt/stormbolt.toml: 1 interface, 2 classes, 1 rule",
            "ticks   37250, one every 100 ms; the last took 85 µs",
            "notice  interface eth0 runs in generic \u{fffd}[2Jmode",
        ],
    );
}

#[test]
fn classes_show_their_rates_and_how_much_of_them_is_used() {
    assert_shows(
        &fake::classes(),
        &[
            "class  interface  prio  guarantee     ceil     rate  offered   passed  of rate          dropped pkts  ahead  marked  cpus",
            "gold   eth0          0    200Mbit    1Gbit  200Mbit  123Mbit  123Mbit  ██████░░░░  62%             0      0       0  0-1",
            "bulk   eth0          7       0bit  800Mbit  800Mbit  2.5Gbit  798Mbit  ██████████ 100%        12.3 k     77      55  -",
        ],
    );
}

#[test]
fn what_passed_ahead_of_the_rate_is_shown_where_there_is_any() {
    let mut classes = fake::classes();
    classes.classes[1].ahead_packets = 0;
    assert_shows(
        &classes,
        &[
            "class  interface  prio  guarantee     ceil     rate  offered   passed  of rate          dropped pkts  cpus",
            "gold   eth0          0    200Mbit    1Gbit  200Mbit  123Mbit  123Mbit  ██████░░░░  62%             0  0-1",
            "bulk   eth0          7       0bit  800Mbit  800Mbit  2.5Gbit  798Mbit  ██████████ 100%        12.3 k  -",
        ],
    );
}

#[test]
fn classes_show_their_groups_where_there_are_any() {
    let mut classes = fake::classes();
    classes.classes[1].ahead_packets = 0;
    classes.classes[0].groups = vec!["all".to_owned(), "customers".to_owned()];
    assert_shows(
        &classes,
        &[
            "class  group            interface  prio  guarantee     ceil     rate  offered   passed  of rate          dropped pkts  cpus",
            "gold   all > customers  eth0          0    200Mbit    1Gbit  200Mbit  123Mbit  123Mbit  ██████░░░░  62%             0  0-1",
            "bulk                    eth0          7       0bit  800Mbit  800Mbit  2.5Gbit  798Mbit  ██████████ 100%        12.3 k  -",
        ],
    );
}

#[test]
fn flows_show_who_sends_what_and_how_far_away_they_are() {
    assert_shows(
        &fake::flows(),
        &[
            "interface  source           destination        protocol  class   offered  dropped   packets              round trip",
            "eth0       192.0.2.9:50000  [2001:db8::1]:443  tcp       bulk   12.3Mbit        -  1.03 k/s  20.5 ms (least 850 µs)",
            "",
            "interface  source     class            offered   dropped   packets",
            "eth0       192.0.2.9  (rule_dropped)  12.3Mbit  12.3Mbit  1.03 k/s",
            "",
            "estimated from one packet in 512; round trips from all TCP connections",
        ],
    );
}

#[test]
fn interfaces_show_what_became_of_their_frames() {
    assert_shows(
        &fake::interfaces(),
        &[
            "interface  mode    capacity  received   bytes  dropped",
            "eth0       native     1Gbit    1.51 M  151 MB   12.3 k",
            "",
            "interface  outcome       verdict  packets    bytes",
            "eth0       class_passed  passed     1.5 M   150 MB",
            "eth0       over_rate     dropped   12.3 k  1.23 MB",
            "eth0       truncated     dropped        5    500 B",
        ],
    );
}

#[test]
fn the_program_that_goes_on_with_what_passes_is_shown() {
    let mut interfaces = fake::interfaces();
    interfaces.interfaces[0].then = Some(FollowerStatus {
        path: "/sys/fs/bpf/stormbolt/other".to_owned(),
        program_id: 117,
        program_name: "xdp_filter".to_owned(),
    });
    let text = interfaces.table(PLAIN);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[2..6],
        [
            "",
            "interface  then                         program  name",
            "eth0       /sys/fs/bpf/stormbolt/other      117  xdp_filter",
            "",
        ],
        "\n{text}"
    );
}

#[test]
fn a_capacity_that_follows_its_link_shows_why_it_is_where_it_is() {
    let text = fake::adaptive_interfaces().table(PLAIN);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[3..9],
        [
            "interface    from       to    start  arriving  queue delay  now   last change",
            "eth0       10Mbit  200Mbit  100Mbit  37.1Mbit       1.2 ms  busy  bufferbloat, from 40.5Mbit, 3s ago",
            "",
            "interface  probe      answered  lost  baseline  queue delay",
            "eth0       192.0.2.1    1.23 k     3   20.3 ms       1.2 ms",
            "eth0       192.0.2.2         0     3         -    no answer",
        ],
        "\n{text}"
    );
}

#[test]
fn rules_show_what_they_matched() {
    assert_shows(
        &fake::rules(),
        &[
            "#  rule                  matches                   action  packets   bytes",
            "-  management exemption  protocol=tcp dst-port=22  pass         77  7.7 kB",
            "1  rule 1                protocol udp              gold        1 M  100 MB",
        ],
    );
}

#[test]
fn sets_show_their_size_and_their_users() {
    let set = |name: &str, ipv4_prefixes, rules: usize| SetStatus {
        name: name.to_owned(),
        ipv4_prefixes,
        ipv6_prefixes: 3,
        rules: (1..=rules).map(|number| format!("rule {number}")).collect(),
    };
    assert_shows(
        &Sets {
            version: 1,
            sets: vec![set("office", 1_000_000, 0), set("bogons", 12, 6)],
        },
        &[
            "set     IPv4 prefixes  IPv6 prefixes  used by",
            "office        1000000              3  -",
            "bogons             12              3  rule 1, rule 2, rule 3, rule 4, +2",
        ],
    );
}

#[test]
fn cpus_show_their_load() {
    assert_shows(
        &fake::cpus(),
        &[
            "cpu  received  arriving  slots  steered to it",
            "  0    1.23 k  12.3 k/s    130       6.15 k/s",
            "  1    1.23 k       0/s    126       6.15 k/s",
        ],
    );
}

#[test]
fn colour_marks_what_was_dropped_and_changes_no_letter() {
    let coloured = fake::classes().table(Style { colour: true });
    assert!(coloured.contains("\x1b[38;5;9m"), "{coloured:?}");
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let stripped: Vec<_> = stripped.lines().map(str::trim_end).collect();
    assert_eq!(
        stripped,
        fake::classes().table(PLAIN).lines().collect::<Vec<_>>()
    );
}

#[test]
fn sources_are_shown_below_their_classes() {
    let expected = [
        "class  interface    each  refused  bytes  forgotten",
        "bulk   eth0       50Mbit      3 k   3 MB          0",
        "",
        "source         class  interface  refused   bytes    last",
        "192.0.2.7      bulk   eth0           2 k    2 MB  2s ago",
        "2001:db8::/64  bulk   eth0           900  900 kB  2s ago",
    ];
    assert_shows(&fake::sources(), &expected);
}

#[test]
fn where_no_class_has_a_limit_on_sources_that_is_said() {
    let mut sources = fake::sources();
    sources.classes.clear();
    assert_shows(
        &sources,
        &["no class has a limit on each source (`per-source`)"],
    );
}

#[test]
fn tables_show_how_full_they_are() {
    assert_shows(
        &crate::telemetry::samples::tables(),
        &[
            "table           used       of  full",
            "rule memory  4.09 kB  1.04 MB    0%",
            "rules              1    131 k    0%",
            "sources         60 k   65.5 k   91%",
            "",
            "cpu   flows  looked up  not known  flow cache",
            "  0  65.5 k        1 k         1%  in use",
        ],
    );
}

#[test]
fn events_are_a_line_each() {
    let event = |sequence, kind: &str, severity: &str| EventStatus {
        sequence,
        time: "2026-11-30T14:22:08.123Z".to_owned(),
        unix_milliseconds: 0,
        kind: kind.to_owned(),
        severity: severity.to_owned(),
        message: format!("number {sequence}\x1b"),
    };
    let mut list = EventList {
        version: 1,
        last_sequence: 9,
        missed_events: 7,
        events: vec![event(8, "notice", "warning"), event(9, "attached", "info")],
    };
    assert_shows(
        &list,
        &[
            "7 earlier events are no longer kept",
            "2026-11-30 14:22:08.123Z  notice          number 8\u{fffd}",
            "2026-11-30 14:22:08.123Z  attached        number 9\u{fffd}",
        ],
    );
    list.missed_events = 0;
    list.events.clear();
    assert_shows(&list, &["no events"]);
}
