//! Metrics of real traffic, read by a parser that is not ours, and events.

use std::net::UdpSocket;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use prometheus_parse::{Sample, Scrape, Value};
use stormbolt::api::documents::{Classes, Interfaces, Rules};
use stormbolt::lab::require_root;
use stormbolt::telemetry::documents::EventList;
use stormbolt_tests::e2e::{Daemon, Family, HOST, Lab, SENDERS, policy, until};

const PORT: u16 = 7001;
/// The code point of senders that understand marks (RFC 3168 section 5).
const ECT_0: i32 = 0b10;
const CLASSES: &str = "[class.voice]\nrate = \"1Mbit\"\nceil = \"1Mbit\"\n\n[class.bulk]\nper-source = \"50Mbit\"\n\n\
    [[rule]]\nname = \"sip calls\"\nprotocol = \"udp\"\ndst-port = 7001\nclass = \"voice\"\n\n\
    [[rule]]\nname = \"unused\"\nprotocol = \"tcp\"\naction = \"drop\"\n\n[default]\nclass = \"bulk\"\n";

/// The samples of one scrape.
struct Metrics(Vec<Sample>);

impl Metrics {
    fn scrape(daemon: &Daemon) -> Self {
        let text = daemon.client().text("/metrics");
        let text = text.expect("the daemon answers");
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).expect("the text is an exposition");
        Self(scrape.samples)
    }

    /// The value of the one sample with these labels.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has_labels = |sample: &&Sample| {
            let mut labels = labels.iter();
            labels.all(|(label, value)| sample.labels.get(label) == Some(value))
        };
        let named = self.0.iter().filter(|sample| sample.metric == name);
        let found: Vec<_> = named.filter(has_labels).collect();
        let [sample] = found.as_slice() else {
            panic!("{name} {labels:?}: {found:?}")
        };
        number(sample)
    }

    /// All counters, which never go down.
    fn counters(&self) -> impl Iterator<Item = &Sample> {
        self.0
            .iter()
            .filter(|sample| sample.metric.ends_with("_total"))
    }
}

fn number(sample: &Sample) -> f64 {
    match sample.value {
        Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => number,
        Value::Histogram(_) | Value::Summary(_) => panic!("{sample:?}"),
    }
}

/// Metrics and documents of a moment in which no packet came: the kernel has some of its own.
fn look_between_packets(daemon: &Daemon) -> (Metrics, Classes, Rules, Interfaces) {
    let shown = |what| daemon.cli(&["show", what, "-o", "json"]).json();
    let packets = |metrics: &Metrics| {
        let counters = metrics.counters();
        let counters = counters.filter(|sample| sample.metric.contains("_packets_"));
        counters.map(number).collect::<Vec<_>>()
    };
    let mut looked = None;
    until("no packet comes between two looks", || {
        let metrics = Metrics::scrape(daemon);
        let classes = serde_json::from_value(shown("classes")).expect("classes");
        let rules = serde_json::from_value(shown("rules")).expect("rules");
        let interfaces = serde_json::from_value(shown("interfaces")).expect("interfaces");
        let is_quiet = packets(&metrics) == packets(&Metrics::scrape(daemon));
        looked = Some((metrics, classes, rules, interfaces));
        is_quiet
    });
    looked.expect("a look at least")
}

fn same(metric: f64, document: u64) {
    let metric = format!("{metric:.0}");
    assert_eq!(metric, document.to_string());
}

