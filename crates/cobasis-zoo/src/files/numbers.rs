//! The numbers of tensors in files: which kinds are read, and how they become ours.

use burn::tensor::{TensorData, bf16, f16};

/// Floating point numbers, of which weights are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    F16,
    BF16,
    F32,
    F64,
}

/// The numbers that a tensor is made of, as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Numbers that weights may be of.
    Float(Float),
    /// Others, by their name.
    Other(String),
}

impl Float {
    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Float::F16 | Float::BF16 => 2,
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }

    /// Little-endian bytes, as all formats store them, as our numbers. Those of 64 bits are rounded;
    /// what is too large for 32 becomes infinite.
    pub(super) fn values(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Float::F16 => of(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Float::BF16 => of(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Float::F32 => of(bytes, f32::from_le_bytes),
            Float::F64 => of(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        }
    }

    /// A tensor of a shape from its bytes in the order of rows.
    pub(super) fn tensor(self, bytes: &[u8], shape: Vec<usize>) -> TensorData {
        TensorData::new(self.values(bytes), shape)
    }
}

fn of<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_read_exactly_and_those_of_64_rounded() {
        let halves = [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0x7c00].map(u16::to_le_bytes);
        let read = Float::F16.values(halves.as_flattened());
        assert_eq!(read, [1.0, -2.0, 2.0f32.powi(-24), 65504.0, f32::INFINITY]);
        let brains = [0x3f80u16, 0xc049, 0x7f80].map(u16::to_le_bytes);
        let read = Float::BF16.values(brains.as_flattened());
        assert_eq!(read, [1.0, -3.140625, f32::INFINITY]);
        let doubles = [0.1f64, -1e300, 1.0 + 2.0f64.powi(-30)].map(f64::to_le_bytes);
        let read = Float::F64.values(doubles.as_flattened());
        assert_eq!(read, [0.1f32, f32::NEG_INFINITY, 1.0]);
        assert!(Float::F16.values(&0x7e01u16.to_le_bytes())[0].is_nan());
    }
}
