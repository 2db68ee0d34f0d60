//! The benchmark `rate`: how exactly classes are held to their rates, and what that costs a packet.

mod classes;
mod stage;
mod tcp;
mod udp;

use anyhow::Result;

use crate::run::{Benchmark, Run};

/// Measures rates and the policer.
pub const RATE: Benchmark = Benchmark::new("rate", measure);

fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    stage::measure(run)?;
    classes::measure(run)?;
    udp::measure(run)?;
    tcp::measure(run)
}
