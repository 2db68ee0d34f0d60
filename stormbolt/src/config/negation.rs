//! `!` in front of values: everything but those.

use stormbolt_control::policy::Accepts;
use toml::Spanned;

use super::diagnostic::{Problem, Problems};
use super::section::{Field, List, Scalar};

/// Reads a list whose entries may all begin with `!`, which `read` does not get to see.
pub(super) fn accepts<T>(
    list: &List,
    problems: &mut Problems,
    read: impl FnOnce(&List, &mut Problems) -> Vec<T>,
) -> Accepts<T> {
    let (negated, plain) = split(list, problems);
    let any_of = read(&plain, problems);
    Accepts { negated, any_of }
}

/// Whether the entries begin with `!`, and the entries without it. A mixture is reported.
pub(super) fn split(list: &List, problems: &mut Problems) -> (bool, List) {
    let is_negated = |field: &Field| match field.get_ref() {
        Scalar::Text(text) => Some(text.starts_with('!')),
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => Some(false),
        Scalar::Invalid => None,
    };
    let fields = list.get_ref();
    let negated = fields.iter().find_map(is_negated).unwrap_or(false);
    let other = |field: &&Field| is_negated(field).is_some_and(|one| one != negated);
    if let Some(odd) = fields.iter().find(other) {
        let message = if negated {
            "this entry does not begin with `!`, but others of the list do"
        } else {
            "this entry begins with `!`, but others of the list do not"
        };
        let problem = Problem::error(odd.span(), message);
        problems.add(problem.help(
            "split it into two rules: one for what is meant, one for everything but what is not",
        ));
    }
    let plain = fields.iter().map(|field| match field.get_ref() {
        Scalar::Text(text) => {
            let text = text
                .strip_prefix('!')
                .map_or(text.as_str(), str::trim_start);
            Spanned::new(field.span(), Scalar::Text(text.to_owned()))
        }
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) | Scalar::Invalid => {
            field.clone()
        }
    });
    (negated, Spanned::new(list.span(), plain.collect()))
}
