//! Memory in cache lines.

use bytemuck::{Pod, Zeroable};

/// A cache line of numbers: vectors that are aligned to it never straddle two.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LINE]);

/// Numbers in a line.
const LINE: usize = 16;

// SAFETY: an array of f32 without padding, for which all zeros are a value.
unsafe impl Zeroable for Line {}
// SAFETY: as above; every bit pattern is a value.
unsafe impl Pod for Line {}

impl Line {
    /// The lines that hold a count of numbers.
    pub(crate) fn count(numbers: usize) -> usize {
        numbers.div_ceil(LINE)
    }

    /// A count of lines of zeros.
    pub(crate) fn zeros(count: usize) -> Vec<Line> {
        bytemuck::zeroed_vec(count)
    }
}
