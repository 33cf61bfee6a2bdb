//! Weights as whole numbers of 8 bits: how they are made, how they lie in a file, and how they are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::error::{Error, short};
use crate::safetensors::{File, Numbers, Stored};
use crate::weights::output_side;

/// The tensor of all scales.
pub const SCALES: &str = "scales";
/// The tensor of all numbers that are no weights.
pub const VECTORS: &str = "vectors";
/// The tensor that has a [`Listing`].
pub const PACKED: &str = "plan";

/// The largest whole number.
const LARGEST: f32 = 127.0;
/// Bytes of a listing; one of ours has a few hundred thousand.
const MAX_LISTING: usize = 4 << 20;

/// What a file of whole numbers has beside numbers. Written out, it would be as long as many weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// What other files have in their metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Names and shapes of the tensors whose numbers are in [`VECTORS`], in their order there.
    pub vectors: Vec<(String, Vec<usize>)>,
}

impl Listing {
    /// The bytes of the tensor [`PACKED`].
    pub fn to_bytes(&self) -> Vec<u8> {
        // Only maps with keys that are no strings can't be written.
        let json = serde_json::to_vec(self).expect("plain data is JSON");
        compress_to_vec_zlib(&json, 9)
    }

    /// Reads the bytes of the tensor [`PACKED`].
    ///
    /// # Errors
    ///
    /// If they are not those of a listing, or are those of more than four megabytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let json = decompress_to_vec_zlib_with_limit(bytes, MAX_LISTING);
        let json = json.map_err(|error| of(PACKED, format!("expected zlib's format: {error}")))?;
        serde_json::from_slice(&json).map_err(|error| of(PACKED, error.to_string()))
    }
}

/// The scales of a weight's output channels: the largest magnitude of each over 127, so that no number is
/// cut, and each is off by at most half a scale.
///
/// # Panics
///
/// Panics if the shape is no weight's.
pub fn scales(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let (outputs, channel) = channels(shape).expect("a weight has output channels");
    let mut largest = vec![0f32; outputs];
    for (index, value) in values.iter().enumerate() {
        let largest = &mut largest[channel(index)];
        *largest = largest.max(value.abs());
    }
    let scale = |largest: f32| match largest > 0.0 {
        true => (largest / LARGEST).max(f32::MIN_POSITIVE),
        // Zeros times anything.
        false => 1.0,
    };
    largest.into_iter().map(scale).collect()
}

/// The whole numbers that are nearest to a weight's numbers over the scales of their output channels; of
/// two, the even ones.
///
/// # Panics
///
/// Panics if the shape is no weight's, or there are fewer scales than output channels.
pub fn whole(values: &[f32], shape: &[usize], scales: &[f32]) -> Vec<i8> {
    let (_, channel) = channels(shape).expect("a weight has output channels");
    let whole = |(index, value): (usize, &f32)| {
        let steps = (value / scales[channel(index)]).round_ties_even();
        steps.clamp(-LARGEST, LARGEST) as i8
    };
    values.iter().enumerate().map(whole).collect()
}

/// The numbers of a weight: whole numbers times the scales of their output channels.
///
/// # Panics
///
/// Panics if the shape is no weight's, or there are fewer scales than output channels.
pub fn products(whole: impl IntoIterator<Item = i8>, shape: &[usize], scales: &[f32]) -> Vec<f32> {
    let (_, channel) = channels(shape).expect("a weight has output channels");
    let whole = whole.into_iter().enumerate();
    whole.map(|(index, steps)| f32::from(steps) * scales[channel(index)]).collect()
}

/// How many output channels a shape has, and which of them the number at a place is of.
fn channels(shape: &[usize]) -> Option<(usize, impl Fn(usize) -> usize)> {
    let side = output_side(shape)?;
    let outputs = shape[side];
    let inner: usize = shape[side + 1..].iter().product();
    Some((outputs, move |index| index / inner.max(1) % outputs.max(1)))
}

/// Gives whole numbers their scales, and takes apart what is joined.
pub(crate) fn unpack(file: &mut File) -> Result<(), Error> {
    let mut take = |name: &str, kind: &str| {
        let missing = "expected in a file of int8 weights, which has no such tensor";
        let tensor = file.tensors.remove(name).ok_or_else(|| of(name, missing.to_string()))?;
        match (tensor.numbers, tensor.shape.len()) {
            (Numbers::F32(bytes), 1) if kind == "F32" => Ok(bytes),
            (Numbers::U8(bytes), 1) if kind == "U8" => Ok(bytes),
            (numbers, sides) => {
                let got = numbers.name();
                Err(of(name, format!("expected {kind} of one side, got {got} of {sides}")))
            }
        }
    };
    let [scales, vectors] = [take(SCALES, "F32")?, take(VECTORS, "F32")?];
    let read = |name, bytes: Bytes| {
        bytes.read().map(Cow::into_owned).map_err(|error| of(name, error.to_string()))
    };
    let listing = read(PACKED, take(PACKED, "U8")?)?;
    let Listing { plan, vectors: listed } = Listing::from_bytes(&listing)?;
    scale(&mut file.tensors, &read(SCALES, scales)?)?;
    let (mut rest, has) = (vectors, vectors.len() / 4);
    for (name, shape) in listed {
        let count = shape.iter().try_fold(4usize, |count, &side| count.checked_mul(side));
        let Some((bytes, after)) = count.and_then(|count| rest.split_at_checked(count)) else {
            let problem = format!("expected {shape:?} among {has} \"{VECTORS}\", got too few");
            return Err(of(&name, problem));
        };
        rest = after;
        let tensor = Stored { shape, numbers: Numbers::F32(bytes) };
        if file.tensors.insert(name.clone(), tensor).is_some() {
            return Err(of(&name, "is there twice".to_string()));
        }
    }
    if !rest.is_empty() {
        let expected = has - rest.len() / 4;
        return Err(of(VECTORS, format!("expected {expected} numbers, got {has}")));
    }
    file.packed_plan = plan;
    Ok(())
}

