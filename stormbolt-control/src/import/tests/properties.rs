//! No text makes a reader panic, and every line that it reports exists.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::options;
use crate::import::{Imported, Options, classbench, iptables, nft};

type Read = fn(&str, &Options) -> Imported;

const FORMATS: [(Read, &str); 3] = [
    (classbench, include_str!("samples/filters.txt")),
    (iptables, include_str!("samples/saved.iptables")),
    (nft, include_str!("samples/ruleset.nft")),
];

/// Pieces that mean something in one of the formats.
const PIECES: &[&str] = &[
    "{",
    "}",
    ";",
    "\n",
    "\"",
    "\\",
    ",",
    "!",
    "!=",
    " ",
    "-",
    "@",
    "@office",
    "/",
    ":",
    "#",
    "table inet x {",
    "chain y {",
    "set z {",
    "elements = {",
    "0x",
    "0xffff",
    "65536",
    "::/0",
    "0.0.0.0/0",
    "255.255.255.255-0.0.0.0",
    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "-j ",
    "-A INPUT ",
    "-A services ",
    "-j services",
    "! ",
    "--dport ",
    "-m length --length 46",
    "*filter",
    "COMMIT",
    "tcp flags & (",
    "th dport",
    "ip saddr ",
    "< ",
    "vlan id ",
    "ü",
    "\u{1b}",
    "\r",
];

fn mutated(sample: &'static str) -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), 0_usize..12, select(PIECES));
    vec(edit, 1..8).prop_map(move |edits| {
        let mut characters: Vec<char> = sample.chars().collect();
        for (at, removed, piece) in edits {
            let at = at.index(characters.len());
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

fn is_harmless(read: Read, text: &str) {
    let imported = read(text, &options());
    let lines = text.lines().count();
    for finding in &imported.findings {
        assert!(
            finding.line <= lines && !finding.reason.is_empty(),
            "{finding:?}"
        );
    }
    let policy = &imported.policy;
    assert!(!policy.interfaces.is_empty() && policy.default_class < policy.classes.len());
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        for (read, _) in FORMATS {
            is_harmless(read, &text);
        }
    }

    #[test]
    fn pieces_of_the_formats_in_any_order_are_read(pieces in vec(select(PIECES), 0..40)) {
        for (read, _) in FORMATS {
            is_harmless(read, &pieces.concat());
        }
    }

    #[test]
    fn mutated_filters_are_read(text in mutated(FORMATS[0].1)) {
        is_harmless(classbench, &text);
    }

    #[test]
    fn mutated_output_of_iptables_is_read(text in mutated(FORMATS[1].1)) {
        is_harmless(iptables, &text);
    }

    #[test]
    fn mutated_output_of_nft_is_read(text in mutated(FORMATS[2].1)) {
        is_harmless(nft, &text);
    }
}
