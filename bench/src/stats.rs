//! Numbers out of numbers.

/// The middle value; of an even number of values, the mean of the middle two. Zero of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let lower = sorted
        .len()
        .checked_sub(1)
        .and_then(|last| sorted.get(last / 2));
    f64::midpoint(lower.copied().unwrap_or(0.0), upper)
}

/// `part / whole`.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "measured values have far fewer than 53 significant bits"
)]
pub fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Nanoseconds as milliseconds.
pub fn milliseconds(ns: u64) -> f64 {
    ratio(ns, 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 100.0, 2.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[7.0]) - 7.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
