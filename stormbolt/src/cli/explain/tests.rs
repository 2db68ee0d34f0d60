//! Questions out of options, and answers as text.

use clap::Parser;

use super::{Args, answer, question};
use crate::api::explanation::{
    Explanation, FailedField, FailedFirst, Headroom, MatchedRule, NearMiss, NotClassified,
    PacketValues, Place, Question, Steering, Word,
};
use crate::cli::Style;
use crate::cli::exit::UsageError;
use stormbolt_control::units::BitsPerSecond;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn asked(options: &str) -> anyhow::Result<Question> {
    let words = ["explain"].into_iter().chain(options.split_whitespace());
    question::of(&Command::try_parse_from(words)?.args)
}

/// A rule in front of a match.
fn miss(position: usize, failed: &[(&str, &str, &str)]) -> NearMiss {
    let failed = failed.iter().map(|(field, wants, has)| FailedField {
        field: (*field).to_owned(),
        wants: (*wants).to_owned(),
        has: (*has).to_owned(),
    });
    NearMiss {
        position,
        name: format!("rule {position}"),
        action: "bulk".to_owned(),
        failed: failed.collect(),
    }
}

fn by_rule() -> Explanation {
    Explanation {
        generation: 7,
        interface: "eth0".to_owned(),
        packet: Some(PacketValues {
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            protocol: 6,
            src_port: Some(49_152),
            dst_port: Some(443),
            dscp: 0,
            vlan: Some(12),
            tcp_flags: Some("syn".to_owned()),
            icmp_type: None,
            fragment: Place::No,
            length_bytes: 60,
        }),
        decided_by: "rule".to_owned(),
        rule: Some(MatchedRule {
            position: 17,
            name: "games".to_owned(),
            matches: "dst-port=443".to_owned(),
        }),
        action: "class".to_owned(),
        class: Some("voice".to_owned()),
        rules_before: 16,
        near_misses: vec![
            miss(3, &[("dst-port", "80", "443")]),
            miss(1, &[("src", "@office", "10.0.0.1"), ("vlan", "7", "12")]),
        ],
        others: vec![
            FailedFirst {
                field: "src".to_owned(),
                rules: 10,
            },
            FailedFirst {
                field: "protocol".to_owned(),
                rules: 4,
            },
        ],
        per_source_bits_per_second: Some(BitsPerSecond(50_000_000)),
        headroom: Some(Headroom {
            rate_bits_per_second: BitsPerSecond(500_000_000),
            passed_bits_per_second: BitsPerSecond(200_000_000),
            left_bits_per_second: BitsPerSecond(300_000_000),
            bucket_bytes: 600_000,
            burst_bytes: 1_250_000,
            leased_bytes: 3_000,
            passes_now: true,
        }),
        steering: Some(Steering {
            cpus: vec![2, 3],
            cpu: Some(3),
        }),
        ..Explanation::default()
    }
}

#[test]
fn the_answer_begins_with_the_verdict_and_says_why() {
    let expected = "\
rule 17 `games` → class voice

packet    10.0.0.1:49152 → 10.0.0.2:443, tcp syn, dscp 0, vlan 12, 60 bytes, on eth0, generation 7
matches   dst-port=443
why       it accepts the packet in every field; none of the 16 rules before it does
          #  closest  action  failed on  wants    has
          3  rule 3   bulk    dst-port   80       443
          1  rule 1   bulk    src        @office  10.0.0.1
                              vlan       7        12
          14 other rules, by the first field that failed: src 10, protocol 4
source    50Mbit at most (`stormbolt show sources`)
headroom  300Mbit of 500Mbit left, the bucket has 600 kB of 1.25 MB (3 kB more with the CPUs): \
this packet would pass now
cpu       3, of 2-3
";
    assert_eq!(answer::text(&by_rule(), Style::default()), expected);
}

#[test]
fn what_no_rule_takes_and_what_is_not_classified_is_said_so() {
    let first = |answer: &Explanation| {
        let text = answer::text(answer, Style::default());
        text.lines().next().unwrap().to_owned()
    };
    let by_default = Explanation {
        decided_by: "default".to_owned(),
        rule: None,
        ..by_rule()
    };
    assert_eq!(first(&by_default), "no rule matches → default class voice");
    let malformed = Explanation {
        decided_by: "none".to_owned(),
        action: "drop".to_owned(),
        not_classified: Some(NotClassified {
            outcome: "truncated".to_owned(),
            meaning: "a header claims more bytes than the frame has".to_owned(),
        }),
        frame: "00".repeat(14),
        ..Explanation::default()
    };
    assert_eq!(
        first(&malformed),
        "not classified (truncated): a header claims more bytes than the frame has → dropped"
    );
    let text = answer::text(&malformed, Style::default());
    assert!(!text.contains("why") && text.contains("14 bytes"), "{text}");
}

#[test]
fn a_disagreement_is_told_right_behind_the_verdict_and_names_cannot_command_a_terminal() {
    let mut wrong = by_rule();
    wrong.disagreement = Some("the loaded program finds no rule".to_owned());
    wrong.near_misses[0].name = "\u{1b}[2J".to_owned();
    let text = answer::text(&wrong, Style::default());
    let second = text.lines().nth(1).unwrap();
    assert_eq!(second, "BUG: the loaded program finds no rule");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn options_become_a_question() {
    let asked = asked(
        "-i eth0 --src 10.0.0.1 --dst 10.0.0.2 --protocol udp --dst-port 53 --dscp ef --length 100",
    )
    .unwrap();
    let expected = Question {
        interface: Some("eth0".to_owned()),
        src: "10.0.0.1".parse().ok(),
        dst: "10.0.0.2".parse().ok(),
        protocol: Some(Word::Name("udp".to_owned())),
        dst_port: Some(53),
        dscp: Some(Word::Name("ef".to_owned())),
        length_bytes: Some(100),
        limit: Some(10),
        ..Question::default()
    };
    assert_eq!(asked, expected);
}

#[test]
fn a_contradiction_names_the_option() {
    let base = "--src 10.0.0.1 --dst 10.0.0.2";
    for (options, expected) in [
        ("--protocol icmp --src-port 5", "--src-port: icmp packets"),
        ("--dst-port 5 --length 20", "--length: 20 bytes"),
        ("--protocol udp", "--dst-port: is missing"),
        ("--dst-port 5 --tcp-flags sin", "--tcp-flags: `sin`"),
        ("--dst-port 5 --limit 1001", "--limit: 1000"),
        ("--icmp-type echo", "--icmp-type: `echo`"),
    ] {
        let error = asked(&format!("{base} {options}")).unwrap_err();
        assert!(error.is::<UsageError>(), "{error:?}");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    for options in [
        "--src 10.0.0.1",
        "--frame /dev/null --src 10.0.0.1",
        "--src x",
    ] {
        let error = asked(options).unwrap_err();
        assert!(error.is::<clap::Error>(), "{options}: {error}");
    }
}

#[test]
fn a_frame_in_a_file_is_digits_or_bytes() {
    let bytes: Vec<u8> = (0..60).collect();
    let text = crate::explain::hex(&bytes);
    let spaced = format!("{}\n {}\n", &text[..20], &text[20..]);
    for given in [&bytes[..], text.as_bytes(), spaced.as_bytes()] {
        assert_eq!(question::digits(given).unwrap(), text);
    }
    let error = question::digits(b"not a frame").unwrap_err();
    assert_eq!(error.to_string(), "--frame: `n` is not a hexadecimal digit");
}
