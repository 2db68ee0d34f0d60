//! The invariants, each as a function of one file's path and text.

use super::{Finding, code};

const MAX_LINES: usize = 500;

/// Where a word may stand.
struct Place {
    word: &'static str,
    /// The folder that the rule is about, or everything.
    within: &'static str,
    /// The folders and files in it that may have the word.
    except: &'static [&'static str],
    problem: &'static str,
}

const PLACES: [Place; 7] = [
    Place {
        word: "unsafe",
        within: "stormbolt-ebpf/",
        except: &["stormbolt-ebpf/src/kernel/"],
        problem: "`unsafe` outside stormbolt-ebpf/src/kernel/",
    },
    Place {
        word: "unsafe",
        within: "stormbolt-control/",
        except: &[],
        problem: "`unsafe` in stormbolt-control, which is pure",
    },
    Place {
        word: "aya",
        within: "",
        except: &[
            "bench/src/harness/",
            "stormbolt/src/datapath/",
            "stormbolt-common/src/pod.rs",
        ],
        problem: "`aya` outside stormbolt/src/datapath/ and bench/src/harness/, which hide it from the rest",
    },
    Place {
        word: "todo!",
        within: "",
        except: &[],
        problem: "`todo!` is unfinished",
    },
    Place {
        word: "unimplemented!",
        within: "",
        except: &[],
        problem: "`unimplemented!` is unfinished",
    },
    Place {
        word: "dbg!",
        within: "",
        except: &[],
        problem: "`dbg!` is for the desk",
    },
    Place {
        word: "#[ignore",
        within: "",
        except: &[],
        problem: "an ignored test cannot fail: delete it, or say by code when it can run",
    },
];

/// Checks one file; `path` is relative to the root, with `/` between folders.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let found = if path.ends_with("Cargo.toml") {
        manifest(text)
    } else {
        source(path, text)
    };
    let finding = |(line, problem)| Finding {
        path: path.to_owned(),
        line,
        problem,
    };
    found.into_iter().map(finding).collect()
}

fn source(path: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push((
            lines,
            format!("{lines} lines are more than {MAX_LINES}: split by idea"),
        ));
    }
    if !begins_with_purpose(text) {
        found.push((
            1,
            "does not begin with a `//!` line that says what it is for".to_owned(),
        ));
    }
    let code = code::only(text);
    let places = PLACES
        .iter()
        .filter(|place| path.starts_with(place.within))
        .filter(|place| !place.except.iter().any(|allowed| path.starts_with(allowed)));
    for place in places {
        for (index, line) in code.lines().enumerate() {
            if has_word(line, place.word) {
                found.push((index + 1, place.problem.to_owned()));
            }
        }
    }
    found
}

/// Reports whether a file says what it is for before anything but inner attributes.
fn begins_with_purpose(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with("#!["));
    first.is_some_and(|line| {
        line.strip_prefix("//!")
            .is_some_and(|words| !words.trim().is_empty())
    })
}

/// Reports whether `word` stands in `line` by itself, not as a part of a longer identifier.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line
            .get(start + word.len()..)
            .and_then(|text| text.chars().next());
        let ends_in_sign = !word.ends_with(in_word);
        !before.is_some_and(in_word) && (ends_in_sign || !after.is_some_and(in_word))
    })
}

fn manifest(text: &str) -> Vec<(usize, String)> {
    let manifest: toml::Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![(1, format!("is not TOML: {}", error.message()))],
    };
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    // The workspace's own manifest has no crate in it.
    let takes_lints = lints.and_then(toml::Value::as_bool) == Some(true);
    if takes_lints || !manifest.contains_key("package") {
        return Vec::new();
    }
    vec![(1, "does not say `[lints] workspace = true`".to_owned())]
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
