//! Peers that more than one benchmark has beside it.

use anyhow::{Result, anyhow};
use xtask::rulesets::Header;

use crate::harness::XdpFilter;
use crate::rounds::Subject;
use crate::run::skipped;

/// The case of xdp-filter's program.
pub(crate) const XDP_FILTER: &str = "peer-xdp-filter";
/// Its rules, each for a source address.
const RULES: usize = 1000;

/// Puts xdp-filter beside the others, with rules for the sources of some of `headers`.
///
/// # Errors
/// It drops other packets than those from its sources.
pub(crate) fn add_xdp_filter(subject: &mut Subject, headers: &[Header]) -> Result<()> {
    let spread = headers.iter().step_by((headers.len() / RULES).max(1));
    let sources: Vec<_> = spread.take(RULES).map(|header| header.source).collect();
    match XdpFilter::load(&sources) {
        Ok(Some(filter)) => {
            let drops = headers.iter().filter(|one| sources.contains(&one.source));
            let drops = u64::try_from(drops.count())?;
            subject.add_peer(XDP_FILTER, filter.program(), drops)?;
        }
        Ok(None) => skipped(XDP_FILTER, &anyhow!("xdp-tools is not installed")),
        Err(error) => skipped(XDP_FILTER, &error),
    }
    Ok(())
}
