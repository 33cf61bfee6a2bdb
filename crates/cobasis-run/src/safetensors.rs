//! Safetensors files, taken apart: the length of a header, the header in JSON, numbers.

use std::collections::BTreeMap;
use std::{fmt, io};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::bytes::Bytes;
use crate::error::{Error, short};
use crate::{int8, plan, weights};

/// Bytes of a header; one of ours has at most two megabytes.
const MAX_HEADER: u64 = 16 << 20;

/// A file: what it says of itself, and where its tensors lie.
pub(crate) struct File<'a> {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, Stored<'a>>,
    /// The plan, where it is no entry of the metadata.
    pub(crate) packed_plan: Option<String>,
}

/// A tensor of the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// A tensor as it lies in a file.
pub(crate) struct Stored<'a> {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Numbers<'a>,
}

/// Little-endian numbers, in the order of rows.
pub(crate) enum Numbers<'a> {
    F32(Bytes<'a>),
    F16(Bytes<'a>),
    BF16(Bytes<'a>),
    /// Without scales yet.
    I8(Bytes<'a>),
    /// No numbers of a network.
    U8(Bytes<'a>),
    Scaled {
        values: Bytes<'a>,
        /// One for each output channel.
        scales: Vec<f32>,
    },
}

/// The numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its sides.
    pub shape: Vec<usize>,
    /// Row after row.
    pub values: Vec<f32>,
}

impl<'a> File<'a> {
    /// Takes the bytes of a file apart. Each byte behind the header is one tensor's, so that no more
    /// memory is needed than a few times what the file has. Of a file on the disk, numbers are read when
    /// they are wanted.
    ///
    /// # Errors
    ///
    /// If they are not those of a whole file, or its numbers not as its metadata say.
    pub(crate) fn read(bytes: Bytes<'a>) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Safetensors(problem);
        let unreadable = |error: io::Error| wrong(error.to_string());
        let short = || wrong(format!("expected at least 8 bytes, got {}", bytes.len()));
        let (length, rest) = bytes.split_at_checked(8).ok_or_else(short)?;
        let length = length.read().map_err(unreadable)?;
        let length = u64::from_le_bytes(length[..8].try_into().map_err(|_| short())?);
        let most = MAX_HEADER.min(rest.len() as u64);
        let parts = usize::try_from(length.min(MAX_HEADER + 1)).ok();
        let parts = parts.and_then(|length| rest.split_at_checked(length));
        let Some((header, data)) = parts.filter(|_| length <= MAX_HEADER) else {
            return Err(wrong(format!("expected a header of at most {most} bytes, got {length}")));
        };
        let header: Header = serde_json::from_slice(&header.read().map_err(unreadable)?)
            .map_err(|error| wrong(format!("header: {error}")))?;
        let tensors = stored(header.tensors, data)?;
        let mut file = Self { metadata: header.metadata, tensors, packed_plan: None };
        weights::settle(&mut file)?;
        Ok(file)
    }

    /// What the file says under the plan's key, wherever it has that.
    pub(crate) fn plan(&self) -> Option<&str> {
        self.packed_plan.as_ref().or_else(|| self.metadata.get(plan::KEY)).map(String::as_str)
    }

    /// The shape of a tensor.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    /// The names of the tensors.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensor of this name.
    ///
    /// # Errors
    ///
    /// If there is none, or the disk does not give its bytes any more.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, Error> {
        let problem = |problem| Error::Tensor { name: name.to_string(), problem };
        let missing = || problem("expected in the file, which has no such tensor".to_string());
        let Stored { shape, numbers } = self.tensors.get(name).ok_or_else(missing)?;
        let values = numbers.values(shape).map_err(|error| problem(error.to_string()))?;
        Ok(Tensor { shape: shape.clone(), values })
    }
}

/// The tensors of a header, if they lie one after the other and fill the file.
fn stored(
    entries: BTreeMap<String, Entry>,
    data: Bytes<'_>,
) -> Result<BTreeMap<String, Stored<'_>>, Error> {
    let mut ranges: Vec<[usize; 2]> = Vec::with_capacity(entries.len());
    let mut tensors = BTreeMap::new();
    for (name, Entry { dtype, shape, data_offsets }) in entries {
        let problem = |problem| Error::Tensor { name: name.clone(), problem };
        type Kind<'a> = fn(Bytes<'a>) -> Numbers<'a>;
        let (size, kind): (usize, Kind) = match dtype.as_str() {
            "F32" => (4, Numbers::F32),
            "F16" => (2, Numbers::F16),
            "BF16" => (2, Numbers::BF16),
            "I8" => (1, Numbers::I8),
            "U8" => (1, Numbers::U8),
            other => {
                let other = short(other);
                return Err(problem(format!("expected F32, F16, BF16 or I8, got {other}")));
            }
        };
        let numbers = shape.iter().try_fold(size, |size: usize, &side| size.checked_mul(side));
        let [start, end] = data_offsets;
        let bytes = data.get(data_offsets).filter(|bytes| numbers == Some(bytes.len()));
        let Some(bytes) = bytes else {
            let got = format!("{shape:?} and bytes from {start} to {end} of {}", data.len());
            return Err(problem(format!("expected as many bytes as its shape has, got {got}")));
        };
        ranges.push(data_offsets);
        tensors.insert(name, Stored { shape, numbers: kind(bytes) });
    }
    ranges.sort_unstable();
    let end = ranges.iter().try_fold(0, |at, &[start, end]| (start == at).then_some(end));
    if end != Some(data.len()) {
        let problem = format!("expected tensors that fill {} bytes in a row", data.len());
        return Err(Error::Safetensors(problem));
    }
    Ok(tensors)
}

