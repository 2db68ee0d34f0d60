//! The messages about typical mistakes in the document, its interfaces and classes, word by word.

use super::{around, found, one};
use crate::config::{Finding, PolicyError, Severity, parse, render};

/// The finding about a class `a` that holds `fields`, from line 11 on.
fn class(fields: &str) -> String {
    one(&format!("[[rule]]\nclass = \"a\"\n[class.a]\n{fields}\n"))
}

fn failure(extra: &str) -> PolicyError {
    parse("policy.toml", &around(extra)).unwrap_err()
}

#[test]
fn another_version_is_refused_alone_and_a_missing_one_with_the_rest() {
    assert_eq!(
        found("version = 2\njunk = 1\n"),
        ["1:11: error: version 2 is not supported; this StormBolt reads `version = 1` [2]"]
    );
    let version = "the version of the format is missing; this StormBolt reads `version = 1`";
    let interface = "no interface is configured: nothing is managed; write `[interface.eth0]` with \
                     `capacity = \"10Gbit\"`";
    let default = "the default class is missing; write `[default]` with `class = \"NAME\"`: the \
                   class of packets that no rule matches";
    let expected = [
        format!("1:1: error: {version} []"),
        format!("1:1: warning: {interface} []"),
        format!("1:1: error: {default} []"),
    ];
    assert_eq!(found(""), expected);
}

#[test]
fn syntax_errors_point_at_the_place_and_end_the_check() {
    assert_eq!(
        one("[a\nb = 1\n"),
        "8:3: error: not TOML: unclosed table, expected `]` []"
    );
    let duplicate = one("[class.bulk]\n");
    assert!(
        duplicate.starts_with("8:8: error: not TOML: duplicate key; "),
        "{duplicate}"
    );
}

#[test]
fn unknown_keys_are_shown_with_what_was_probably_meant() {
    assert_eq!(
        class("prioritty = 1"),
        "11:1: error: unknown key `prioritty` in `[class.a]`; did you mean `priority`? [prioritty]"
    );
    assert_eq!(
        class("quantum = 1"),
        "11:1: error: unknown key `quantum` in `[class.a]`; the keys here are priority, rate, \
         ceil, burst, weight, cpus, ecn, retransmit-ahead, dscp, packet-rate, shadow, per-source, per-source-burst, per-source-ipv4-prefix, per-source-ipv6-prefix, group [quantum]"
    );
    assert_eq!(
        one("[sets.office]\n"),
        "8:2: error: unknown key `sets` at the top level; did you mean `set`? [sets]"
    );
    assert_eq!(
        found(&around("[set.a]\nurl = \"x\"\n")),
        [
            "8:6: error: set `a` has neither `prefixes` nor a `file`; write `prefixes = \
             [\"192.0.2.0/24\"]` [a]",
            "9:1: error: unknown key `url` in `[set.a]`; the keys here are prefixes, file [url]",
        ]
    );
}

#[test]
fn names_with_dots_and_the_wrong_kind_of_table_are_explained() {
    assert_eq!(
        one("[interface.eth0.100]\n"),
        "8:17: error: unknown key `100` in `[interface.eth0]`; a name with dots stands in quotes: \
         `[interface.\"eth0.100\"]` [100]"
    );
    assert_eq!(
        one("[rule]\nclass = \"bulk\"\n"),
        "8:2: error: `rule` must be a list of tables, not a table; write `[[rule]]`, with two \
         brackets, for each rule [rule]"
    );
}

#[test]
fn interfaces_need_a_name_that_linux_takes_and_a_capacity_with_a_unit() {
    assert_eq!(
        one("[interface.eth1]\n"),
        "8:12: error: interface `eth1` has no `capacity`; write what the link carries: \
         `capacity = \"10Gbit\"` [eth1]"
    );
    assert_eq!(
        one("[interface.eth1]\ncapacity = 1000\n"),
        "9:12: error: `capacity` has no unit; write a rate in quotes, like \"500Mbit\" [1000]"
    );
    assert_eq!(
        one("[interface.eth1]\ncapacity = \"1Tbit\"\n"),
        "9:12: error: `capacity` of 1Tbit is out of bounds; rates are from 8kbit to 400Gbit \
         [\"1Tbit\"]"
    );
    assert_eq!(
        one("[interface.eth1]\ncapacity = \"1Gbit\"\nmode = \"nativ\"\n"),
        "10:8: error: `mode` cannot be `nativ`; did you mean `native`? [\"nativ\"]"
    );
    let then = "[interface.eth1]\ncapacity = \"1Gbit\"\nthen = ";
    let help = "name the pin of the XDP program that gets the packets which pass: `then = \"/sys/fs/bpf/stormbolt/other\"`";
    for (given, fault) in [
        ("\"stormbolt/other\"", "must be an absolute path"),
        ("\"\"", "must be an absolute path"),
        (
            "\"/sys/fs/bpf/\"",
            "must be the path of a pinned program, not of a directory",
        ),
        ("\"/a\\u0000b\"", "contains control characters"),
    ] {
        let message = one(&format!("{then}{given}\n"));
        let expected = format!("10:8: error: `then` {fault}; {help} [{given}]");
        assert_eq!(message, expected);
    }
    assert_eq!(
        one(&format!("{then}7\n")),
        "10:8: error: `then` must be a string; put it into quotes [7]"
    );
    for name in ["sixteen-byte-ifs", "a/b", "a b", ".", "..", "a:b", ""] {
        let message = one(&format!("[interface.\"{name}\"]\ncapacity = \"1Gbit\"\n"));
        assert!(
            message.contains("cannot be the name of an interface"),
            "{message}"
        );
    }
}

