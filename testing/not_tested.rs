//! Tells of a test that passes without having tested anything, because a tool is missing.

use std::io::Write;

/// Set where every tool that `make test` installs must be there, as in CI: a test without its tool fails.
const EVERY_TOOL: &str = "EVERY_TOOL";

/// Says what was not tested, and why. Panics where every tool must be there.
pub fn not_tested(what: &str) {
    let must_be = std::env::var_os(EVERY_TOOL).is_some_and(|value| !value.is_empty());
    assert!(!must_be, "NOT TESTED: {what}; {EVERY_TOOL} is set");
    // Written directly to stderr, as the test harness hides the output of a passing test.
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}");
}
