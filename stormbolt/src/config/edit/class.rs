//! Keys of one class.

use toml_edit::DocumentMut;

use super::{KeyChange, set_keys, table};

pub(super) fn edit(
    document: &mut DocumentMut,
    name: &str,
    keys: &[KeyChange],
) -> Result<(), String> {
    set_keys(table(document, "class", name)?, keys)
}
