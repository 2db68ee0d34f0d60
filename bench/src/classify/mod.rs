//! The benchmark `classify`: what rules and sets of any size cost.

mod applying;
mod loading;
mod real_frames;
mod rules;
mod sets;

use anyhow::Result;
use xtask::rulesets::{Family, IpVersion};

use crate::run::{Benchmark, Run};

/// Measures what rules and sets of any size cost: a packet, and to apply.
pub const CLASSIFY: Benchmark = Benchmark::new("classify", measure);

fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    applying::measure(run)?;
    for version in [IpVersion::V4, IpVersion::V6] {
        for family in Family::ALL {
            rules::measure(run, family, version)?;
        }
    }
    for version in [IpVersion::V4, IpVersion::V6] {
        sets::measure(run, version)?;
    }
    real_frames::measure(run)
}
