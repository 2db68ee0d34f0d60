//! Recorded demand out of a CSV file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use stormbolt_control::policy::Policy;

use crate::demand::Demand;
use crate::scenario::SAMPLES_PER_INTERVAL;

/// The most samples of all classes together: 400 MB.
const MAX_CELLS: usize = 50_000_000;

const COLUMNS: [&str; 3] = ["time_ms", "class", "offered_bits_per_second"];

/// From a sample on a class offers so much.
type Change = (usize, u64);

/// Reads what the classes of `policy` offered: each line holds from its time on, until the next line of the
/// same class. The recording ends an interval after its last line.
///
/// # Errors
/// The file cannot be read, or a line of it means nothing; the message has file, line and remedy.
pub fn recorded(path: &Path, policy: &Policy) -> Result<Demand> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut changes: BTreeMap<usize, Vec<Change>> = BTreeMap::new();
    let mut has_columns = false;
    let lines = (1_u64..).zip(text.lines().map(str::trim));
    for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
        // No name of a class needs quotes.
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if !std::mem::replace(&mut has_columns, true) {
            if fields != COLUMNS {
                let columns = COLUMNS.join(",");
                bail!("{name}:{at}: the columns are not named: make `{columns}` the first line");
            }
            continue;
        }
        let (sample, change) =
            change(&fields, policy).map_err(|fault| anyhow!("{name}:{at}: {fault}"))?;
        changes.entry(sample).or_default().push(change);
    }
    let Some((&last, _)) = changes.last_key_value() else {
        bail!("{name}: no line says what is offered: write lines like `1500,web,20000000`");
    };
    let samples = last.saturating_add(SAMPLES_PER_INTERVAL);
    if samples.saturating_mul(policy.classes.len()) > MAX_CELLS {
        bail!(
            "{name}: too long for {} classes: cut it, or write a policy with a longer `interval`",
            policy.classes.len()
        );
    }
    Ok(demand(&changes, samples, policy.classes.len()))
}

/// Reads one line; else says what is wrong with it and what to do.
fn change(fields: &[&str], policy: &Policy) -> Result<(usize, Change), String> {
    let &[time, class, offered] = fields else {
        return Err(format!(
            "{} fields instead of three: write a line like `1500,web,20000000`",
            fields.len()
        ));
    };
    let number = |column: &str, text: &str| {
        text.parse::<u64>().map_err(|_| {
            format!("{column} `{text}` is not a whole number: write it without unit, like `1500`")
        })
    };
    let time_ms = number("time_ms", time)?;
    let offered = number("offered_bits_per_second", offered)?;
    let position = policy.classes.iter().position(|known| known.name == class);
    let position = position.ok_or_else(|| {
        let names = policy.classes.iter().map(|class| class.name.as_str());
        let names: Vec<&str> = names.take(20).collect();
        format!(
            "there is no class `{class}` in the policy: add it there, or name one of {}",
            names.join(", ")
        )
    })?;
    let samples = u64::try_from(SAMPLES_PER_INTERVAL).unwrap_or(u64::MAX);
    let sample = time_ms.saturating_mul(1_000_000).saturating_mul(samples);
    let sample = sample.checked_div(policy.interval.0).unwrap_or(u64::MAX);
    Ok((
        usize::try_from(sample).unwrap_or(usize::MAX),
        (position, offered),
    ))
}

fn demand(changes: &BTreeMap<usize, Vec<Change>>, samples: usize, classes: usize) -> Demand {
    let mut offered = vec![0; classes];
    let row = |sample| {
        for &(class, rate) in changes.get(&sample).into_iter().flatten() {
            if let Some(offered) = offered.get_mut(class) {
                *offered = rate;
            }
        }
        offered.clone()
    };
    Demand((0..samples).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.web]\n\
        [class.bulk]\n[default]\nclass = \"bulk\"\n";

    fn read(text: &str) -> Result<Demand, String> {
        let policy = stormbolt::config::parse("p", POLICY).unwrap().policy;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demand.csv");
        std::fs::write(&path, text).unwrap();
        recorded(&path, &policy).map_err(|error| {
            error
                .to_string()
                .replace(&format!("{}/", folder.path().display()), "")
        })
    }

    #[test]
    fn a_line_holds_until_the_next_one_of_its_class() {
        let head = "time_ms,class,offered_bits_per_second\n";
        let demand = read(&format!("{head}0,web,5\n20, bulk, 7\n30,web,6\n")).unwrap();
        assert_eq!(demand.samples(), 13);
        assert_eq!(demand.0[..4], [[5, 0], [5, 0], [5, 7], [6, 7]]);
        assert_eq!(demand.0[12], [6, 7]);
    }

    #[test]
    fn a_bad_line_is_named_with_what_to_do() {
        let head = "time_ms,class,offered_bits_per_second";
        for (text, expected) in [
            (
                String::new(),
                "demand.csv: no line says what is offered: write lines like `1500,web,20000000`",
            ),
            (
                "0,web,5\n".to_owned(),
                "demand.csv:1: the columns are not named: make \
                 `time_ms,class,offered_bits_per_second` the first line",
            ),
            (
                format!("{head}\n0,web,5\n10,web\n"),
                "demand.csv:3: 2 fields instead of three: write a line like `1500,web,20000000`",
            ),
            (
                format!("{head}\n0,web,5Mbit\n"),
                "demand.csv:2: offered_bits_per_second `5Mbit` is not a whole number: write it without \
                 unit, like `1500`",
            ),
            (
                format!("{head}\n-1,web,5\n"),
                "demand.csv:2: time_ms `-1` is not a whole number: write it without unit, like `1500`",
            ),
            (
                format!("{head}\n\n0,mail,5\n"),
                "demand.csv:3: there is no class `mail` in the policy: add it there, or name one of web, \
                 bulk",
            ),
            (
                format!("{head}\n99999999999999,web,5\n"),
                "demand.csv: too long for 2 classes: cut it, or write a policy with a longer `interval`",
            ),
        ] {
            assert_eq!(read(&text).unwrap_err(), expected);
        }
    }
}
