//! Weights transformed and packed.

use std::ops::Range;

use super::super::ConvShape;
use super::super::panels::{Block, Panels};
use super::{LAYERS, PATCH, points};
use crate::isa::{self, Simd};
use crate::scratch;

/// A weight transformed for the Winograd convolution.
#[derive(Debug, Clone)]
pub struct Weight {
    panels: Panels,
}

impl Weight {
    /// Transforms `[channels_out, channels_in, 3, 3]`.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let inputs = shape.channels_in;
        let weight = Taps { weight, input: 9, output: inputs * 9, reversed: false };
        Self::transform(inputs, shape.channels_out, weight)
    }

    /// Transforms the weight of the convolution that computes the input gradient: channels
    /// exchanged, taps reversed.
    pub fn transposed(shape: &ConvShape, weight: &[f32]) -> Self {
        let inputs = shape.channels_in;
        let weight = Taps { weight, input: inputs * 9, output: 9, reversed: true };
        Self::transform(shape.channels_out, inputs, weight)
    }

    fn transform(inputs: usize, outputs: usize, weight: Taps) -> Self {
        // The taps of a few inputs at a time stay in the first-level cache.
        const AT_ONCE: usize = 4;
        let panels = Panels::pack([LAYERS, inputs, outputs], inputs, |block, values| {
            let width = block.width.next_multiple_of(isa::lanes());
            let mut taps = scratch::take(AT_ONCE * 9 * width);
            taps.fill(0.0);
            for first in (0..inputs).step_by(AT_ONCE) {
                let range = first..(first + AT_ONCE).min(inputs);
                weight.gather(range.clone(), block, width, &mut taps);
                isa::dispatch(Transform { taps: &taps, range, inputs, block, width, values });
            }
        });
        Self { panels }
    }

    /// The transformed matrices.
    pub fn panels(&self) -> &Panels {
        &self.panels
    }
}

/// How a weight is read.
#[derive(Clone, Copy)]
struct Taps<'a> {
    weight: &'a [f32],
    /// Values from input to input and from output to output.
    input: usize,
    output: usize,
    /// Whether the last tap comes first.
    reversed: bool,
}

impl Taps<'_> {
    /// Writes the taps of some inputs and a block of outputs as `[input, tap, width]`.
    fn gather(&self, inputs: Range<usize>, block: Block, width: usize, to: &mut [f32]) {
        for column in 0..block.columns {
            for (input, to) in inputs.clone().zip(to.chunks_exact_mut(9 * width)) {
                let start = (block.first + column) * self.output + input * self.input;
                let taps = &self.weight[start..start + 9];
                for (tap, to) in to.iter_mut().skip(column).step_by(width).enumerate() {
                    *to = taps[if self.reversed { 8 - tap } else { tap }];
                }
            }
        }
    }
}

struct Transform<'a> {
    /// `[input, tap, width]` of the inputs in `range`.
    taps: &'a [f32],
    range: Range<usize>,
    inputs: usize,
    block: Block,
    width: usize,
    values: &'a mut [f32],
}

impl isa::Task for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { taps, range, inputs, block, width, values } = self;
        assert!(taps.len() >= range.len() * 9 * width && width % S::LANES == 0);
        let layer = values.len() / LAYERS;
        assert!(layer >= inputs * block.width && range.end <= inputs);
        let mut buffer = [0.0; 64];
        for input in range.clone() {
            let mut column = 0;
            while column < width {
                let from = taps[(input - range.start) * 9 * width + column..].as_ptr();
                let mut columns = [[s.splat(0.0); 3]; PATCH];
                // SAFETY: `taps` and `values` were checked; a vector has at most 64 values.
                unsafe {
                    for j in 0..3 {
                        let mut taps = [s.splat(0.0); 3];
                        for i in 0..3 {
                            taps[i] = s.load(from.add((i * 3 + j) * width));
                        }
                        let taps = points::filter(s, taps);
                        for i in 0..PATCH {
                            columns[i][j] = taps[i];
                        }
                    }
                    for i in 0..PATCH {
                        let row = points::filter(s, columns[i]);
                        for j in 0..PATCH {
                            let layer = values.as_mut_ptr().add((i * PATCH + j) * layer);
                            if block.vectors > 0 {
                                s.store(layer.add(input * width + column), row[j]);
                            } else {
                                s.store(buffer.as_mut_ptr(), row[j]);
                                for k in 0..block.columns {
                                    *layer.add(k * inputs + input) = buffer[k];
                                }
                            }
                        }
                    }
                }
                column += S::LANES;
            }
        }
    }
}
