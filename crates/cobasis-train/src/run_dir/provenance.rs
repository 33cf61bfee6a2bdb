//! What a run was made with, so that it can be made again.

use std::env::consts::{ARCH, OS};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::machine::{Machine, peak_memory};

/// The version of Burn in the workspace's lock file; Burn does not tell it.
const BURN: &str = "0.22.1";

/// What a run was made with. What is not known is absent; in a run that was resumed, all of it is
/// about the process that finished it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of Burn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn: Option<String>,
    /// System and architecture, `linux x86_64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The processor, as the system names it, and its cores that could be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The commit that was checked out in the working directory at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether files that git tracks there had been changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The most memory that the process held, bytes, without a graphics processor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// The processes that trained together, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<usize>,
    /// Of the time of its steps, what the first of them spent on messages, with the wait for slower ones, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_seconds: Option<f64>,
}

impl Provenance {
    /// What is known at the start of a run.
    pub(crate) fn at_start() -> Self {
        let commit = git(&["rev-parse", "HEAD"]);
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
        let Machine { processor, cores } = Machine::this();
        Self {
            burn: Some(BURN.to_string()),
            platform: Some(format!("{OS} {ARCH}")),
            processor: Some(format!("{processor}, {cores} cores")),
            dirty: commit.as_ref().and(changed.map(|changed| !changed.is_empty())),
            commit,
            peak_bytes: None,
            processes: None,
            exchange_seconds: None,
        }
    }

    /// What is known at its end.
    pub(crate) fn at_end(self) -> Self {
        Self { peak_bytes: peak_memory(), ..self }
    }
}

/// What git says of the working directory; `None` without git or a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_version_of_burn_is_the_workspaces() {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        let Ok(lock) = fs::read_to_string(lock) else {
            eprintln!("skipped: no workspace around the package");
            return;
        };
        let (_, burn) = lock.split_once("name = \"burn\"").expect("Burn in the lock file");
        assert_eq!(burn.lines().nth(1), Some(format!("version = \"{BURN}\"").as_str()));
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let text = serde_json::to_string(&Provenance::default()).unwrap();
        assert_eq!(text, "{}");
        assert_eq!(serde_json::from_str::<Provenance>("{}").unwrap(), Provenance::default());
    }
}
