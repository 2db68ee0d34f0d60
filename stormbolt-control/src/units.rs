//! Rates, sizes and times with their unit in the type.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// A rate at layer 2 without FCS, in bit/s.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct BitsPerSecond(pub u64);

/// A time or a span of time, in ns.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanoseconds(pub u64);

impl BitsPerSecond {
    /// Nothing passes.
    pub const ZERO: Self = Self(0);

    /// `percent` hundredths of the rate, rounded down; saturates.
    #[must_use]
    pub fn percent(self, percent: u64) -> Self {
        let scaled = u128::from(self.0) * u128::from(percent) / 100;
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// The difference, or zero where `other` is larger.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The rate at which `bytes` pass in `span`; zero for an empty span.
    pub fn from_bytes_over(bytes: u64, span: Nanoseconds) -> Self {
        if span.0 == 0 {
            return Self::ZERO;
        }
        let bits = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(span.0);
        Self(u64::try_from(bits).unwrap_or(u64::MAX))
    }
}

impl Add for BitsPerSecond {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for BitsPerSecond {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for BitsPerSecond {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for BitsPerSecond {
    /// Writes the rate as people write it: `1.5Gbit`, exact to three digits after the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..1_000 => return f.pad(&format!("{}bit", self.0)),
            1_000..1_000_000 => (1_000_u64, "kbit"),
            1_000_000..1_000_000_000 => (1_000_000, "Mbit"),
            1_000_000_000..1_000_000_000_000 => (1_000_000_000, "Gbit"),
            _ => (1_000_000_000_000, "Tbit"),
        };
        let thousandths = u128::from(self.0) * 1000 / u128::from(unit);
        let (whole, fraction) = (thousandths / 1000, thousandths % 1000);
        let text = format!("{whole}.{fraction:03}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{text}{name}"))
    }
}

impl Nanoseconds {
    /// From whole milliseconds; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The span from `earlier` to this time, or zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_people_write_them() {
        let written = |bits| BitsPerSecond(bits).to_string();
        assert_eq!(written(0), "0bit");
        assert_eq!(written(999), "999bit");
        assert_eq!(written(8_000), "8kbit");
        assert_eq!(written(1_500_000_000), "1.5Gbit");
        assert_eq!(written(1_234_567), "1.234Mbit");
        assert_eq!(written(400_000_000_000), "400Gbit");
        assert_eq!(written(u64::MAX), "18446744.073Tbit");
    }

    #[test]
    fn a_rate_over_no_time_is_zero() {
        assert_eq!(
            BitsPerSecond::from_bytes_over(1000, Nanoseconds(0)),
            BitsPerSecond::ZERO
        );
        assert_eq!(
            BitsPerSecond::from_bytes_over(125, Nanoseconds(1_000_000)),
            BitsPerSecond(1_000_000)
        );
    }
}
