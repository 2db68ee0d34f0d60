//! Rates by the daemon's counters, over windows long enough for a busy machine.

use stormbolt::api::documents::ClassStatus;
use stormbolt::lab::clock::{MILLISECOND_NS, SECOND_NS, now_ns, sleep_until};
use stormbolt::lab::traffic::UdpSender;

use super::daemon::Daemon;

/// Time for the bucket to empty and for leases to settle.
const SETTLING_NS: u64 = SECOND_NS;
const WINDOW_NS: u64 = 3 * SECOND_NS;
/// Windows that may be spoilt because the machine keeps the senders or the receiver from their CPUs.
const WINDOWS: u32 = 6;
/// Taking a reading lasts no longer than this, or it is taken again.
const PROMPT_NS: u64 = 10 * MILLISECOND_NS;

/// A class's counters and when they were read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// In nanoseconds of the monotonic clock, exact to a few milliseconds.
    pub at_ns: u64,
    /// The class.
    pub class: ClassStatus,
}

impl Reading {
    /// Reads the counters of `class`.
    pub fn take(daemon: &Daemon, class: &str) -> Self {
        loop {
            let before_ns = now_ns();
            let status = daemon.class(class);
            let after_ns = now_ns();
            if after_ns - before_ns <= PROMPT_NS {
                return Self {
                    at_ns: u64::midpoint(before_ns, after_ns),
                    class: status,
                };
            }
        }
    }

    /// Bits per second at layer 2 that have passed since `before`.
    pub fn passed_since(&self, before: &Self) -> u64 {
        let bits = u128::from(self.class.passed_bytes - before.class.passed_bytes) * 8;
        let rate = bits * u128::from(SECOND_NS) / u128::from(self.at_ns - before.at_ns);
        u64::try_from(rate).unwrap()
    }
}

/// Makes sure that, of what `senders` offer it without a pause, a class passes `bits_per_second`
/// and no more than 2 % less or more.
///
/// More is wrong in any window of three seconds. Less is wrong if it is less in every one of them: a bucket that
/// overflows while the machine gives the senders or the receiving side no CPU time has not failed to fill, but a rate
/// that is not held is never held.
///
/// # Panics
///
/// When the rate is not held.
pub fn assert_rate_is_held(
    daemon: &Daemon,
    class: &str,
    bits_per_second: u64,
    senders: &[&UdpSender],
) {
    sleep_until(now_ns() + SETTLING_NS);
    let mut seen = Vec::new();
    for _ in 0..WINDOWS {
        let sent_before = totals(senders);
        let before = Reading::take(daemon, class);
        sleep_until(now_ns() + WINDOW_NS);
        let after = Reading::take(daemon, class);
        let sent = totals(senders);
        let (sent, skipped) = (sent.0 - sent_before.0, sent.1 - sent_before.1);
        let passed = after.passed_since(&before);
        eprintln!("{class}: {passed} of {bits_per_second} bit/s; {sent} sent, {skipped} late");
        assert!(
            passed <= bits_per_second / 100 * 102,
            "{class} passed {passed} bit/s of {bits_per_second}"
        );
        if passed >= bits_per_second / 100 * 98 {
            return;
        }
        seen.push((passed, sent, skipped));
    }
    panic!("{class} passed too little in every window; bit/s, packets sent and late: {seen:?}");
}

/// Packets sent and skipped by all senders.
fn totals(senders: &[&UdpSender]) -> (u64, u64) {
    let totals = senders.iter().map(|sender| sender.totals());
    totals.fold((0, 0), |sum, next| {
        (sum.0 + next.sent_packets, sum.1 + next.skipped)
    })
}
