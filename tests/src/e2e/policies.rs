//! Policy files for `eth0` of the lab.

use std::io::Write;

use tempfile::NamedTempFile;

/// A whole policy for `eth0`: `rest` has the classes, the rules and the default.
pub fn policy(rest: &str) -> String {
    policy_with("capacity = \"10Gbit\"\n", rest)
}

/// The same with these keys of `eth0` beside the mode.
pub fn policy_with(interface: &str, rest: &str) -> String {
    format!(
        "version = 1\n\n[controller]\ninterval = \"100ms\"\n\n\
         [interface.eth0]\n{interface}mode = \"native\"\n\n{rest}"
    )
}

/// A policy in a file that is removed when dropped.
pub fn policy_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
