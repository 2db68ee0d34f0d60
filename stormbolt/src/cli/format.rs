//! Numbers as people read them.

use std::net::{IpAddr, SocketAddr};

use stormbolt_control::units::BitsPerSecond;

/// A measured rate to three digits, rounded down: `1.23Gbit`, `798Mbit`. Rates out of the policy are
/// shown exactly, by their `Display`.
pub(crate) fn measured(rate: BitsPerSecond) -> String {
    let (number, prefix) = scaled(rate.0);
    format!("{number}{prefix}bit")
}

/// A number to three digits, rounded down: `950`, `12.3 k`, `1.5 M`.
pub(crate) fn count(number: u64) -> String {
    let (number, prefix) = scaled(number);
    if prefix.is_empty() {
        number
    } else {
        format!("{number} {prefix}")
    }
}

/// A number per second: `950/s`, `12.3 k/s`.
pub(crate) fn per_second(number: u64) -> String {
    format!("{}/s", count(number))
}

/// A size to three digits, rounded down, in powers of 1000: `151 MB`.
pub(crate) fn bytes(number: u64) -> String {
    let (number, prefix) = scaled(number);
    format!("{number} {prefix}B")
}

/// A few things and what they are called: `1 rule`, `2 rules`.
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A span of time in its two largest units: `3d 4h`, `12s`.
pub(crate) fn seconds(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {}min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}min {}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// A short span of time: `850 µs`, `20.5 ms`, `340 ms`.
pub(crate) fn microseconds(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..100_000 => {
            let tenths = microseconds / 100;
            format!("{}.{} ms", tenths / 10, tenths % 10)
        }
        _ => format!("{} ms", microseconds / 1_000),
    }
}

/// One end of a flow.
pub(crate) fn end(address: IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}

/// CPU numbers, `0-1,3`; `-` for none.
pub(crate) fn cpus(cpus: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => runs.push((cpu, cpu)),
        }
    }
    let runs = runs.into_iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    let text = runs.collect::<Vec<_>>().join(",");
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// How much of `whole` is `part`: a bar of ten cells, full from 100 % on, and the percentage.
pub(crate) fn share(part: BitsPerSecond, whole: BitsPerSecond) -> String {
    const CELLS: u128 = 10;
    if whole == BitsPerSecond::ZERO {
        return "-".to_owned();
    }
    let (part, whole) = (u128::from(part.0), u128::from(whole.0));
    let full = usize::try_from(((part * CELLS + whole / 2) / whole).min(CELLS)).unwrap_or(0);
    let cells = usize::try_from(CELLS).unwrap_or(0);
    let percent = (part * 100 + whole / 2) / whole;
    format!(
        "{}{} {percent:>3}%",
        "█".repeat(full),
        "░".repeat(cells - full)
    )
}

/// A number to three digits, rounded down, and its decimal prefix.
fn scaled(number: u64) -> (String, &'static str) {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut unit = 1_u64;
    let mut prefix = PREFIXES[0];
    for next in &PREFIXES[1..] {
        if number / unit < 1000 {
            break;
        }
        unit *= 1000;
        prefix = next;
    }
    let (whole, rest) = (number / unit, number % unit);
    let (digits, places) = match whole {
        0..10 => (rest / (unit / 100).max(1), 2),
        10..100 => (rest / (unit / 10).max(1), 1),
        _ => (0, 0),
    };
    if unit == 1 || digits == 0 {
        return (whole.to_string(), prefix);
    }
    let text = format!("{whole}.{digits:0places$}");
    (text.trim_end_matches('0').to_owned(), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_are_rounded_down() {
        let written = [
            0,
            7,
            999,
            1_000,
            1_009,
            1_010,
            12_345,
            999_999,
            1_500_000,
            u64::MAX,
        ];
        assert_eq!(
            written.map(count),
            [
                "0", "7", "999", "1 k", "1 k", "1.01 k", "12.3 k", "999 k", "1.5 M", "18.4 E"
            ]
        );
        assert_eq!(per_second(12_345), "12.3 k/s");
        assert_eq!(bytes(151_235_000), "151 MB");
        assert_eq!(bytes(5), "5 B");
        assert_eq!(measured(BitsPerSecond(1_234_567_890)), "1.23Gbit");
        assert_eq!(measured(BitsPerSecond(0)), "0bit");
    }

    #[test]
    fn times_have_their_two_largest_units() {
        let written = [0, 59, 61, 3_600, 86_399, 90_000].map(seconds);
        assert_eq!(
            written,
            ["0s", "59s", "1min 1s", "1h 0min", "23h 59min", "1d 1h"]
        );
    }

    #[test]
    fn short_times_and_ends_of_flows_are_as_people_write_them() {
        let written = [0, 999, 1_000, 20_540, 99_999, 100_000, 2_345_678].map(microseconds);
        assert_eq!(
            written,
            [
                "0 µs", "999 µs", "1.0 ms", "20.5 ms", "99.9 ms", "100 ms", "2345 ms"
            ]
        );
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(end(address, Some(53)), "[2001:db8::1]:53");
        assert_eq!(end(address, None), "2001:db8::1");
    }

    #[test]
    fn neighbouring_cpus_are_a_range() {
        assert_eq!(cpus(&[]), "-");
        assert_eq!(cpus(&[4]), "4");
        assert_eq!(cpus(&[0, 1, 3, 5, 6, 7]), "0-1,3,5-7");
        assert_eq!(cpus(&[u32::MAX, 0]), "4294967295,0");
    }

    #[test]
    fn a_bar_is_full_at_the_whole_and_beyond() {
        let share = |part, whole| share(BitsPerSecond(part), BitsPerSecond(whole));
        assert_eq!(share(0, 100), "░░░░░░░░░░   0%");
        assert_eq!(share(62, 100), "██████░░░░  62%");
        assert_eq!(share(100, 100), "██████████ 100%");
        assert_eq!(share(250, 100), "██████████ 250%");
        assert_eq!(share(1, 0), "-");
        assert_eq!(share(u64::MAX, u64::MAX), "██████████ 100%");
    }
}
