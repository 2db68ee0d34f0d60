//! One rule over a set of prefixes, beside the kernel's own prefix table.

use anyhow::Result;
use ipnet::IpNet;
use xtask::rulesets::{IpVersion, prefixes};

use super::loading;
use crate::harness::{KernelPrefixes, Loaded};
use crate::policies::{Then, of_set};
use crate::rounds::{self, Meets, OVER_EMPTY, Subject, TREES, WITH_POLICE};
use crate::run::{Run, preparing, skipped};
use crate::sources::{count_inside, half_inside};

/// The sizes of sets of prefixes, with how they are written.
const SIZES: [(&str, usize); 3] = [("1k", 1000), ("100k", 100_000), ("1m", 1_000_000)];

/// Measures sets of one IP version, all sizes in turn.
pub(super) fn measure(run: &mut Run<'_, '_>, version: IpVersion) -> Result<()> {
    let mut subjects = Vec::new();
    for (size, count) in SIZES {
        let (case, peer) = match version {
            IpVersion::V4 => (format!("set4-{size}"), format!("peer-lpm-{size}")),
            IpVersion::V6 => (format!("set6-{size}"), format!("peer-lpm6-{size}")),
        };
        let (itself, with_peer) = (run.wants(&case), run.wants(&peer));
        if !itself && !with_peer {
            continue;
        }
        preparing(&case);
        let set = prefixes(version, count, run.seed());
        let headers = half_inside(&set, version, run.seed());
        let inside = count_inside(&set, &headers);
        let mut subject = Subject::new(&headers, version)?;
        if itself {
            match load(run, &case, &set) {
                Ok([passing, policing]) => {
                    let meets = Meets::First(inside);
                    subject.add(&case, passing, &[OVER_EMPTY, TREES], meets)?;
                    subject.add(&case, policing, &[WITH_POLICE], meets)?;
                }
                Err(error) => skipped(&case, &error),
            }
        }
        if with_peer {
            let table = KernelPrefixes::load(&set, version)?;
            subject.add_peer(&peer, table.program(), inside)?;
        }
        subjects.push(subject);
    }
    rounds::measure(run, &mut subjects)
}

/// Loads the set under a rule that passes and under one that polices.
fn load(run: &mut Run<'_, '_>, case: &str, set: &[IpNet]) -> Result<[Loaded; 2]> {
    let none = of_set(&[], Then::Pass, Then::Pass);
    let passing = loading::measure(run, case, none, of_set(set, Then::Pass, Then::Pass))?;
    let policing = Loaded::start(of_set(set, Then::Police, Then::Police))?;
    Ok([passing, policing])
}
