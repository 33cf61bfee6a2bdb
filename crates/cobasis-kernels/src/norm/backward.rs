//! The gradients of batch norm in training.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::rows::Rows;
use crate::conv::Activation;
use crate::vectorised::vectorised;

/// What the gradients depend on beside that of the output.
pub(crate) struct Backward<'a> {
    /// The input, `[rows, channels]`.
    pub(crate) x: &'a [f32],
    /// The output, `[rows, channels]`, from which the mask of an activation is rebuilt.
    pub(crate) y: Option<&'a [f32]>,
    pub(crate) activation: Activation,
    /// `[channels]`, as are the next two.
    pub(crate) mean: &'a [f32],
    /// One over the standard deviation.
    pub(crate) inverse: &'a [f32],
    pub(crate) gamma: &'a [f32],
}

/// The gradients of gamma and beta, `[channels]`.
#[derive(Default)]
pub(crate) struct Gradients {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

/// Where the input's gradient goes.
pub(crate) enum Destination<'a> {
    /// Nobody wants it.
    None,
    /// In place of the output's gradient.
    Same,
    /// Here, `[rows, channels]`.
    Other(&'a mut [f32]),
}

/// Turns `dy`, `[rows, channels]`, into the gradient of what the activation was applied to, which
/// is also that of a residual that was added, and computes the input's gradient.
pub(crate) fn backward(terms: &Backward, dy: &mut [f32], dx: Destination) -> Gradients {
    let channels = terms.mean.len();
    let rows = Rows::new(channels);
    let size = rows.chunk();
    let mean = rows.widened(|channel| terms.mean[channel]);
    let sums = |dy: &mut [f32], x: &[f32], y: Option<&[f32]>| {
        let sums = Sums { rows, activation: terms.activation, mean: &mean, x, y, dy };
        vectorised(sums).map(|sum| rows.narrowed(&sum))
    };
    let chunks = dy.par_chunks_mut(size).zip(terms.x.par_chunks(size));
    let chunks: Vec<[Vec<f64>; 2]> = match terms.y {
        None => chunks.map(|(dy, x)| sums(dy, x, None)).collect(),
        Some(y) => {
            let chunks = chunks.zip(y.par_chunks(size));
            chunks.map(|((dy, x), y)| sums(dy, x, Some(y))).collect()
        }
    };
    let total = |which: usize| {
        let sum = |channel: usize| chunks.iter().map(|chunk| chunk[which][channel]).sum::<f64>();
        (0..channels).map(sum).collect::<Vec<f64>>()
    };
    let (beta, product) = (total(0), total(1));
    // dx = γ / σ · (g − mean(g) − (x − mean(x)) / σ² · mean(g · (x − mean(x))))
    let count = (terms.x.len() / channels) as f64;
    let scale = |channel: usize| f64::from(terms.gamma[channel] * terms.inverse[channel]);
    let slope = |channel: usize| {
        let inverse = f64::from(terms.inverse[channel]);
        scale(channel) * inverse * inverse * product[channel] / count
    };
    let wide = Wide {
        rows,
        scale: rows.widened(|channel| scale(channel) as f32),
        slope: rows.widened(|channel| -slope(channel) as f32),
        shift: rows.widened(|channel| (-scale(channel) * beta[channel] / count) as f32),
        mean,
    };
    let chunks = dy.par_chunks_mut(size).zip(terms.x.par_chunks(size));
    match dx {
        Destination::None => {}
        Destination::Same => {
            chunks.for_each(|(g, x)| vectorised(Input { wide: &wide, x, g, dx: None }));
        }
        Destination::Other(dx) => chunks.zip(dx.par_chunks_mut(size)).for_each(|((g, x), dx)| {
            vectorised(Input { wide: &wide, x, g, dx: Some(dx) });
        }),
    }
    let gamma = product.iter().zip(terms.inverse).map(|(sum, &inverse)| sum * f64::from(inverse));
    Gradients {
        gamma: gamma.map(|value| value as f32).collect(),
        beta: beta.iter().map(|&value| value as f32).collect(),
    }
}

/// Masks the gradient of a chunk, and sums it and its product with what departs from the mean.
struct Sums<'a> {
    rows: Rows,
    activation: Activation,
    mean: &'a [f32],
    x: &'a [f32],
    y: Option<&'a [f32]>,
    dy: &'a mut [f32],
}

impl NullaryFnOnce for Sums<'_> {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    fn call(self) -> [Vec<f32>; 2] {
        match self.activation {
            Activation::None => self.unmasked(),
            // An output that is no number keeps its gradient, as with Burn.
            Activation::Relu => self.masked(|y| y <= 0.0),
            Activation::Relu6 => self.masked(|y| y <= 0.0 || y >= 6.0),
        }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn unmasked(self) -> [Vec<f32>; 2] {
        let Self { rows, mean, x, dy, .. } = self;
        let [mut sum, mut product] = [0.0_f32; 2].map(|zero| vec![zero; rows.width()]);
        for range in rows.wide(x.len()) {
            let numbers = dy[range.clone()].iter().zip(&x[range]).zip(mean);
            for (((&g, &x), &mean), (sum, product)) in numbers.zip(sum.iter_mut().zip(&mut product))
            {
                *sum += g;
                *product += g * (x - mean);
            }
        }
        [sum, product]
    }

    #[inline(always)]
    fn masked(self, off: impl Fn(f32) -> bool) -> [Vec<f32>; 2] {
        let Self { rows, mean, x, y: Some(y), dy, .. } = self else {
            unreachable!("an activation's mask comes from the output")
        };
        let [mut sum, mut product] = [0.0_f32; 2].map(|zero| vec![zero; rows.width()]);
        for range in rows.wide(x.len()) {
            let numbers = dy[range.clone()].iter_mut().zip(&y[range.clone()]).zip(&x[range]);
            for ((((dy, &y), &x), &mean), (sum, product)) in
                numbers.zip(mean).zip(sum.iter_mut().zip(&mut product))
            {
                let g = if off(y) { 0.0 } else { *dy };
                *dy = g;
                *sum += g;
                *product += g * (x - mean);
            }
        }
        [sum, product]
    }
}

/// What belongs to each channel, as long as a wide row.
struct Wide {
    rows: Rows,
    mean: Vec<f32>,
    scale: Vec<f32>,
    slope: Vec<f32>,
    shift: Vec<f32>,
}

/// `dx = scale · g + slope · (x − mean) + shift` in a chunk.
struct Input<'a> {
    wide: &'a Wide,
    x: &'a [f32],
    g: &'a mut [f32],
    /// `None`: in place of `g`.
    dx: Option<&'a mut [f32]>,
}

impl NullaryFnOnce for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { wide, x, g, dx } = self;
        let channels = || wide.mean.iter().zip(&wide.scale).zip(&wide.slope).zip(&wide.shift);
        match dx {
            None => {
                for range in wide.rows.wide(x.len()) {
                    let numbers = g[range.clone()].iter_mut().zip(&x[range]).zip(channels());
                    for ((g, &x), (((&mean, &scale), &slope), &shift)) in numbers {
                        *g = *g * scale + (x - mean) * slope + shift;
                    }
                }
            }
            Some(dx) => {
                for range in wide.rows.wide(x.len()) {
                    let numbers = dx[range.clone()].iter_mut().zip(&x[range.clone()]);
                    for (((dx, &x), &g), (((&mean, &scale), &slope), &shift)) in
                        numbers.zip(&g[range]).zip(channels())
                    {
                        *dx = g * scale + (x - mean) * slope + shift;
                    }
                }
            }
        }
    }
}
