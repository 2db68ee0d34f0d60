//! The SSH session that a command was typed in.

use std::fs;

const VARIABLE: &str = "SSH_CONNECTION";
/// Processes that are looked at: shells in shells, `sudo`, terminal multiplexers.
const MAX_ANCESTORS: usize = 64;

/// Addresses and ports of the session's ends as sshd(8) writes them into `SSH_CONNECTION`. `sudo` takes that away,
/// so it is looked for in the processes that this one comes from, too.
pub(super) fn session() -> Option<String> {
    if let Ok(own) = std::env::var(VARIABLE) {
        return Some(own).filter(|text| !text.trim().is_empty());
    }
    let mut process = std::process::id();
    for _ in 0..MAX_ANCESTORS {
        process = parent(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)?;
        if process <= 1 {
            return None;
        }
        // Of processes of other users it may not be read.
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        if let Some(found) = in_environment(&environment) {
            return Some(found);
        }
    }
    None
}

/// The parent out of `/proc/N/stat`: the second field behind the name, which is in parentheses and may have
/// any in itself.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn in_environment(environment: &[u8]) -> Option<String> {
    let variables = environment.split(|byte| *byte == 0);
    let values = variables.filter_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        text.strip_prefix(VARIABLE)?.strip_prefix('=')
    });
    let mut values = values.filter(|value| !value.is_empty());
    values.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_in_the_environment_of_another_process() {
        let environment = b"A=1\0SSH_CONNECTION=192.0.2.1 5 192.0.2.2 22\0B=2\0";
        let found = in_environment(environment);
        assert_eq!(found.as_deref(), Some("192.0.2.1 5 192.0.2.2 22"));
        assert_eq!(
            in_environment(b"SSH_CONNECTION=\0XSSH_CONNECTION=1\0"),
            None
        );
    }

    #[test]
    fn parents_are_found_whatever_a_process_is_called() {
        assert_eq!(parent("5 (a) b) (c) S 42 5 5 0"), Some(42));
        assert_eq!(parent(""), None);
    }
}
