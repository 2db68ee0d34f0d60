//! The rule for tests that need root.

use caps::{CapSet, Capability};

/// Tells whether a test that needs root can run.
///
/// Returns `false`, and says on standard error what is skipped, only when the process lacks
/// `CAP_SYS_ADMIN` or `CAP_NET_ADMIN` and `STORMBOLT_SKIP_ROOT_TESTS=1` is set: a test may not
/// disappear unnoticed.
///
/// # Panics
///
/// Without the capabilities and without that variable, so that the test fails.
pub fn require_root(test_name: &str) -> bool {
    let missing = [Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN]
        .into_iter()
        .find(|&capability| !caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false));
    let Some(capability) = missing else {
        return true;
    };
    assert!(
        std::env::var_os("STORMBOLT_SKIP_ROOT_TESTS").is_some_and(|value| value == "1"),
        "{test_name} needs root ({capability}): run it with sudo, or skip such tests with \
         STORMBOLT_SKIP_ROOT_TESTS=1"
    );
    eprintln!("skipped {test_name}: needs {capability}");
    false
}
