//! Files of a run, which are there whole or not at all.

use std::path::Path;

use serde::Serialize;

use super::RunDirError;

/// Writes a value as JSON, whole or not at all.
///
/// # Errors
/// When the value has no form in JSON, and when the file cannot be written; what was there before
/// stays.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunDirError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| RunDirError::NotJson {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    write(path, format!("{json}\n").as_bytes())
}

/// Writes a text, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), RunDirError> {
    write(path, text.as_bytes())
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    cobasis_zoo::files::write_atomic(path, bytes).map_err(RunDirError::io(path, "write the file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_form_in_json_is_told_and_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        write_json(&path, &[1]).unwrap();
        // Keys of JSON are strings.
        let value = std::collections::BTreeMap::from([([1, 2], 3)]);
        let err = write_json(&path, &value).unwrap_err();
        assert!(err.to_string().contains("summary.json: cannot be written as JSON: key"), "{err}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "[\n  1\n]\n");
    }
}
