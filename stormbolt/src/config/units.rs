//! Rates, sizes and times as people write them: `1.5Gbit`, `64KiB`, `20ms`.
//!
//! Arithmetic is decimal and exact: a value that is not a whole number of bits, bytes or
//! nanoseconds is refused rather than rounded.

use stormbolt_common::flow_cache::MAX_FLOWS;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

/// The lowest rate that can be enforced: one byte each millisecond.
pub const MIN_RATE: BitsPerSecond = BitsPerSecond(8_000);
/// The highest rate and capacity.
pub const MAX_RATE: BitsPerSecond = BitsPerSecond(400_000_000_000);

/// Bytes that the tables of one policy may be given. Twice as many are allocated, as one value of a map,
/// and the verifier takes no offset into a value from 512 MiB up.
pub const TABLE_MEMORY: std::ops::RangeInclusive<u64> = (64 << 10)..=(256 << 20);

/// IPv4 flows that each CPU may be told to remember: powers of two, or none at all.
pub const TABLE_FLOWS: std::ops::RangeInclusive<u32> = 256..=MAX_FLOWS;

const RATE_UNITS: &[(&str, u64)] = &[
    ("bit", 1),
    ("kbit", 1_000),
    ("Mbit", 1_000_000),
    ("Gbit", 1_000_000_000),
    ("Tbit", 1_000_000_000_000),
];
const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];
const TIME_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
];

/// A text is not a rate, size or time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    message: String,
    help: String,
}

/// The depth of a bucket, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burst {
    /// Time at the rate in force.
    Time(Nanoseconds),
    /// Bytes.
    Bytes(u64),
}

impl UnitError {
    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }

    fn new(message: String, help: impl Into<String>) -> Self {
        Self {
            message,
            help: help.into(),
        }
    }
}

/// Reads a rate in bit/s: `1.5Gbit`, `500Mbit/s`, `8kbit`.
///
/// # Errors
///
/// When the unit is missing, unknown or ambiguous (`gbps`: bytes to some), or the rate is not a
/// whole number of bit/s. Bounds are not checked.
pub fn parse_rate(text: &str) -> Result<BitsPerSecond, UnitError> {
    let (number, unit) = split(text).ok_or_else(|| not_a("rate", text, "`1.5Gbit`"))?;
    if unit.is_empty() {
        let help = format!("write `{number}Mbit`, `{number}Gbit` or another unit");
        return Err(UnitError::new(
            format!("rate `{}` has no unit", short(text)),
            help,
        ));
    }
    let base = unit.strip_suffix("/s").unwrap_or(unit);
    let Some(factor) = factor_of(base, RATE_UNITS) else {
        let message = format!("`{}` is not a unit of rates", short(unit));
        return Err(UnitError::new(message, rate_hint(number, unit)));
    };
    exact(number, factor, "bit/s").map(BitsPerSecond)
}

/// Reads a size in bytes: `1500B`, `64KiB`, `1MB`.
///
/// # Errors
///
/// When the unit is missing or unknown, or the size is not a whole number of bytes.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text).ok_or_else(|| not_a("size", text, "`64KiB`"))?;
    let factor = factor_of(unit, SIZE_UNITS)
        .ok_or_else(|| unknown_unit("size", text, unit, "B, kB, MB, GB, KiB, MiB, GiB"))?;
    exact(number, factor, "bytes")
}

/// Reads a time: `20ms`, `1.5s`, `500us`, `2min`.
///
/// # Errors
///
/// When the unit is missing or unknown, or the time is not a whole number of nanoseconds.
pub fn parse_time(text: &str) -> Result<Nanoseconds, UnitError> {
    let (number, unit) = split(text).ok_or_else(|| not_a("time", text, "`20ms`"))?;
    let factor = factor_of(unit, TIME_UNITS)
        .ok_or_else(|| unknown_unit("time", text, unit, "ns, us, ms, s, min"))?;
    exact(number, factor, "nanoseconds").map(Nanoseconds)
}

