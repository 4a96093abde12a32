//! Tests that need downloaded data: reported as skipped if it is missing, but failed if `CI=true`.

use std::io::Write;

/// Reports that the test `name` is skipped because `what` is missing.
///
/// # Panics
/// If the environment variable `CI` is `true`, where no data may be missing.
pub fn missing_data(name: &str, what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{name}: {what}");
    skipped(name, what);
}

/// Reports that the test `name` is skipped because `what` is missing, which not every machine can have.
///
/// # Panics
/// If stderr is closed.
pub fn skipped(name: &str, what: &str) {
    // Written directly to stderr, because the output of the print macros is hidden for tests that pass.
    let line = format!("skipped 1 test: {name}: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr is writable");
}
