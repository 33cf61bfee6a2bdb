//! In which form a deployed file has its weights.
//!
//! Weights are the tensors of two or four sides: classifiers and filters, nearly all of a network. The other
//! numbers, one or two for each channel, are always of 32 bits. Under [`KEY`] the metadata say the form:
//!
//! - `f32`: everything in 32 bits.
//! - `f16` or `bf16`: the weights in 16 bits. `cobasis deploy` writes `f16`.
//! - `int8`: of each output channel of a weight, whole numbers of 8 bits and a scale of 32; a weight is their
//!   product. Entries of a header are long beside a channel's numbers, so there are few of them: the
//!   weights under their names (I8), [`SCALES`] (F32, of the weights in the order of their names),
//!   [`VECTORS`] (F32, all other tensors) and [`PACKED`] (U8, what [`Listing`] says, in zlib's format).
//!
//! Files without that entry are of an older version, or somebody else converted them: floating point numbers
//! of any kind.

use std::collections::BTreeMap;
use std::fmt;

use crate::bytes::Bytes;
use crate::error::Error;
use crate::int8;
use crate::safetensors::{File, Numbers};

pub use crate::int8::{Listing, PACKED, SCALES, VECTORS, products, scales, whole};
pub use crate::safetensors::Tensor;

/// The entry of the metadata that has the form.
pub const KEY: &str = "weights";

/// The form of weights in a deployed file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// Floating point numbers of 32 bits.
    #[default]
    F32,
    /// Floating point numbers of 16 bits: 5 of exponent, 10 of fraction.
    F16,
    /// Whole numbers from −127 to 127, and a scale for each output channel.
    Int8,
}

impl Weights {
    /// All of them.
    pub const ALL: [Self; 3] = [Weights::F32, Weights::F16, Weights::Int8];

    /// Its name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Weights::F32 => "f32",
            Weights::F16 => "f16",
            Weights::Int8 => "int8",
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which side of a tensor its output channels are: of filters, `[filters, channels, height, width]`, the
/// first, of a classifier, `[inputs, outputs]`, the last; `None` if it is no weight.
pub fn output_side(shape: &[usize]) -> Option<usize> {
    match shape.len() {
        4 => Some(0),
        2 => Some(1),
        _ => None,
    }
}

/// The tensors of a deployed file, as numbers of 32 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensors {
    /// The form that they had in the file; those of `bf16` have become [`Weights::F32`].
    pub weights: Weights,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// The scales of those that were whole numbers.
    pub scales: BTreeMap<String, Vec<f32>>,
}

impl Tensors {
    /// Reads the bytes of a deployed file.
    ///
    /// # Errors
    ///
    /// If they are not those of a whole safetensors file, or its numbers not as its metadata say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let file = File::read(Bytes::Here(bytes))?;
        let weights = match file.metadata.get(KEY).map(String::as_str) {
            Some("f16") => Weights::F16,
            Some("int8") => Weights::Int8,
            _ => Weights::F32,
        };
        let tensors = file.names().map(|name| Ok((name.to_string(), file.tensor(name)?)));
        let tensors = tensors.collect::<Result<_, Error>>()?;
        let scales = file.tensors.into_iter().filter_map(|(name, tensor)| match tensor.numbers {
            Numbers::Scaled { scales, .. } => Some((name, scales)),
            _ => None,
        });
        Ok(Self { weights, tensors, scales: scales.collect() })
    }
}

/// Checks that a file's numbers are as its metadata say, and unpacks those of int8.
pub(crate) fn settle(file: &mut File) -> Result<(), Error> {
    let form = file.metadata.get(KEY).map(String::as_str);
    let (of_weights, said) = match form {
        None => (None, "as nothing else is said"),
        Some("f32") => (Some("F32"), "as the metadata say (\"weights\": \"f32\")"),
        Some("f16") => (Some("F16"), "as the metadata say (\"weights\": \"f16\")"),
        Some("bf16") => (Some("BF16"), "as the metadata say (\"weights\": \"bf16\")"),
        Some("int8") => return int8::unpack(file),
        Some(other) => return Err(Error::Weights(other.to_string())),
    };
    for (name, tensor) in &file.tensors {
        let expected = match (of_weights, output_side(&tensor.shape)) {
            (None, _) => "F32, F16 or BF16",
            (Some(kind), Some(_)) => kind,
            (Some(_), None) => "F32",
        };
        let got = tensor.numbers.name();
        if !expected.split([',', ' ']).any(|kind| kind == got) {
            let problem = format!("expected {expected}, {said}, got {got}");
            return Err(Error::Tensor { name: name.clone(), problem });
        }
    }
    Ok(())
}