/// Reads the depth of a bucket: a time, or a size.
///
/// # Errors
///
/// When it is neither.
pub fn parse_burst(text: &str) -> Result<Burst, UnitError> {
    let (_, unit) = split(text).ok_or_else(|| not_a("burst", text, "`20ms` or `64KiB`"))?;
    if factor_of(unit, SIZE_UNITS).is_some() {
        return parse_size(text).map(Burst::Bytes);
    }
    if factor_of(unit, TIME_UNITS).is_some() {
        return parse_time(text).map(Burst::Time);
    }
    Err(unknown_unit(
        "burst",
        text,
        unit,
        "us, ms, s for a time; B, kB, KiB, MB, MiB for a size",
    ))
}

/// Writes a rate so that [`parse_rate`] reads the same: `1.234567Mbit`.
pub fn write_rate(rate: BitsPerSecond) -> String {
    write_in(rate.0, RATE_UNITS)
}

/// Writes a time so that [`parse_time`] reads the same: `1.5s`.
pub fn write_time(time: Nanoseconds) -> String {
    let without_minutes = TIME_UNITS.get(..5).unwrap_or_default();
    write_in(time.0, without_minutes)
}

/// Writes a size so that [`parse_size`] reads the same: `64KiB`, `1500B`.
pub fn write_size(bytes: u64) -> String {
    let binary = SIZE_UNITS
        .iter()
        .rev()
        .filter(|(_, factor)| factor.is_power_of_two());
    let whole = binary
        .into_iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (name, factor) = whole.copied().unwrap_or(("B", 1));
    format!("{}{name}", bytes / factor)
}

/// Splits `1.5 Gbit` into number and unit; `None` without a leading number.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| (number, unit.trim_start()))
}

fn factor_of(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
}

/// `number` times `factor`, where that is a whole number that fits.
fn exact(number: &str, factor: u64, what: &str) -> Result<u64, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let too_large = || UnitError::new(format!("`{}` is too large", short(number)), "write less");
    let fine = || {
        let message = format!("`{}` is not a whole number of {what}", short(number));
        UnitError::new(
            message,
            "write fewer digits after the point, or a smaller unit",
        )
    };
    let places = u32::try_from(fraction.len()).map_err(|_| fine())?;
    // No factor has more than 20 tens in it, so more places can never come out whole.
    let divisor = 10_u128
        .checked_pow(places)
        .filter(|_| places <= 20)
        .ok_or_else(fine)?;
    let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
    let digits: u128 = if digits.is_empty() {
        0
    } else {
        digits.parse().map_err(|_| too_large())?
    };
    let scaled = digits
        .checked_mul(u128::from(factor))
        .ok_or_else(too_large)?;
    if scaled % divisor != 0 {
        return Err(fine());
    }
    u64::try_from(scaled / divisor).map_err(|_| too_large())
}

/// Writes `value` in the largest decimal unit that it reaches, with as many digits as it needs.
fn write_in(value: u64, units: &[(&str, u64)]) -> String {
    let reached = units.iter().rev().find(|(_, factor)| *factor <= value);
    let (name, factor) = reached.or(units.first()).copied().unwrap_or(("", 1));
    let places = usize::try_from(factor.ilog10()).unwrap_or(0);
    let (whole, rest) = (value / factor, value % factor);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    let fraction = format!("{rest:0places$}");
    format!("{whole}.{}{name}", fraction.trim_end_matches('0'))
}

fn not_a(what: &str, text: &str, example: &str) -> UnitError {
    let message = format!("`{}` is not a {what}", short(text));
    UnitError::new(
        message,
        format!("write a number and a unit, like {example}"),
    )
}

fn unknown_unit(what: &str, text: &str, unit: &str, units: &str) -> UnitError {
    let help = format!("the units are {units}");
    if unit.is_empty() {
        return UnitError::new(format!("{what} `{}` has no unit", short(text)), help);
    }
    UnitError::new(format!("`{}` is not a unit of {what}s", short(unit)), help)
}

/// Why a unit of rates is refused, and what to write.
fn rate_hint(number: &str, unit: &str) -> String {
    let lower = unit.to_ascii_lowercase();
    let prefix = match lower.as_bytes().first() {
        Some(b'k') => "k",
        Some(b'm') => "M",
        Some(b'g') => "G",
        Some(b't') => "T",
        _ => "",
    };
    let number = short(number);
    if unit.ends_with("B/s") || unit.ends_with("Bps") || unit.ends_with('B') {
        return format!("rates are bits per second: write eight times as many `{prefix}bit`");
    }
    if lower.contains("ib") {
        return format!("rates have decimal units: write `{prefix}bit`, which is powers of 1000");
    }
    if lower.ends_with("bps") {
        return format!("tc means bytes by `bps`, others mean bits: write `{number}{prefix}bit`");
    }
    if prefix.is_empty() {
        return "the units are bit, kbit, Mbit, Gbit, Tbit, all per second".to_owned();
    }
    format!("write `{number}{prefix}bit`")
}