#[test]
fn the_interval_is_a_time_within_bounds() {
    assert_eq!(
        one("[controller]\ninterval = 100\n"),
        "9:12: error: `interval` has no unit; write a time in quotes, like \"100ms\" [100]"
    );
    assert_eq!(
        one("[controller]\ninterval = \"1ms\"\n"),
        "9:12: error: interval `1ms` is out of bounds; it is from 10ms to 10s [\"1ms\"]"
    );
}

#[test]
fn the_failsafe_is_a_word_and_waits_for_three_intervals() {
    assert_eq!(
        one("[controller]\nfailsafe = \"closed\"\n"),
        "9:12: error: `failsafe` cannot be `closed`; it is one of \"hold\", \"guaranteed\", \"open\" [\"closed\"]"
    );
    assert_eq!(
        one("[controller]\nfailsafe-after = \"50ms\"\n"),
        "9:18: error: failsafe-after `50ms` is out of bounds; it is from 100ms to 1h [\"50ms\"]"
    );
    assert_eq!(
        one("[controller]\ninterval = \"1s\"\nfailsafe-after = \"2s\"\n"),
        "10:18: error: failsafe-after `2s` is less than three intervals; with an interval of 1s it is at least 3s [\"2s\"]"
    );
}

#[test]
fn table_memory_is_a_size_within_bounds() {
    assert_eq!(
        one("[tables]\nmemory = 100\n"),
        "9:10: error: `memory` has no unit; write a size in quotes, like \"256MiB\" [100]"
    );
    assert_eq!(
        one("[tables]\nmemory = \"63KiB\"\n"),
        "9:10: error: table memory `63KiB` is out of bounds; it is from 64KiB to 256MiB [\"63KiB\"]"
    );
    assert_eq!(
        one("[tables]\nmemroy = \"64KiB\"\n"),
        "9:1: error: unknown key `memroy` in `[tables]`; did you mean `memory`? [memroy]"
    );
}

#[test]
fn flows_are_none_or_a_power_of_two_within_bounds() {
    for (given, help) in [
        ("1", "write 256, or 0 to remember no flows"),
        ("128", "write 256, or 0 to remember no flows"),
        ("257", "write 256 or 512"),
        ("1_000_000", "write 524288 or 1048576"),
        ("1048577", "write 1048576, the most that is possible"),
        ("2097152", "write 1048576, the most that is possible"),
        ("4294967296", "write 1048576, the most that is possible"),
        ("-256", "write 0 to remember no flows"),
        (
            "\"4096\"",
            "write a number without unit and quotes, like 65536",
        ),
        (
            "\"64KiB\"",
            "write a number without unit and quotes, like 65536",
        ),
        ("4096.0", "write an integer, like 65536"),
        ("99999999999999999999", "write an integer, like 65536"),
        ("false", "write 0 to remember no flows"),
        ("true", "write an integer, like 65536"),
    ] {
        let expected = format!(
            "9:9: error: `flows` must be 0 or a power of two from 256 to 1048576; {help} [{given}]"
        );
        assert_eq!(one(&format!("[tables]\nflows = {given}\n")), expected);
    }
    assert_eq!(
        one("[tables]\nflows = [256]\n"),
        "9:9: error: `flows` cannot be a list [[256]]"
    );
    assert_eq!(
        one("[tables]\nflwos = 256\n"),
        "9:1: error: unknown key `flwos` in `[tables]`; did you mean `flows`? [flwos]"
    );
    assert_eq!(
        one("[tables]\nsize = 256\n"),
        "9:1: error: unknown key `size` in `[tables]`; the keys here are memory, flows, sources, classes, interfaces [size]"
    );
}

