//! The bytes of model files, and how they get to the disk.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::TensorData;

/// A tensor as it stands in a safetensors file.
pub(super) struct Entry {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Entry {
    /// A tensor of 32-bit floating point numbers.
    pub(super) fn numbers(name: String, data: &TensorData) -> Self {
        let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
        Self { name, dtype: "F32", shape: data.shape().to_vec(), bytes }
    }

    /// A counter that did not count anything.
    pub(super) fn counter(name: String) -> Self {
        Self { name, dtype: "I64", shape: Vec::new(), bytes: 0i64.to_le_bytes().to_vec() }
    }
}

/// The bytes of a safetensors file: header length, header, numbers.
///
/// Written by hand because the safetensors crate orders metadata at random, so that no two files
/// of one model would be equal. Names of tensors need no escapes in JSON. Entries of large numbers
/// come first, so that all are aligned.
pub(super) fn safetensors(
    metadata: &[(&str, String)],
    entries: impl IntoIterator<Item = Entry>,
) -> Vec<u8> {
    let text = |value: &String| serde_json::Value::from(value.as_str());
    let metadata: Vec<String> =
        metadata.iter().map(|(key, value)| format!("\"{key}\":{}", text(value))).collect();
    let mut header = format!("{{\"__metadata__\":{{{}}}", metadata.join(","));
    let mut numbers = Vec::new();
    for Entry { name, dtype, shape, bytes } in entries {
        let start = numbers.len();
        numbers.extend(bytes);
        let end = numbers.len();
        header += &format!(
            ",\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\
             \"data_offsets\":[{start},{end}]}}"
        );
    }
    header.push('}');
    // Numbers start at a multiple of 8 bytes. A width in a format string would count characters.
    let length = header.len().next_multiple_of(8);
    let mut bytes = (length as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes.resize(8 + length, b' ');
    bytes.extend(numbers);
    bytes
}

/// Writes a file that is there whole or not at all: to a temporary file beside it, to the disk,
/// then renamed.
///
/// # Errors
///
/// When a step fails; then what was there before stays, and the temporary file goes.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // The first error is the one to tell; a file that was never made can't be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// Beside `path`, since a rename is atomic only within a file system; unique to this write.
fn temporary_path(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{write}.tmp", std::process::id()));
    path.with_file_name(name)
}