/// Keeps messages readable when the text is not.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        let error = parse_rate(text).unwrap_err();
        format!("{error}; {}", error.help())
    }

    #[test]
    fn rates_are_read_exactly() {
        let read = |text| parse_rate(text).unwrap().0;
        assert_eq!(read("1.5Gbit"), 1_500_000_000);
        assert_eq!(read("8kbit"), 8_000);
        assert_eq!(read("500 Mbit/s"), 500_000_000);
        assert_eq!(read("0bit"), 0);
        assert_eq!(read("0.000001Tbit"), 1_000_000);
        assert_eq!(read("1.2345670000000000000000000000Mbit"), 1_234_567);
        assert_eq!(read("18446744073709551615bit"), u64::MAX);
    }

    #[test]
    fn rates_that_are_not_clear_are_refused_with_a_hint() {
        assert_eq!(
            refused("1000"),
            "rate `1000` has no unit; write `1000Mbit`, `1000Gbit` or another unit"
        );
        assert_eq!(
            refused("10gbps"),
            "`gbps` is not a unit of rates; tc means bytes by `bps`, others mean bits: write `10Gbit`"
        );
        assert!(refused("5Mbps").ends_with("write `5Mbit`"));
        assert!(
            refused("5MB/s")
                .ends_with("rates are bits per second: write eight times as many `Mbit`")
        );
        assert!(refused("5kibit").ends_with("write `kbit`, which is powers of 1000"));
        assert!(refused("10G").ends_with("; write `10Gbit`"));
        assert!(refused("10GBIT").ends_with("; write `10Gbit`"));
        assert!(refused("0.5bit").starts_with("`0.5` is not a whole number of bit/s"));
        assert!(refused("99999999999999999999Tbit").contains("too large"));
        for text in [
            "",
            "Gbit",
            "-1Gbit",
            "1.Gbit",
            ".5Gbit",
            "1.2.3Gbit",
            "１Gbit",
        ] {
            assert!(refused(text).contains("is not a rate"), "{text}");
        }
    }

    #[test]
    fn sizes_and_times_are_read_exactly() {
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("1.5kB"), Ok(1500));
        assert_eq!(parse_time("1.5s"), Ok(Nanoseconds(1_500_000_000)));
        assert_eq!(parse_time("500us"), parse_time("0.5ms"));
        assert_eq!(parse_time("2min"), Ok(Nanoseconds(120_000_000_000)));
        assert_eq!(
            parse_burst("20ms"),
            Ok(Burst::Time(Nanoseconds(20_000_000)))
        );
        assert_eq!(parse_burst("1MB"), Ok(Burst::Bytes(1_000_000)));
        assert_eq!(
            parse_time("100").unwrap_err().to_string(),
            "time `100` has no unit"
        );
        assert_eq!(
            parse_size("1Mb").unwrap_err().to_string(),
            "`Mb` is not a unit of sizes"
        );
        assert!(parse_burst("1 tray").is_err());
        assert!(parse_size("0.3B").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: u64) {
            let rate = BitsPerSecond(value);
            prop_assert_eq!(parse_rate(&write_rate(rate)), Ok(rate));
            let time = Nanoseconds(value);
            prop_assert_eq!(parse_time(&write_time(time)), Ok(time));
        }

        #[test]
        fn no_text_makes_them_panic(text in "[0-9.]{0,45}[a-zA-Zµ/ ]{0,6}|.*") {
            let rate = parse_rate(&text);
            let size = parse_size(&text);
            let time = parse_time(&text);
            // A burst is a size or a time, never a rate.
            prop_assert_eq!(parse_burst(&text).is_ok(), size.is_ok() || time.is_ok());
            prop_assert!(rate.is_err() || (size.is_err() && time.is_err()));
        }
    }
}
