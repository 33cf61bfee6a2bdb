//! What tests need from outside of the repository: files, or programs.

/// Says that a test is skipped for want of a helper. Where the variable `COBASIS_REQUIRE` names the
/// helper, as in `COBASIS_REQUIRE=parity,browser`, that is a failure.
///
/// # Panics
///
/// Where the helper is required.
pub fn skip(helper: &str, problem: &str) {
    let required = std::env::var("COBASIS_REQUIRE").unwrap_or_default();
    let required = required.split(',').any(|name| name.trim() == helper);
    assert!(!required, "COBASIS_REQUIRE has {helper:?}: {problem}");
    eprintln!("skipped: {problem}");
}