/// Gives weights, in the order of their names, their scales.
fn scale(tensors: &mut BTreeMap<String, Stored>, scales: &[u8]) -> Result<(), Error> {
    let mut rest = scales.as_chunks().0;
    let mut expected = 0usize;
    for (name, tensor) in tensors {
        let (Numbers::I8(values), Some(side)) = (&tensor.numbers, output_side(&tensor.shape))
        else {
            let (got, sides) = (tensor.numbers.name(), tensor.shape.len());
            let problem = format!(
                "expected I8 of two or four sides in a file of int8 weights, got {got} of {sides}"
            );
            return Err(of(name, problem));
        };
        let outputs = tensor.shape[side];
        expected = expected.saturating_add(outputs);
        let Some((own, after)) = rest.split_at_checked(outputs) else {
            let got = rest.len();
            let problem = format!("expected {outputs} \"{SCALES}\" after those before, got {got}");
            return Err(of(name, problem));
        };
        rest = after;
        let own: Vec<f32> = own.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        // The product with any whole number is a number.
        let is_scale = |scale: f32| scale > 0.0 && (scale * 128.0).is_finite();
        if let Some(channel) = own.iter().position(|&scale| !is_scale(scale)) {
            let got = own[channel];
            let problem = format!("output channel {channel}: expected a scale above 0, got {got}");
            return Err(of(name, problem));
        }
        tensor.numbers = Numbers::Scaled { values: *values, scales: own };
    }
    if !rest.is_empty() {
        let got = expected.saturating_add(rest.len());
        return Err(of(SCALES, format!("expected {expected} numbers, got {got}")));
    }
    Ok(())
}

fn of(name: &str, problem: String) -> Error {
    Error::Tensor { name: name.to_string(), problem: cut(problem) }
}

/// A shape of a file may be long.
fn cut(problem: String) -> String {
    match problem.len() > 200 {
        true => short(&problem),
        false => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_each_output_channel_are_off_by_at_most_half_a_scale() {
        let values: Vec<f32> =
            (0..24).map(|index| ((index * 37 % 24) as f32 - 11.0) * 0.3).collect();
        for (shape, outputs) in [(vec![2, 3, 2, 2], 2), (vec![6, 4], 4)] {
            let scales = scales(&values, &shape);
            assert_eq!(scales.len(), outputs);
            let whole = whole(&values, &shape, &scales);
            let back = products(whole.iter().copied(), &shape, &scales);
            let (_, channel) = channels(&shape).expect("a weight");
            for (index, (value, back)) in values.iter().zip(&back).enumerate() {
                let scale = scales[channel(index)];
                assert!((value - back).abs() <= scale * 0.5001, "{value} {back}");
            }
            for output in 0..outputs {
                let of_channel = (0..24).filter(|&index| channel(index) == output);
                assert_eq!(of_channel.map(|index| whole[index].unsigned_abs()).max(), Some(127));
            }
        }
        // A classifier's output channels are its columns.
        let (values, shape) = ([127.0, 0.0, -1.0, 0.0, 64.5, 0.0], [3, 2]);
        let scales = scales(&values, &shape);
        assert_eq!(scales, [1.0, 1.0]);
        assert_eq!(whole(&values, &shape, &scales), [127, 0, -1, 0, 64, 0]);
    }

    #[test]
    fn tiny_numbers_and_large_ones_stay_numbers() {
        let (values, shape) = ([f32::from_bits(1), 0.0, 0.0, -f32::MAX], [2, 2, 1, 1]);
        let scales = scales(&values, &shape);
        assert!(scales[0] == f32::MIN_POSITIVE && scales[1].is_finite());
        assert_eq!(whole(&values, &shape, &scales), [0, 0, 0, -127]);
    }

    #[test]
    fn a_listing_comes_back() {
        let vectors = vec![("a.bias".to_string(), vec![3]), ("b".to_string(), vec![1, 1, 5])];
        for plan in [None, Some("{\"version\":1}".to_string())] {
            let listing = Listing { plan, vectors: vectors.clone() };
            assert_eq!(Listing::from_bytes(&listing.to_bytes()).expect("a listing"), listing);
        }
        let bomb = compress_to_vec_zlib(&vec![b' '; MAX_LISTING + 1], 9);
        for (bytes, said) in [
            (vec![], "expected zlib's format"),
            (bomb, "expected zlib's format"),
            (compress_to_vec_zlib(b"{\"vectors\":3}", 9), "invalid type"),
            (compress_to_vec_zlib(b"{\"vectors\":[],\"more\":1}", 9), "unknown field"),
        ] {
            let error = Listing::from_bytes(&bytes).expect_err("no listing").to_string();
            assert!(error.starts_with("tensor \"plan\": ") && error.contains(said), "{error}");
        }
    }
}
