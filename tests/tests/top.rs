//! `stormbolt top` on a terminal, over a real daemon.

use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, Lab, Terminal, policy, stormbolt, until};

const PORT: u16 = 7001;

#[test]
fn top_follows_the_traffic_obeys_keys_and_leaves_the_terminal_as_it_was() {
    if !require_root("top_follows_the_traffic") {
        return;
    }
    let lab = Lab::new();
    let classes = "[class.bulk]\nceil = \"1Mbit\"\n\n[default]\nclass = \"bulk\"\n";
    let mut daemon = Daemon::start(&lab, &policy(classes));
    let refused = daemon.cli(&["top"]).with_code(2);
    assert!(refused.stderr.contains("needs a terminal"), "{refused:?}");

    let _sender = lab.send(Family::V4, PORT, 1000, 1000);
    let socket = daemon.socket();
    let arguments = [
        "--socket",
        socket.to_str().unwrap(),
        "top",
        "--every",
        "0.2",
    ];
    let top = || Terminal::run(stormbolt(), &arguments);
    let mut terminal = top();
    for words in [
        "generation 1",
        "eth0",
        "native",
        "attached to eth0",
        "sort (by policy)",
    ] {
        terminal.until_shown(words);
    }
    // Eight times what may pass: the bar is full, and the sparkline behind it is not empty.
    until("the class is full", || {
        let screen = terminal.screen();
        let bulk = screen.lines().find(|line| line.starts_with("bulk"));
        bulk.is_some_and(|bulk| bulk.contains("██████████") && bulk.trim_end().ends_with('█'))
    });
    terminal.press("s");
    terminal.until_shown("sort (by offered)");
    terminal.press("p");
    terminal.until_shown("paused");
    terminal.press("q");
    assert_eq!(terminal.wait().code(), Some(0));
    until("the terminal is restored", || terminal.is_restored());

    let mut terminal = top();
    terminal.until_shown("bulk");
    // Ctrl-C, which the terminal does not turn into a signal meanwhile.
    terminal.press("\u{3}");
    assert_eq!(terminal.wait().code(), Some(0));
    until("the terminal is restored", || terminal.is_restored());

    let mut terminal = top();
    terminal.until_shown("bulk");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.wait();
    terminal.until_shown("the daemon is not reachable");
    terminal.press("q");
    assert_eq!(terminal.wait().code(), Some(0));
}
