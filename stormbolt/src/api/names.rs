//! Names that nothing has.

use axum::http::StatusCode;

use super::problem::ApiError;

/// Bytes of the longest name that anything has.
const MAX_NAME: usize = 64;
/// Names that are compared at most: distances are slow to work out.
const MAX_COMPARED: usize = 20_000;

/// There is no `kind` called `name`: says which one was probably meant, or which ones there are.
pub(super) fn unknown<'n>(
    (kind, kinds): (&str, &str),
    name: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> ApiError {
    let shown: String = name
        .chars()
        .take(MAX_NAME)
        .flat_map(char::escape_debug)
        .collect();
    let far = |known: &str| (known.len().max(name.len()) / 3).max(1);
    // Distances are quadratic in the length.
    let nearest = (name.len() <= MAX_NAME)
        .then(|| {
            names
                .clone()
                .filter(|known| known.len().abs_diff(name.len()) <= far(known))
                .take(MAX_COMPARED)
                .map(|known| (strsim::damerau_levenshtein(name, known), known))
                .filter(|(distance, known)| *distance <= far(known))
                .min()
        })
        .flatten();
    let hint = match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => listed(kinds, names),
    };
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is no {kind} `{shown}`; {hint}"),
    )
}

/// The first few names.
fn listed<'n>(kinds: &str, mut names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<_> = names
        .by_ref()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    if shown.is_empty() {
        return format!("the policy has no {kinds}");
    }
    if names.next().is_some() {
        shown.push("…".to_owned());
    }
    format!("the {kinds} are {}", shown.join(", "))
}
