//! How long the kernel's jiffies are.

use nix::time::{ClockId, clock_getres};

use super::error::DatapathError;

/// The length of a jiffy in ns: the resolution of the clock that moves with them (`CLOCK_MONOTONIC_COARSE`, man page
/// `clock_getres(2)`).
pub(super) fn tick_ns() -> Result<u32, DatapathError> {
    let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)
        .map_err(|source| DatapathError::Tick(source.into()))?;
    // From 1 to 10 ms on every kernel.
    Ok(u32::try_from(resolution.tv_nsec()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::tick_ns;

    #[test]
    fn a_jiffy_is_one_to_ten_milliseconds() {
        assert!((1_000_000..=10_000_000).contains(&tick_ns().unwrap()));
    }
}
