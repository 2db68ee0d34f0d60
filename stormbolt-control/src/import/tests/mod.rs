//! Rule sets in, policies and findings out. That the policies are valid as files is tested where
//! files are written.

mod classbench;
mod iptables;
mod nft;
mod properties;

use super::{FindingKind, Imported, Options};
use crate::units::BitsPerSecond;

fn options() -> Options {
    Options {
        interfaces: Vec::new(),
        capacity: BitsPerSecond(1_000_000_000),
        classes: vec!["imported".to_owned()],
        default_class: "default".to_owned(),
        chains: Vec::new(),
    }
}

/// Lines that were not translated, and why.
fn untranslated(imported: &Imported) -> Vec<(usize, &str)> {
    let findings = imported.findings.iter();
    findings
        .filter(|finding| finding.kind == FindingKind::Untranslated)
        .map(|finding| (finding.line, finding.reason.as_str()))
        .collect()
}

/// Lines with notes.
fn noted(imported: &Imported) -> Vec<usize> {
    let findings = imported.findings.iter();
    findings
        .filter(|finding| finding.kind == FindingKind::Note)
        .map(|finding| finding.line)
        .collect()
}

fn texts(prefixes: &[ipnet::IpNet]) -> Vec<String> {
    prefixes.iter().map(ToString::to_string).collect()
}
