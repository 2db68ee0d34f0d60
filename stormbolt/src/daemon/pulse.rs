//! Tells whether the machine's thread still does anything.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::activity::Activity;

/// How often it is looked; watchdogs of services are not set to less than some seconds.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the beats of a machine's thread.
#[derive(Debug)]
pub(super) struct Pulse {
    activity: Activity,
    seen: u64,
    looks: Interval,
}

impl Pulse {
    /// Of the machine that tells `activity` what it does.
    pub(super) fn new(activity: Activity) -> Self {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            seen: activity.beats(),
            activity,
            looks,
        }
    }

    /// Resolves when the thread has ticked, or got on with compiling a policy, since the last time. Never while it
    /// hangs.
    pub(super) async fn beat(&mut self) {
        loop {
            self.looks.tick().await;
            let beats = self.activity.beats();
            if beats != self.seen {
                self.seen = beats;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_hangs_has_no_pulse_until_it_goes_on() {
        let activity = Activity::default();
        let mut pulse = Pulse::new(activity.clone());
        activity.beat();
        pulse.beat().await;
        let hour = Duration::from_hours(1);
        assert!(tokio::time::timeout(hour, pulse.beat()).await.is_err());
        activity.beat();
        assert!(tokio::time::timeout(hour, pulse.beat()).await.is_ok());
    }
}
