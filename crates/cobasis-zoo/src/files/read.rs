//! Safetensors files, taken apart.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::error::FileProblem;
use super::foreign::{Listed, Readable};
use super::numbers::{Float, Numbers};
use super::wrong;
use crate::config::ModelConfig;
use crate::short::quoted;
use crate::state::{State, StateError};

/// Bytes of a header; one of ours has at most a megabyte.
const MAX_HEADER: u64 = 16 << 20;
/// Tensors of a file, as many as braces open in its header; the largest networks have two thousand.
const MAX_TENSORS: usize = 20_000;

/// Whether bytes start like a ZIP archive or a pickle, as PyTorch's files do.
pub(super) fn starts_as_pytorch(start: &[u8]) -> bool {
    // The length of a safetensors header may start like a pickle; its ninth byte tells.
    let safetensors = start.get(8) == Some(&b'{');
    !safetensors && (start.starts_with(b"PK\x03\x04") || start.starts_with(b"\x80"))
}

/// A safetensors file.
pub(super) struct Safetensors<'a> {
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> Safetensors<'a> {
    /// Takes the bytes of a file apart.
    ///
    /// # Errors
    ///
    /// If they are not those of a whole safetensors file, or its header is larger than any model's.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, FileProblem> {
        let (length, rest) = bytes.split_first_chunk().ok_or(FileProblem::Unknown)?;
        let length = u64::from_le_bytes(*length);
        // What is no header is not looked at.
        if rest.first() != Some(&b'{') {
            return Err(FileProblem::Unknown);
        }
        let too_much = |limit: u64, what: &str, got: u64| {
            let problem = format!("expected at most {limit} {what} in the header, got {got}");
            Err(FileProblem::Safetensors(problem))
        };
        if length > MAX_HEADER {
            return too_much(MAX_HEADER, "bytes", length);
        }
        let header = &rest[..rest.len().min(length as usize)];
        // Every tensor opens one, whatever it is called.
        let braces = header.iter().filter(|byte| **byte == b'{').count();
        if braces > MAX_TENSORS {
            return too_much(MAX_TENSORS as u64, "tensors", braces as u64);
        }
        // The crate takes the last of several entries of one name.
        if let Err(error) = serde_json::from_slice::<Distinct>(header) {
            return Err(FileProblem::Safetensors(format!("header: {error}")));
        }
        let (_, read) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let metadata = read.metadata().clone().unwrap_or_default();
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        Ok(Self { tensors, metadata })
    }

    /// What the file says of itself.
    pub(super) fn all_metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// An entry of it.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The tensors, without their numbers.
    pub(super) fn listed(&self) -> Vec<Listed<TensorView<'a>>> {
        let tensors = self.tensors.tensors().into_iter();
        tensors
            .map(|(name, view)| Listed {
                name,
                shape: view.shape().to_vec(),
                numbers: numbers(view.dtype()),
                place: view,
            })
            .collect()
    }

    /// The numbers of tensors.
    pub(super) fn values(&self, tensors: Vec<Readable<TensorView<'a>>>) -> State {
        let tensors = tensors.into_iter();
        tensors
            .map(|Readable { name, numbers, place }| {
                (name, numbers.tensor(place.data(), place.shape().to_vec()))
            })
            .collect()
    }

    /// All tensors, which are to make up a model.
    ///
    /// # Errors
    ///
    /// If one is of other numbers than a model.
    pub(super) fn state(&self, config: &ModelConfig) -> Result<State, FileProblem> {
        let mut listed = self.listed();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        let tensors = listed.into_iter().map(|Listed { name, numbers, place, .. }| match numbers {
            Numbers::Float(numbers) => Ok(Readable { name, numbers, place }),
            Numbers::Other(got) => Err(wrong(config, StateError::DType { name, got })),
        });
        Ok(self.values(tensors.collect::<Result<_, _>>()?))
    }
}

/// An object of JSON whose keys are all different.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Distinct;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distinct, A::Error> {
                let mut keys = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if keys.contains(&key) {
                        let key = quoted(&key);
                        return Err(A::Error::custom(format!("{key} is there twice")));
                    }
                    keys.insert(key);
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Distinct)
            }
        }
        from.deserialize_map(Keys)
    }
}

fn numbers(dtype: Dtype) -> Numbers {
    match dtype {
        Dtype::F16 => Numbers::Float(Float::F16),
        Dtype::BF16 => Numbers::Float(Float::BF16),
        Dtype::F32 => Numbers::Float(Float::F32),
        Dtype::F64 => Numbers::Float(Float::F64),
        other => Numbers::Other(format!("{other:?}")),
    }
}

fn damaged(error: SafeTensorError) -> FileProblem {
    use SafeTensorError::{HeaderTooLarge, HeaderTooSmall, InvalidHeader};
    match error {
        // Files of PyTorch's do not come here.
        HeaderTooSmall | HeaderTooLarge | InvalidHeader(_) => FileProblem::Unknown,
        error => FileProblem::Safetensors(error.to_string()),
    }
}
