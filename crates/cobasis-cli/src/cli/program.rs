//! How the program is called where it is told to be called again.

use std::env;

/// `cobasis`, or what `cargo xtask` says of itself, in a clone where nothing is installed.
pub(super) fn program() -> String {
    env::var("COBASIS_PROGRAM").unwrap_or("cobasis".to_string())
}
