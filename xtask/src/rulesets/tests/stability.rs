//! That a seed means the same for ever.

use std::fmt::Display;

use sha2::{Digest as _, Sha256};

use super::{distinct, kinds};
use crate::rulesets::{Family, IpVersion, Pareto, filters, headers, prefixes, skewed_headers};

#[test]
fn a_seed_gives_the_same_filters_in_every_release_and_on_every_platform() {
    let expected = [
        ("acl", "4", "5654013d3c3299f3"),
        ("acl", "6", "e5b0daf82435450f"),
        ("fw", "4", "aacb2313fd8030de"),
        ("fw", "6", "0fa4af20d9d1e90a"),
        ("ipc", "4", "d0b36d6feffea817"),
        ("ipc", "6", "83f36cb3e7ba92a6"),
    ];
    let found = expected.map(|(family, version, _)| {
        let set = filters(family.parse().unwrap(), version.parse().unwrap(), 1000, 7);
        (family, version, digest(&set))
    });
    assert_eq!(
        found.each_ref().map(|(f, v, d)| (*f, *v, d.as_str())),
        expected
    );
}

#[test]
fn a_seed_gives_the_same_headers_and_prefixes_in_every_release_and_on_every_platform() {
    let set = filters(Family::Fw, IpVersion::V4, 100, 7);
    let found = [
        digest(&headers(&set, 1000, 7)),
        digest(&skewed_headers(&set, 1000, 7, Pareto::High)),
        digest(&prefixes(IpVersion::V4, 1000, 7)),
        digest(&prefixes(IpVersion::V6, 1000, 7)),
    ];
    let expected = [
        "2e3b64eebad091af",
        "46a604105a1aba83",
        "c7b29d45e700a7ec",
        "189ecaf407e73d58",
    ];
    assert_eq!(found, expected);
}

#[test]
fn another_seed_or_family_gives_other_filters() {
    let sets = kinds().map(|(family, version, seed)| digest(&filters(family, version, 100, seed)));
    assert_eq!(distinct(sets), kinds().count());
}

fn digest(lines: &[impl Display]) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(format!("{line}\n"));
    }
    format!("{:x}", hash.finalize())[..16].to_owned()
}
