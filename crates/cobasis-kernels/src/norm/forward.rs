//! The output of batch norm.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::rows::Rows;
use crate::conv::Activation;
use crate::vectorised::vectorised;

/// What is done to each number: `y = act((x − mean) · scale + shift + residual)`.
pub(crate) struct Normalise<'a> {
    /// `[channels]`, as are the next two.
    pub(crate) mean: &'a [f32],
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    /// `[rows, channels]`
    pub(crate) residual: Option<&'a [f32]>,
    pub(crate) activation: Activation,
}

/// Writes `y` for `x`, both `[rows, channels]`.
pub(crate) fn normalise(x: &[f32], y: &mut [f32], norm: &Normalise) {
    let rows = Rows::new(norm.mean.len());
    let wide = Wide {
        rows,
        mean: rows.widened(|channel| norm.mean[channel]),
        scale: rows.widened(|channel| norm.scale[channel]),
        shift: rows.widened(|channel| norm.shift[channel]),
        activation: norm.activation,
    };
    let size = rows.chunk();
    let chunks = y.par_chunks_mut(size).zip(x.par_chunks(size));
    match norm.residual {
        None => chunks.for_each(|(y, x)| vectorised(Chunk { wide: &wide, x, y, residual: None })),
        Some(residual) => chunks.zip(residual.par_chunks(size)).for_each(|((y, x), residual)| {
            vectorised(Chunk { wide: &wide, x, y, residual: Some(residual) });
        }),
    }
}

/// What belongs to each channel, as long as a wide row.
struct Wide {
    rows: Rows,
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    activation: Activation,
}

struct Chunk<'a> {
    wide: &'a Wide,
    x: &'a [f32],
    y: &'a mut [f32],
    residual: Option<&'a [f32]>,
}

impl NullaryFnOnce for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // A loop for each function, without a choice inside.
        match self.wide.activation {
            Activation::None => self.with(|value| value),
            Activation::Relu => self.with(relu),
            Activation::Relu6 => self.with(|value| {
                let value = relu(value);
                if value > 6.0 { 6.0 } else { value }
            }),
        }
    }
}

/// The positive part; what is no number stays none, as with Burn.
#[inline(always)]
fn relu(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

impl Chunk<'_> {
    #[inline(always)]
    fn with(self, activation: impl Fn(f32) -> f32) {
        let Self { wide, x, y, residual } = self;
        let channels = || wide.mean.iter().zip(&wide.scale).zip(&wide.shift);
        for range in wide.rows.wide(x.len()) {
            let numbers = y[range.clone()].iter_mut().zip(&x[range.clone()]).zip(channels());
            match residual {
                None => numbers.for_each(|((y, &x), ((&mean, &scale), &shift))| {
                    *y = activation((x - mean) * scale + shift);
                }),
                Some(residual) => numbers.zip(&residual[range]).for_each(
                    |(((y, &x), ((&mean, &scale), &shift)), &residual)| {
                        *y = activation((x - mean) * scale + shift + residual);
                    },
                ),
            }
        }
    }
}
