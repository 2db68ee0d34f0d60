//! `stormbolt demo`: the main job, shown on real traffic in a lab on this machine.
//!
//! Four phases over one link: everybody fits; bulk traffic floods; the policy is changed meanwhile;
//! the same flood without StormBolt. The daemon is the real one, a child process that is told what
//! to do over its API; the traffic goes through sockets, and the flood is live frames. Everything
//! lives in anonymous namespaces and a temporary folder, so nothing outlasts the process.

mod daemon;
mod flood;
mod interrupt;
mod measure;
mod phase;
mod policies;
mod report;
mod scene;
mod view;

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use interrupt::Interrupt;
use phase::Stage;
pub use report::{Check, DemoReport, PhaseReport};
use scene::Scene;
use view::View;

/// How the demo is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long the four phases take together.
    pub duration: Duration,
    /// Prints one JSON document at the end and nothing else.
    pub json: bool,
    /// Whether a person looks at the output right now, so that tables are redrawn in place.
    pub terminal: bool,
    /// Whether colours are shown.
    pub colour: bool,
}

/// Runs the demo and returns whether the critical class kept its guarantee.
///
/// # Errors
/// The lab cannot be built (not root), the daemon fails, or the demo is interrupted.
pub fn run(options: Options, out: &mut dyn Write) -> anyhow::Result<bool> {
    let interrupt = Interrupt::listen().context("cannot listen for signals")?;
    let mut view = View::new(options, out);
    view.say("Building a lab: two network namespaces, one link, and traffic on it.")?;
    let mut scene = Scene::build()?;
    let phase_time = options.duration / 4;
    let mut phases = Vec::new();
    for stage in Stage::ALL {
        view.say(stage.title())?;
        stage.enter(&mut scene)?;
        phases.push(phase::run(
            stage, phase_time, &mut scene, &mut view, &interrupt,
        )?);
    }
    drop(scene);
    let report = DemoReport::of(phases);
    view.summary(&report)?;
    Ok(report.ok)
}
