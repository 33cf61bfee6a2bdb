//! The bytes of model files.

use burn::tensor::TensorData;

use crate::deploy::{Numbers, Stored};

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

    /// A tensor of a deployed model; of whole numbers without their scales.
    pub(super) fn stored(name: String, Stored { shape, numbers }: Stored) -> Self {
        let (dtype, bytes) = match numbers {
            Numbers::F32(values) => {
                ("F32", values.into_iter().flat_map(f32::to_le_bytes).collect())
            }
            Numbers::F16(halves) => {
                ("F16", halves.into_iter().flat_map(u16::to_le_bytes).collect())
            }
            Numbers::I8 { values, .. } => ("I8", values.iter().map(|&value| value as u8).collect()),
        };
        Self { name, dtype, shape, bytes }
    }

    /// Numbers one after the other.
    pub(super) fn row(name: &str, numbers: Vec<f32>) -> Self {
        let shape = vec![numbers.len()];
        Self::stored(name.to_string(), Stored { shape, numbers: Numbers::F32(numbers) })
    }

    /// Bytes that are no numbers.
    pub(super) fn bytes(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_string(), dtype: "U8", shape: vec![bytes.len()], bytes }
    }

    /// The bytes of one of its numbers.
    pub(super) fn width(&self) -> usize {
        match self.dtype {
            "I64" => 8,
            "F32" => 4,
            "F16" => 2,
            _ => 1,
        }
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