#[test]
fn metrics_say_what_the_documents_say_and_counters_go_on_under_another_policy() {
    if !require_root("metrics_say_what_the_documents_say") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let sender = lab.send(Family::V4, PORT, 1000, 2000);
    until("the class drops", || {
        daemon.class("voice").dropped_packets > 100
    });
    drop(sender);
    until("the last packet has arrived", || {
        let before = daemon.outcome("over_rate");
        std::thread::sleep(Duration::from_millis(300));
        daemon.outcome("over_rate") == before
    });

    let (metrics, classes, rules, interfaces) = look_between_packets(&daemon);
    for class in &classes.classes {
        let labels = [("interface", "eth0"), ("class", class.name.as_str())];
        let value = |name: &str| metrics.value(&format!("stormbolt_class_{name}"), &labels);
        same(value("passed_packets_total"), class.passed_packets);
        same(value("passed_bytes_total"), class.passed_bytes);
        same(value("dropped_packets_total"), class.dropped_packets);
        same(value("dropped_bytes_total"), class.dropped_bytes);
        let offered = class.passed_bytes + class.dropped_bytes;
        same(value("offered_bytes_total"), offered);
        same(
            value("ceil_bytes_per_second") * 8.0,
            class.ceil_bits_per_second.0,
        );
    }
    assert_eq!(rules.rules[0].name, "sip calls");
    assert!(rules.rules[0].packets > 100, "{rules:?}");
    for rule in rules.rules.iter().chain(&rules.built_in) {
        let labels = [("rule", rule.name.as_str())];
        let value = metrics.value("stormbolt_rule_matched_packets_total", &labels);
        same(value, rule.packets);
    }
    for outcome in &interfaces.interfaces[0].outcomes {
        let labels = [("outcome", outcome.outcome.as_str())];
        if ["over_rate", "class_passed", "rule_dropped"].contains(&outcome.outcome.as_str()) {
            let value = metrics.value("stormbolt_interface_outcome_packets_total", &labels);
            same(value, outcome.packets);
        }
    }
    // Those of the policy, and the exemption of management traffic.
    same(
        metrics.value("stormbolt_table_used_entries", &[("table", "rules")]),
        2 + 1,
    );
    assert!(metrics.value("stormbolt_rule_memory_used_bytes", &[]) > 0.0);
    assert!(metrics.value("stormbolt_flow_cache_window_lookups", &[("cpu", "0")]) >= 0.0);

    let more = format!("[class.new]\n\n{CLASSES}");
    let file = daemon.folder().join("more.toml");
    std::fs::write(&file, policy(&more)).unwrap();
    daemon.cli(&["apply", file.to_str().unwrap()]).with_code(0);
    let after = Metrics::scrape(&daemon);
    for before in metrics.counters() {
        let same_sample =
            |now: &&Sample| now.metric == before.metric && now.labels == before.labels;
        let now = after.0.iter().find(same_sample);
        let now = now.unwrap_or_else(|| panic!("{before:?} is gone"));
        assert!(number(now) >= number(before), "{before:?} {now:?}");
    }
    same(
        after.value("stormbolt_policy_changes_total", &[("result", "applied")]),
        2,
    );
    assert!(
        after.value(
            "stormbolt_class_dropped_packets_total",
            &[("class", "voice")]
        ) > 100.0
    );

    let printed = daemon
        .cli(&["metrics", "--series", "1"])
        .with_code(0)
        .stdout;
    assert!(
        printed.contains("stormbolt_series_omitted{kind=\"class\"} 2\n"),
        "{printed}"
    );
    assert!(printed.contains("class=\"voice\""), "{printed}");
    assert!(printed.ends_with("# EOF\n"));
    daemon.cli(&["show", "tables"]).with_code(0);
}

#[test]
fn events_tell_of_a_silent_controller_and_of_refused_policies() {
    if !require_root("events_tell_of_a_silent_controller") {
        return;
    }
    let lab = Lab::new();
    let failsafe = "failsafe = \"guaranteed\"\nfailsafe-after = \"300ms\"\n\n[interface.eth0]";
    let text = policy(CLASSES).replace("\n[interface.eth0]", failsafe);
    let daemon = Daemon::start(&lab, &text);
    until("it ticks", || daemon.status().ticks > 2);
    daemon.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(900));
    daemon.signal(Signal::SIGCONT);

    let events = || -> EventList { daemon.client().get("/v1/events").unwrap() };
    let has = |kind: &str| events().events.iter().any(|event| event.kind == kind);
    until("the silence is told", || has("failsafe"));
    assert!(Metrics::scrape(&daemon).value("stormbolt_controller_silences_total", &[]) >= 1.0);

    std::fs::write(daemon.folder().join("policy.toml"), "version = 7\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    until("the refusal is told", || has("policy_refused"));
    let shown = daemon.cli(&["show", "events"]).with_code(0).stdout;
    for words in [
        "attached to eth0 in native mode",
        "generation 1 in force",
        "failsafe applied",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
    assert_eq!(events().missed_events, 0);
}

#[test]
fn packets_that_are_marked_instead_of_dropped_are_counted_by_class() {
    if !require_root("packets_that_are_marked_instead_of_dropped_are_counted_by_class") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    assert_eq!(daemon.class("voice").marked_packets, 0);
    let flood = || {
        let socket = UdpSocket::bind((SENDERS.0, 0)).unwrap();
        setsockopt(&socket, sockopt::Ipv4Tos, &ECT_0).unwrap();
        for _ in 0..2000 {
            // Nobody listens, which the kernel tells.
            socket.send_to(&[0; 1000], (HOST.0, PORT)).unwrap_or(0);
        }
    };
    lab.senders.run(flood).unwrap();

    let class = daemon.class("voice");
    assert!(class.marked_packets > 0, "{class:?}");
    // What passes beside those is not marked.
    assert!(class.ahead_packets >= class.marked_packets, "{class:?}");
    assert!(class.passed_packets >= class.ahead_packets, "{class:?}");
    let labels = [("interface", "eth0"), ("class", "voice")];
    let marked = Metrics::scrape(&daemon);
    let marked = marked.value("stormbolt_class_marked_packets_total", &labels);
    same(marked, class.marked_packets);

    // Another class that gets the same number in the tables has none of it.
    let other = policy(&CLASSES.replace("voice", "calls"));
    std::fs::write(daemon.folder().join("policy.toml"), other).unwrap();
    daemon.cli(&["reload"]).with_code(0);
    let class = daemon.class("calls");
    assert_eq!((class.ahead_packets, class.marked_packets), (0, 0));
}
