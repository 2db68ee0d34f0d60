//! The four phases.

use std::io;
use std::time::Duration;

use anyhow::Context;

use super::interrupt::Interrupt;
use super::measure::Reading;
use super::policies;
use super::report::PhaseReport;
use super::scene::Scene;
use super::view::View;
use crate::lab::clock::now_ns;

/// How often the tables are redrawn.
const REFRESH: Duration = Duration::from_millis(500);

/// A phase of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    EverybodyFits,
    Flood,
    PolicyChanged,
    Detached,
}

impl Stage {
    pub(super) const ALL: [Self; 4] = [
        Self::EverybodyFits,
        Self::Flood,
        Self::PolicyChanged,
        Self::Detached,
    ];

    /// The phase's name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::EverybodyFits => "everybody-fits",
            Self::Flood => "flood",
            Self::PolicyChanged => "policy-changed",
            Self::Detached => "detached",
        }
    }

    /// What is about to happen.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::EverybodyFits => {
                "(a) Everybody fits: critical requests, web streams and some bulk share the link."
            }
            Self::Flood => "(b) Bulk floods the link with small frames. Watch the critical class.",
            Self::PolicyChanged => {
                "(c) The flood goes on; a new policy halves what bulk may have. Watch its rate."
            }
            Self::Detached => "(d) StormBolt is detached: the same flood without it.",
        }
    }

    /// Makes the phase's changes to the scene.
    pub(super) fn enter(self, scene: &mut Scene) -> anyhow::Result<()> {
        match self {
            Self::EverybodyFits => scene.start_modest_bulk(),
            Self::Flood => {
                scene.modest = None;
                scene.flood.switch(true);
                Ok(())
            }
            Self::PolicyChanged => {
                scene.policy = policies::changed(&scene.policy);
                match &scene.daemon {
                    Some(daemon) => daemon
                        .apply(&scene.policy)
                        .context("cannot change the policy"),
                    None => Ok(()),
                }
            }
            Self::Detached => scene
                .daemon
                .take()
                .map_or(Ok(()), super::daemon::Daemon::stop),
        }
    }
}

/// Lets a phase settle for a fifth of its time, then measures the rest.
pub(super) fn run(
    stage: Stage,
    length: Duration,
    scene: &mut Scene,
    view: &mut View<'_>,
    interrupt: &Interrupt,
) -> anyhow::Result<PhaseReport> {
    let settling = length / 5;
    watch(stage, settling, scene, view, interrupt)?;
    // What has been asked until now belongs to the change, not to the phase.
    drop(scene.requests.take_snapshot());
    let before = Reading::take(scene)?;
    watch(
        stage,
        length.saturating_sub(settling),
        scene,
        view,
        interrupt,
    )?;
    let after = Reading::take(scene)?;
    let requests = scene.requests.take_snapshot();
    let report = PhaseReport::of(stage, &before, &after, &requests);
    view.phase(&report)?;
    Ok(report)
}

/// Shows what happens for `length`.
fn watch(
    stage: Stage,
    length: Duration,
    scene: &Scene,
    view: &mut View<'_>,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let end = now_ns() + nanoseconds(length);
    let mut before = Reading::take(scene)?;
    loop {
        interrupt.check()?;
        let now = now_ns();
        if now >= end {
            return Ok(());
        }
        std::thread::sleep(REFRESH.min(Duration::from_nanos(end - now)));
        let after = Reading::take(scene)?;
        if after.at_ns > before.at_ns {
            view.live(stage, &before, &after).map_err(broken_pipe)?;
            before = after;
        }
    }
}

/// Keeps the kind of the error, so that a closed pipe ends the demo quietly.
fn broken_pipe(error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error)
}
