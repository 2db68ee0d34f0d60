//! How much has passed at which moment.

use anyhow::{Result, ensure};
use stormbolt::lab::clock::{SECOND_NS, sleep_until};

use crate::harness::Link;
use crate::harness::clock::now_ns;

/// How long nothing may arrive.
const PATIENCE_NS: u64 = 20 * SECOND_NS;
/// How long is waited before it is looked again whether frames arrive: by as much the first second may begin late.
const LOOK_NS: u64 = 100_000;
/// Tenths of a second that are watched.
pub(super) const WINDOWS: usize = 20;
const WINDOW_NS: u64 = SECOND_NS / 10;

/// What had passed at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    at_ns: u64,
    by_ip: u64,
}

/// What has passed in a time.
pub(super) struct Passed {
    pub(super) frames: u64,
    pub(super) in_ns: u64,
}

impl Mark {
    /// What has passed by now.
    pub(super) fn now(link: &Link) -> Result<Self> {
        // The middle of the time that it takes to read.
        let before_ns = now_ns();
        let by_ip = link.received_by_ip()?;
        let after_ns = now_ns();
        Ok(Self {
            at_ns: before_ns + (after_ns - before_ns) / 2,
            by_ip,
        })
    }

    /// What has passed since another mark.
    pub(super) const fn since(self, earlier: Self) -> Passed {
        Passed {
            frames: self.by_ip.saturating_sub(earlier.by_ip),
            in_ns: self.at_ns.saturating_sub(earlier.at_ns),
        }
    }
}

/// Marks at the beginning and the end of all windows. The first begins when the first frames have come
/// through; what came `before` the sender began does not count.
pub(super) fn watch(link: &Link, before: Mark) -> Result<Vec<Mark>> {
    let first = first_to_arrive(link, before)?;
    let mut marks = vec![first];
    let mut end_ns = first.at_ns;
    for _ in 0..WINDOWS {
        end_ns += WINDOW_NS;
        sleep_until(end_ns);
        marks.push(Mark::now(link)?);
    }
    Ok(marks)
}

fn first_to_arrive(link: &Link, before: Mark) -> Result<Mark> {
    loop {
        let now = Mark::now(link)?;
        if now.by_ip > before.by_ip {
            return Ok(Mark {
                by_ip: before.by_ip,
                ..now
            });
        }
        ensure!(now.at_ns < before.at_ns + PATIENCE_NS, "no frames arrive");
        sleep_until(now_ns() + LOOK_NS);
    }
}