#[test]
fn room_for_classes_and_interfaces_is_a_number_within_bounds() {
    assert_eq!(
        one("[tables]\nclasses = 0\n"),
        "9:11: error: `classes` must be an integer from 1 to 131072 [0]"
    );
    assert_eq!(
        one("[tables]\ninterfaces = \"two\"\n"),
        "9:14: error: `interfaces` must be an integer from 1 to 16 [\"two\"]"
    );
    let policy = parse(
        "policy.toml",
        &around("[tables]\nclasses = 100_000\ninterfaces = 1\n"),
    );
    let tables = policy.unwrap().policy.tables;
    assert_eq!(
        (tables.classes, tables.interfaces),
        (Some(100_000), Some(1))
    );
}

#[test]
fn each_size_of_the_tables_is_what_the_policy_says_or_left_to_the_daemon() {
    let sizes = |tables: &str| {
        let policy = parse("policy.toml", &around(tables)).unwrap().policy;
        (policy.tables.memory, policy.tables.flows)
    };
    assert_eq!(sizes(""), (None, None));
    assert_eq!(sizes("[tables]\n"), (None, None));
    assert_eq!(sizes("[tables]\nflows = 0\n"), (None, Some(0)));
    assert_eq!(sizes("[tables]\nflows = 256\n"), (None, Some(256)));
    assert_eq!(
        sizes("[tables]\nflows = 1_048_576\nmemory = \"64KiB\"\n"),
        (Some(65_536), Some(1_048_576))
    );
}

#[test]
fn rates_of_classes_are_checked_against_each_other_and_the_link() {
    assert_eq!(
        class("rate = \"10gbps\""),
        "11:8: error: `gbps` is not a unit of rates; tc means bytes by `bps`, others mean bits: \
         write `10Gbit` [\"10gbps\"]"
    );
    assert_eq!(
        class("rate = \"5Mbit\"\nceil = \"1Mbit\""),
        "11:8: error: the guaranteed `rate` of 5Mbit is above the `ceil` of 1Mbit [\"5Mbit\"]"
    );
    assert_eq!(
        class("rate = \"2Gbit\""),
        "11:8: error: class `a` is guaranteed 2Gbit, more than `eth0` carries [\"2Gbit\"]"
    );
    assert_eq!(
        class("ceil = \"0bit\""),
        "11:8: error: a `ceil` of zero would drop every packet; to drop packets, write a rule with \
         `action = \"drop\"` [\"0bit\"]"
    );
    assert_eq!(
        class("ceil = \"4Gbit\""),
        "11:8: warning: the `ceil` of 4Gbit is above the capacity of every interface; it limits \
         nothing [\"4Gbit\"]"
    );
}

#[test]
fn the_other_fields_of_classes_are_checked() {
    assert_eq!(
        class("burst = \"1B\""),
        "11:9: error: burst `1B` lasts 8ns at 1Gbit: out of bounds; it is from 1ms to 10s; write \
         it as a time, like \"20ms\" [\"1B\"]"
    );
    assert_eq!(
        class("weight = 0"),
        "11:10: error: `weight` must be an integer from 1 to 1000 [0]"
    );
    assert_eq!(
        class("priority = 8"),
        "11:12: error: `priority` must be an integer from 0 to 7 [8]"
    );
    assert_eq!(
        class("cpus = \"0-1,x\""),
        "11:8: error: `x` is not a valid CPU; write CPU numbers like \"0-1,3\" [\"0-1,x\"]"
    );
    assert_eq!(
        class("cpus = 1024"),
        "11:8: error: CPU `1024` is not an integer from 0 to 1023 [1024]"
    );
    assert_eq!(
        found(&around("[class.\"a b\"]\n")),
        [
            "8:8: error: `a b` cannot be the name of a class; names have 1 to 63 of the characters \
          A-Z a-z 0-9 _ . - [\"a b\"]"
        ]
    );
}

const TOO_MUCH: &str = "[class.a]\nrate = \"600Mbit\"\n[class.b]\nrate = \"500Mbit\"\nwight = 3\n";

#[test]
fn guarantees_above_the_link_are_shown_each_and_all_problems_at_once() {
    let expected = "\
policy.toml:3:12: error: the classes are guaranteed 1.1Gbit, but `eth0` carries 1Gbit
    capacity = \"1Gbit\"
               ^^^^^^^ the link
policy.toml:9:8: note: 600Mbit for `a`
    rate = \"600Mbit\"
           ^^^^^^^^^
policy.toml:11:8: note: 500Mbit for `b`
    rate = \"500Mbit\"
           ^^^^^^^^^
    help: the guarantees of all classes must fit each link: lower some of them
policy.toml:12:1: error: unknown key `wight` in `[class.b]`
    wight = 3
    ^^^^^ not a key
    help: did you mean `weight`?
policy.toml: 2 errors
";
    assert_eq!(render(&failure(TOO_MUCH), false), expected);
    assert_eq!(
        failure(TOO_MUCH).to_string(),
        "invalid policy `policy.toml`: 2 errors"
    );
}

