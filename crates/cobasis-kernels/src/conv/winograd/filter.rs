//! Weights transformed and packed.

use std::ops::Range;

use super::super::ConvShape;
use super::super::panels::{Block, Panels};
use super::{LAYERS, PATCH, Tiles, points};
use crate::isa::{self, Simd};
use crate::scratch;

/// A weight packed for the Winograd convolution.
#[derive(Debug, Clone)]
pub enum Weight {
    /// Transformed matrices.
    Transformed(Panels),
    /// Taps, transformed while they are used.
    Taps(Panels),
}

impl Weight {
    /// Packs `[filters, channels_in, 3, 3]`: the filters of the shape, or some of them.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let inputs = shape.channels_in;
        let filters = weight.len() / (9 * inputs);
        let weight = Taps { weight, input: 9, output: inputs * 9, reversed: false };
        Self::pack([inputs, filters], inputs, weight, few_tiles(shape))
    }

    /// Packs filters, all or some, for the convolution that computes the input gradient: channels
    /// exchanged, taps reversed.
    #[cfg(feature = "gradients")]
    pub fn transposed(shape: &ConvShape, weight: &[f32]) -> Self {
        let inputs = shape.channels_in;
        let filters = weight.len() / (9 * inputs);
        let weight = Taps { weight, input: inputs * 9, output: 9, reversed: true };
        Self::pack([filters, inputs], shape.channels_out, weight, few_tiles(shape))
    }

    /// Whether it is ready for products.
    pub fn is_transformed(&self) -> bool {
        matches!(self, Self::Transformed(_))
    }

    /// The weight, in the order that [`new`](Self::new) takes, for so many inputs, if it is not transformed.
    pub fn unpack(&self, inputs: usize) -> Option<Vec<f32>> {
        let Self::Taps(panels) = self else { return None };
        let mut weight = vec![0.0; panels.columns() * inputs * 9];
        for tap in 0..9 {
            panels.each(tap, |input, output, value| {
                weight[(output * inputs + input) * 9 + tap] = value;
            });
        }
        Some(weight)
    }

    /// The filters of several weights of the same shape, side by side.
    pub fn join<'a>(mut parts: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let panels = Panels::join(parts.clone().map(Self::panels));
        match parts.next() {
            Some(Self::Taps(_)) => Self::Taps(panels),
            _ => Self::Transformed(panels),
        }
    }

    /// `run` is the number of input channels of the whole convolution.
    fn pack([inputs, outputs]: [usize; 2], run: usize, weight: Taps, few_tiles: bool) -> Self {
        // The taps of a few inputs at a time stay in the first-level cache.
        const AT_ONCE: usize = 4;
        let chunks = (0..inputs).step_by(AT_ONCE).map(|i| i..(i + AT_ONCE).min(inputs));
        if few_tiles {
            return Self::Taps(Panels::pack([9, inputs, outputs], run, |block, values| {
                for range in chunks.clone() {
                    weight.spread(range, inputs, block, values);
                }
            }));
        }
        Self::Transformed(Panels::pack([LAYERS, inputs, outputs], run, |block, values| {
            let width = block.width.next_multiple_of(isa::lanes());
            let mut taps = scratch::take(AT_ONCE * 9 * width);
            taps.fill(0.0);
            for range in chunks.clone() {
                weight.gather(range.clone(), block, width, &mut taps);
                isa::dispatch(Transform { taps: &taps, range, inputs, block, width, values });
            }
        }))
    }

    /// The matrices or taps.
    pub fn panels(&self) -> &Panels {
        match self {
            Self::Transformed(panels) | Self::Taps(panels) => panels,
        }
    }
}

/// Whether writing the transformed weight to memory and reading it costs more than transforming it
/// again each time: it is large, and not used often.
pub fn few_tiles(shape: &ConvShape) -> bool {
    let tiles = Tiles::new(shape.batch, shape.output()).count;
    shape.channels_in * shape.channels_out >= 1 << 15 && (16..=48).contains(&tiles)
}

/// Transforms the taps of a block to one row of layers: `len` values each, `taps` and `to` one
/// layer every `stride` values.
#[inline(always)]
pub fn transform_row<S: Simd>(
    s: S,
    row: usize,
    taps: [&[f32]; 9],
    (to, stride): (&mut [f32], usize),
    len: usize,
) {
    assert!(stride >= len && to.len() >= PATCH * stride);
    assert!(taps.iter().all(|taps| taps.len() >= len));
    let [first, second, third] = points::FILTER[row];
    let (first, second, third) = (s.splat(first), s.splat(second), s.splat(third));
    let mut i = 0;
    while i < len {
        let count = (len - i).min(S::LANES);
        let mut row = [s.splat(0.0); 3];
        // SAFETY: the slices were checked to hold `len` values.
        unsafe {
            for j in 0..3 {
                let [a, b, c] = [j, j + 3, j + 6].map(|tap| taps[tap].as_ptr().add(i));
                let (a, b, c) = if count == S::LANES {
                    (s.load(a), s.load(b), s.load(c))
                } else {
                    (s.load_first(a, count), s.load_first(b, count), s.load_first(c, count))
                };
                row[j] = s.fma(a, first, s.fma(b, second, s.mul(c, third)));
            }
            let layers = points::filter(s, row);
            for j in 0..PATCH {
                let to = to.as_mut_ptr().add(j * stride + i);
                if count == S::LANES {
                    s.store(to, layers[j]);
                } else {
                    s.store_first(to, layers[j], count);
                }
            }
        }
        i += S::LANES;
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
    /// Writes the taps of some inputs and a block of outputs in the order of [`Panels`].
    fn spread(&self, range: Range<usize>, inputs: usize, block: Block, values: &mut [f32]) {
        let layer = values.len() / 9;
        for column in 0..block.width {
            for input in range.clone() {
                let at = match block.vectors {
                    0 => column * inputs + input,
                    _ => input * block.width + column,
                };
                let start = (block.first + column) * self.output + input * self.input;
                for tap in 0..9 {
                    values[tap * layer + at] = match column < block.columns {
                        true => self.weight[start + if self.reversed { 8 - tap } else { tap }],
                        false => 0.0,
                    };
                }
            }
        }
    }

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
