//! Limits on each source, with real packets: each source gets its own rate, and who sends too much is shown.

use stormbolt::api::documents::Sources;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, Lab, assert_rate_is_held, policy, until};

const PORT: u16 = 7001;
const PAYLOAD: usize = 1000;

#[test]
fn each_source_gets_its_own_rate_and_the_one_that_sends_too_much_is_shown() {
    if !require_root("each_source_gets_its_own_rate") {
        return;
    }
    let lab = Lab::new();
    let rules = "[class.users]\nper-source = \"10Mbit\"\n\n[default]\nclass = \"users\"\n";
    let daemon = Daemon::start(&lab, &policy(rules));
    daemon.cli(&["show", "sources"]).with_code(0);
    let _receivers = Family::BOTH.map(|family| lab.receive(family, &[PORT]));
    // 24 and 5 Mbit/s.
    let greedy = lab.send(Family::V4, PORT, PAYLOAD, 2_900);
    let modest = lab.send(Family::V6, PORT, PAYLOAD, 588);
    let modest_bits = 588 * Family::V6.layer2_bytes(PAYLOAD) * 8;
    assert_rate_is_held(
        &daemon,
        "users",
        10_000_000 + modest_bits,
        &[&greedy, &modest],
    );

    until("the refusals are counted", || {
        daemon.outcome("over_source_rate") > 1_000
    });
    let sources: Sources = daemon.client().get("/v1/sources").unwrap();
    let [class] = sources.classes.as_slice() else {
        panic!("{sources:?}")
    };
    assert_eq!(
        (class.class.as_str(), class.displaced_sources),
        ("users", 0)
    );
    let [source] = sources.sources.as_slice() else {
        panic!("{sources:?}")
    };
    assert_eq!(source.source, Family::V4.sender().to_string());
    assert!(source.last_refused_seconds_ago <= 2, "{source:?}");
    // They are read one after the other, while packets come.
    until("both have counted as much", || {
        let sources: Sources = daemon.client().get("/v1/sources").unwrap();
        let counted = (sources.classes.first(), sources.sources.first());
        matches!(counted, (Some(class), Some(source)) if class.refused_packets == source.refused_packets)
    });
    // What a source is refused is not dropped by the class, nor taken for its demand.
    let users = daemon.class("users");
    assert_eq!(users.dropped_packets, 0);
    assert!(users.offered_bits_per_second.0 < 17_000_000, "{users:?}");
    let shown = daemon.cli(&["show", "sources"]).with_code(0);
    assert!(shown.stdout.contains(&source.source), "{}", shown.stdout);

    // Refusals stop when the limit is lifted, and the class is no longer shown.
    let lifted = daemon.folder().join("lifted.toml");
    std::fs::write(
        &lifted,
        policy("[class.users]\n\n[default]\nclass = \"users\"\n"),
    )
    .unwrap();
    daemon
        .cli(&["apply", lifted.to_str().unwrap()])
        .with_code(0);
    let refused = daemon.outcome("over_source_rate");
    until("the class passes all", || {
        daemon.class("users").offered_bits_per_second.0 > 25_000_000
    });
    assert_eq!(daemon.outcome("over_source_rate"), refused);
    let sources: Sources = daemon.client().get("/v1/sources").unwrap();
    assert_eq!((sources.classes.len(), sources.sources.len()), (0, 0));
}
