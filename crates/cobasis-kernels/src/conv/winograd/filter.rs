//! Weights transformed and packed.

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
        Self::transform(inputs, shape.channels_out, |output, input, tap| {
            weight[(output * inputs + input) * 9 + tap]
        })
    }

    /// Transforms the weight of the convolution that computes the input gradient: channels
    /// exchanged, taps reversed.
    pub fn transposed(shape: &ConvShape, weight: &[f32]) -> Self {
        let inputs = shape.channels_in;
        Self::transform(shape.channels_out, inputs, |output, input, tap| {
            weight[(input * inputs + output) * 9 + 8 - tap]
        })
    }

    fn transform(
        inputs: usize,
        outputs: usize,
        get: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let panels = Panels::pack([LAYERS, inputs, outputs], inputs, |block, values| {
            let width = block.width.next_multiple_of(isa::lanes());
            let mut taps = scratch::take(inputs * 9 * width);
            taps.fill(0.0);
            for column in 0..block.columns {
                for input in 0..inputs {
                    for tap in 0..9 {
                        taps[(input * 9 + tap) * width + column] =
                            get(block.first + column, input, tap);
                    }
                }
            }
            isa::dispatch(Transform { taps: &taps, inputs, block, width, values });
        });
        Self { panels }
    }

    /// The transformed matrices.
    pub fn panels(&self) -> &Panels {
        &self.panels
    }
}

struct Transform<'a> {
    /// `[input, tap, width]`.
    taps: &'a [f32],
    inputs: usize,
    block: Block,
    width: usize,
    values: &'a mut [f32],
}

impl isa::Task for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { taps, inputs, block, width, values } = self;
        assert!(taps.len() == inputs * 9 * width && width % S::LANES == 0);
        let layer = inputs * block.width;
        assert!(values.len() == LAYERS * layer);
        let mut buffer = [0.0; 64];
        for input in 0..inputs {
            let mut column = 0;
            while column < width {
                let from = taps[input * 9 * width + column..].as_ptr();
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
                            let layer = &mut values[(i * PATCH + j) * layer..][..layer];
                            if block.vectors > 0 {
                                let to = &mut layer[input * width + column..];
                                s.store(to[..S::LANES].as_mut_ptr(), row[j]);
                            } else {
                                s.store(buffer.as_mut_ptr(), row[j]);
                                for k in 0..block.columns {
                                    layer[k * inputs + input] = buffer[k];
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
