//! The bytes of model files.

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