impl Numbers<'_> {
    /// What files call them.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Numbers::F32(_) => "F32",
            Numbers::F16(_) => "F16",
            Numbers::BF16(_) => "BF16",
            Numbers::I8(_) | Numbers::Scaled { .. } => "I8",
            Numbers::U8(_) => "U8",
        }
    }

    fn values(&self, shape: &[usize]) -> io::Result<Vec<f32>> {
        Ok(match self {
            Numbers::F32(bytes) => {
                let bytes = bytes.read()?;
                bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
            }
            Numbers::F16(bytes) => halves(&bytes.read()?).map(from_f16).collect(),
            Numbers::BF16(bytes) => {
                let bytes = bytes.read()?;
                halves(&bytes).map(|half| f32::from_bits(u32::from(half) << 16)).collect()
            }
            Numbers::Scaled { values, scales } => {
                int8::products(values.read()?.iter().map(|&byte| byte as i8), shape, scales)
            }
            // Whole numbers without scales are no tensors of a network that was checked.
            Numbers::I8(bytes) => bytes.read()?.iter().map(|&b| f32::from(b as i8)).collect(),
            Numbers::U8(bytes) => bytes.read()?.iter().map(|&byte| f32::from(byte)).collect(),
        })
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|&half| u16::from_le_bytes(half))
}

/// A number of 16 bits: sign, 5 bits of exponent, 10 of fraction.
fn from_f16(half: u16) -> f32 {
    let (sign, rest) = (u32::from(half >> 15) << 31, u32::from(half & 0x7fff));
    let magnitude = match rest >> 10 {
        // What is smaller than normal numbers counts steps of 2⁻²⁴.
        0 => rest as f32 * f32::from_bits(103 << 23),
        31 => f32::from_bits(0x7f80_0000 | (rest & 0x3ff) << 13),
        _ => f32::from_bits((rest << 13) + (112 << 23)),
    };
    f32::from_bits(sign | magnitude.to_bits())
}

struct Header {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Entry>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut metadata = None;
                let mut tensors = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let twice = match key.as_str() {
                        "__metadata__" => metadata.replace(map.next_value()?).is_some(),
                        _ => tensors.insert(key.clone(), map.next_value()?).is_some(),
                    };
                    if twice {
                        return Err(A::Error::custom(format!("{} is there twice", short(&key))));
                    }
                }
                Ok(Header { metadata: metadata.unwrap_or_default(), tensors })
            }
        }
        from.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn numbers_of_each_type_are_read() {
        let header = r#"{"__metadata__":{"a":"b"},
            "h":{"dtype":"F16","shape":[6],"data_offsets":[0,12]},
            "b":{"dtype":"BF16","shape":[1],"data_offsets":[12,14]},
            "f":{"dtype":"F32","shape":[1,1],"data_offsets":[14,18]}}"#;
        let halves = [0x3c00u16, 0xc180, 0x0001, 0x7bff, 0xfc00, 0x8000, 0x3fc0];
        let mut data: Vec<u8> = halves.into_iter().flat_map(u16::to_le_bytes).collect();
        data.extend((-2.5f32).to_le_bytes());
        let bytes = file(header, &data);
        let file = File::read(Bytes::Here(&bytes)).expect("a file");
        let values = |name| file.tensor(name).expect("a tensor").values;
        let small = 2f32.powi(-24);
        assert_eq!(values("h"), [1.0, -2.75, small, 65504.0, f32::NEG_INFINITY, -0.0]);
        assert!(values("h")[5].is_sign_negative());
        assert_eq!((values("b"), values("f")), (vec![1.5], vec![-2.5]));
        assert_eq!((file.shape("f"), file.metadata["a"].as_str()), (Some(&[1, 1][..]), "b"));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let entry = |offsets: &str, shape: &str| {
            format!(r#""x":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#)
        };
        let whole = entry("[0,8]", "[2]");
        for (header, said) in [
            ("[]".to_string(), "header"),
            (format!("{{{whole},{whole}}}"), "\"x\" is there twice"),
            (format!("{{{}}}", entry("[0,4]", "[1]")), "fill 8 bytes"),
            (format!("{{{}}}", entry("[0,16]", "[4]")), "as many bytes as its shape"),
            (format!("{{{}}}", entry("[0,8]", "[3]")), "as many bytes as its shape"),
            (format!("{{{}}}", entry("[8,0]", "[2]")), "as many bytes as its shape"),
            (
                format!("{{{}}}", entry("[0,8]", "[4611686018427387904,4]")),
                "as many bytes as its shape",
            ),
            (format!("{{{}}}", whole.replace("F32", "I64")), "expected F32, F16, BF16 or I8"),
        ] {
            let error =
                File::read(Bytes::Here(&file(&header, &[0; 8]))).map(|_| ()).expect_err("damaged");
            assert!(error.to_string().contains(said), "{error}");
        }
        for bytes in [&[][..], &[1; 7], &[255; 9], &[0; 8]] {
            assert!(File::read(Bytes::Here(bytes)).is_err());
        }
    }
}