#[test]
fn a_terminal_gets_frames_and_colours_and_a_log_gets_none() {
    let framed = render(&failure(TOO_MUCH), true);
    assert!(
        framed.contains("policy.toml:3:12") && framed.contains("500Mbit for `b`"),
        "{framed}"
    );
    assert!(
        framed.contains("\u{1b}[") && framed.contains('╭'),
        "{framed}"
    );
    assert!(!render(&failure(TOO_MUCH), false).contains('\u{1b}'));
}

#[test]
fn nothing_in_a_file_can_command_the_terminal() {
    for extra in [
        "[class.\"\\u001b[31m\"]\n",
        "# \u{1b}[31m\n",
        "[class.\u{9b}31m]\n",
    ] {
        let error = failure(extra);
        assert!(
            !render(&error, false).contains(['\u{1b}', '\u{9b}']),
            "{error}"
        );
        let findings = error.findings();
        assert!(!findings.is_empty());
        assert!(
            findings
                .iter()
                .all(|f| !f.message.contains('\u{1b}') && !f.text.contains('\u{1b}'))
        );
    }
}

#[test]
fn a_line_of_a_megabyte_is_cut_around_the_place() {
    let good = "\"192.0.2.1\", ".repeat(100_000);
    let error = failure(&format!("[set.a]\nprefixes = [{good}\"10.0.0.0/99\"]\n"));
    for colour in [false, true] {
        let text = render(&error, colour);
        assert!(text.len() < 1000 && text.contains("10.0.0.0/99"), "{text}");
    }
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let error = failure(&format!(
        "[set.a]\nprefixes = [{}]\n",
        "\"x\",".repeat(1000)
    ));
    assert_eq!(error.report().problems().len(), 200);
    assert_eq!(
        error.to_string(),
        "invalid policy `policy.toml`: 200 errors, 800 more not shown"
    );
}

#[test]
fn findings_survive_json() {
    let findings = failure(TOO_MUCH).findings();
    let json = serde_json::to_string(&findings).unwrap();
    assert!(json.contains("\"severity\":\"error\",\"message\":\"the classes are guaranteed"));
    assert_eq!(
        serde_json::from_str::<Vec<Finding>>(&json).unwrap(),
        findings
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
}

#[test]
fn what_a_class_does_with_its_packets_has_bounds() {
    let message = |line: &str| class(line);
    assert_eq!(
        message("ecn = \"yes\""),
        "11:7: error: `ecn` must be true or false, without quotes [\"yes\"]"
    );
    assert_eq!(
        message("retransmit-ahead = \"2s\""),
        "11:20: error: retransmit-ahead `2s` is out of bounds; it is from 0ms to 1s [\"2s\"]"
    );
    assert_eq!(
        message("packet-rate = 3"),
        "11:15: error: `packet-rate` must be an integer from 4 to 10000000 [3]"
    );
    assert!(message("dscp = 64").starts_with("11:8: error: "));
    assert!(message("dscp = \"eff\"").contains("ef"));
}

#[test]
fn keys_about_sources_need_a_rate_and_bounds() {
    let class = |keys: &str| one(&format!("[class.a]\n{keys}\n"));
    assert_eq!(
        class("per-source-burst = \"1s\""),
        "9:20: error: there is no `per-source` that this could be about; give each source a rate, like \
         `per-source = \"50Mbit\"` [\"1s\"]"
    );
    assert_eq!(
        class("per-source = \"1Mbit\"\nper-source-burst = \"5ms\""),
        "10:20: error: per-source-burst `5ms` is out of bounds; it is from 20ms to 10s [\"5ms\"]"
    );
    let rule = "[[rule]]\nprotocol = \"udp\"\nclass = \"a\"\n";
    let wide = format!("[class.a]\nceil = \"1Mbit\"\nper-source = \"1Mbit\"\n{rule}");
    assert_eq!(
        found(&around(&wide)),
        [
            "10:14: warning: each source may have 1Mbit, as much as the class itself; it limits nothing \
         [\"1Mbit\"]"
        ]
    );
    let each = |number: u32| format!("[class.c{number}]\nper-source = \"{}kbit\"\n", 100 + number);
    let many = one(&(1..=256).map(each).collect::<String>());
    assert!(
        many.contains("the classes have more than 255 different limits per source"),
        "{many}"
    );
    assert_eq!(
        class("per-source = \"1Mbit\"\nper-source-ipv4-prefix = 33"),
        "10:26: error: `per-source-ipv4-prefix` must be an integer from 1 to 32 [33]"
    );
}
