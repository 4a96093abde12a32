//! Tests that need fetched data: skipped with a line where it is absent, failed under `CI=true`.

use std::io::Write;

/// Says that the test `name` is skipped because `what` is missing.
///
/// # Panics
/// If the environment variable `CI` is `true`: there, nothing may be missing.
pub fn missing_data(name: &str, what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{name}: {what}");
    // Straight to stderr: what the macros print is hidden for tests that pass.
    let line = format!("skipped 1 test: {name}: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
}
