//! Where downloads go that are given no directory.

use std::env;
use std::path::PathBuf;

/// The program's folder in the user's cache: `$XDG_CACHE_HOME/cobasis`, otherwise in the place that
/// the operating system has for caches; none where there is no home directory.
pub fn cache_dir() -> Option<PathBuf> {
    let variable =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let of_system = || {
        if cfg!(windows) {
            variable("LOCALAPPDATA")
        } else {
            let cache = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
            env::home_dir().map(|home| home.join(cache))
        }
    };
    variable("XDG_CACHE_HOME").or_else(of_system).map(|dir| dir.join("cobasis"))
}
