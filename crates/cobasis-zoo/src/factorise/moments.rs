//! What the layers of a dense network see.

use std::collections::{BTreeMap, BTreeSet};

use burn::nn::PaddingConfig2d;
use burn::tensor::module::unfold4d;
use burn::tensor::ops::UnfoldOptions;
use burn::tensor::{Int, Tensor};
use cobasis::{Convolution, Maps, Place};

use super::form::Form;
use super::{FactoriseError, Moments};
use crate::config::ModelConfig;
use crate::model::Model;
use crate::observe::{Observe, Observing};

/// Pixels that are multiplied at once: bounds the memory of patches.
const PIXELS: usize = 8192;
/// Multiplications that the products of an image's patches may take; of more patches, only some are
/// looked at, ...
const PRODUCTS: usize = 1 << 25;
/// ... but at least so many of an image.
const PATCHES: usize = 64;

impl Model {
    /// The second moments of what the layers see that `config` replaces, on images, batches of shape
    /// `[batch, channels, height, width]`. Of large images, or many channels, not all patches are looked at,
    /// but the same ones each time, spread over the image.
    ///
    /// # Errors
    ///
    /// As [`factorise`](super::factorise): where the network can't become that of `config`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn input_moments(
        &self,
        config: &ModelConfig,
        images: impl IntoIterator<Item = Tensor<4>>,
    ) -> Result<Moments, FactoriseError> {
        let device = self.head.device();
        let wanted = Form::of(self, config)?.layers(&config.skeleton(&device))?;
        let mut patches = Patches { wanted, sums: BTreeMap::new() };
        for batch in images {
            self.walk(&mut Observing::new(&mut patches), batch.into());
        }
        let mean = |(path, (sum, count)): (String, (Vec<f64>, usize))| {
            (path, sum.into_iter().map(|sum| sum / count.max(1) as f64).collect())
        };
        Ok(patches.sums.into_iter().map(mean).collect())
    }
}

/// Sums of `x xᵀ` over patches `x`, and how many they are, by layers' paths.
struct Patches {
    wanted: BTreeSet<String>,
    sums: BTreeMap<String, (Vec<f64>, usize)>,
}

impl Observe for Patches {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>, x: &Maps) {
        let path = at.to_string();
        if !self.wanted.contains(&path) {
            return;
        }
        let [_, channels, height, width] = conv.filters.shape();
        let (groups, length) = (conv.geometry.groups, channels * height * width);
        let padding = match conv.geometry.padding {
            PaddingConfig2d::Explicit(top, left, _, _) => [top, left],
            PaddingConfig2d::Valid | PaddingConfig2d::Same => [0, 0],
        };
        let options = UnfoldOptions::new(conv.geometry.stride, padding, conv.geometry.dilation);
        let [batch, _, rows, columns] = x.dims();
        let x = x.clone().into_tensor();
        let (sum, count) =
            self.sums.entry(path).or_insert_with(|| (vec![0.0; groups * length * length], 0));
        let most = (PRODUCTS / (groups * length * length)).max(PATCHES);
        let at_once = (PIXELS / (rows * columns).max(1)).clamp(1, batch);
        for part in x.split(at_once, 0) {
            // [batch, groups × length, positions]
            let patches = unfold4d(part, [height, width], options.clone());
            let [images, _, positions] = patches.dims();
            let taken = spread(positions, most, columns, *count);
            let (patches, positions) = match taken.len() < positions {
                true => {
                    let count = taken.len();
                    let taken = Tensor::<1, Int>::from_data(&taken[..], &patches.device());
                    (patches.select(2, taken), count)
                }
                false => (patches, positions),
            };
            let patches = patches.swap_dims(0, 1).reshape([groups, length, images * positions]);
            let products = patches.clone().matmul(patches.transpose()).into_data();
            sum.iter_mut().zip(products.iter::<f64>()).for_each(|(sum, p)| *sum += p);
            *count += images * positions;
        }
    }
}

/// At most `most` of so many positions, from the first on or a little after, by how many were taken before:
/// a step apart that is in no ratio to the image's columns, so that all of them have their turn.
fn spread(positions: usize, most: usize, columns: usize, before: usize) -> Vec<i64> {
    let mut step = positions.div_ceil(most);
    while step > 1 && !is_coprime(step, columns) {
        step += 1;
    }
    (before % step..positions).step_by(step).map(|position| position as i64).collect()
}

fn is_coprime(mut a: usize, mut b: usize) -> bool {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_spread_over_the_image() {
        assert_eq!(spread(64, 64, 8, 7), (0..64).collect::<Vec<i64>>());
        let taken = spread(56 * 56, 101, 56, 0);
        assert!((90..=101).contains(&taken.len()));
        let columns: std::collections::BTreeSet<i64> = taken.iter().map(|at| at % 56).collect();
        assert_eq!(columns.len(), 56);
        assert_ne!(spread(56 * 56, 101, 56, taken.len())[0], 0);
        assert!(spread(49, 1, 7, 3).len() <= 1);
    }
}
