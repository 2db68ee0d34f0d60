//! Keys and values of a rule on a command line.

use std::str::FromStr;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

/// Keys whose value is one text, in which a comma may stand.
const TEXTS: [&str; 4] = ["name", "class", "action", "tcp-flags"];

/// `KEY=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    key: String,
    value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or("this is not KEY=VALUE, like dst-port=80")?;
        if value.is_empty() {
            return Err(format!("there is no value behind `{key}=`"));
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// The keys with their values as the API takes them; a key that is given again has a list of values.
pub(super) fn keys(given: &[Assignment]) -> anyhow::Result<Map<String, Value>> {
    let mut keys = Map::new();
    for Assignment { key, value } in given {
        let value = read(key, value)?;
        match keys.get_mut(key) {
            None => {
                keys.insert(key.clone(), value);
            }
            Some(_) if TEXTS.contains(&key.as_str()) => bail!("`{key}` is given twice"),
            Some(before) => {
                let mut all = listed(before.take());
                all.extend(listed(value));
                *before = Value::Array(all);
            }
        }
    }
    Ok(keys)
}

fn listed(value: Value) -> Vec<Value> {
    if let Value::Array(values) = value {
        return values;
    }
    vec![value]
}

/// Reads a value: in quotes or brackets as it stands in a policy file, else what would stand in quotes
/// there. Numbers may stand in quotes, too.
fn read(key: &str, text: &str) -> anyhow::Result<Value> {
    if text.starts_with(['"', '\'', '[']) {
        let value: toml::Value = text
            .parse()
            .with_context(|| format!("the value of `{key}` begins like one in a policy file"))?;
        return Ok(serde_json::to_value(value)?);
    }
    if let ("fragment", Ok(flag)) = (key, text.parse()) {
        return Ok(Value::Bool(flag));
    }
    if TEXTS.contains(&key) || !text.contains(',') {
        return Ok(text.into());
    }
    Ok(text.split(',').map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_all(given: &[&str]) -> anyhow::Result<Value> {
        let given: Result<Vec<Assignment>, _> = given.iter().map(|text| text.parse()).collect();
        Ok(keys(&given.map_err(anyhow::Error::msg)?)?.into())
    }

    #[test]
    fn values_need_no_quotes_and_lists_no_brackets() {
        let read = read_all(&[
            "src=!@a, !10.0.0.0/8",
            "dst-port=80",
            "dst-port=[443, \"8000-8099\"]",
            "tcp-flags=syn,!ack",
            "class='a,b'",
            "fragment=false",
            "interface=\"eth,0\"",
            "name=x=y",
        ]);
        let expected = json!({
            "src": ["!@a", "!10.0.0.0/8"],
            "dst-port": ["80", 443, "8000-8099"],
            "tcp-flags": "syn,!ack",
            "class": "a,b",
            "fragment": false,
            "interface": "eth,0",
            "name": "x=y",
        });
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for given in [
            &["dst-port"][..],
            &["src="],
            &["class=a", "class=b"],
            &["dst-port=[80"],
            &["src=\"a\"\nb = 1"],
        ] {
            assert!(read_all(given).is_err(), "{given:?}");
        }
    }
}
