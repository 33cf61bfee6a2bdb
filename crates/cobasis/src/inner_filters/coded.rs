//! Filters that an encoder and a mask make of others.

use burn::module::{Param, ParamId};
use burn::tensor::{Tensor, activation::tanh};

/// Up to this magnitude, a number of the mask counts as 0.
const THRESHOLD: f64 = 1e-4;
/// How steeply the weight of the mask's sparsity falls as the share of masked filters nears its goal.
const SLOPE: f64 = 8.0;

/// Inner filters that a sparse autoencoder makes of a layer's filters `W`, one to a row here:
///
/// ```text
/// code            C = p ⊙ tanh(Eᵀ W)        what the layer convolves with
/// reconstruction  R = tanh(Dᵀ C)
/// ```
///
/// The mask `p` is `m` where `|m|` is above 10⁻⁴ and else 0, but for the largest `|m|` of a layer, which
/// counts always. Two losses train them: the task's, whose gradient with respect to the code is taken
/// for that of `W` as it is (straight-through estimator), and [the autoencoder's own](Self::loss).
///
/// Source: a *reconstruction* of ALF (Frickenstein et al., DAC 2020) from its abstract and from memory:
/// the paper's text was not at hand.
#[derive(Clone, Debug)]
pub struct CodedFilters {
    /// The filters `W`, `[inner, channels_in, kernel_height, kernel_width]`.
    pub filters: Param<Tensor<4>>,
    /// The encoder `E`, `[inner, inner]`, a filter of the code to a column.
    pub encoder: Param<Tensor<2>>,
    /// The decoder `D`, `[inner, inner]`, a filter of the reconstruction to a column.
    pub decoder: Param<Tensor<2>>,
    /// The numbers `m` of the mask, `[inner]`.
    pub mask: Param<Tensor<1>>,
    /// What the output is made of the code's filters, `[channels_out, inner, 1, 1]`.
    pub coefficients: Param<Tensor<4>>,
}

impl CodedFilters {
    /// The parameters of the autoencoder: encoder, decoder and mask.
    pub fn coding(&self) -> Vec<ParamId> {
        vec![self.encoder.id, self.decoder.id, self.mask.id]
    }

    /// The filters that the layer convolves with: the code's values, with the filters' gradient.
    pub fn applied(&self) -> Tensor<4> {
        let filters = self.filters.val();
        let code = self.code().detach().reshape(filters.dims());
        straight_through(code, filters)
    }

    /// The loss of the autoencoder, `[1]`: the mean of `(W − R)²`, and `ν` times the mean of `|m|`. No
    /// gradient goes to the filters, and the mask's goes through the threshold as it is.
    ///
    /// `ν = max(0, 1 − exp(8 (θ − goal)))`, where `θ` is the share of filters that are masked: none at
    /// the goal and beyond. Without a goal it is 0.
    pub fn loss(&self, goal: Option<f64>) -> Tensor<1> {
        let (filters, code) = (self.rows(), self.code());
        let reconstructed = tanh(self.decoder.val().transpose().matmul(code));
        let error = (filters - reconstructed).square().mean();
        let Some(goal) = goal else { return error };
        let masked = self.mask().detach().equal_elem(0.0).float().mean();
        error + sparsity_weight(masked, goal) * self.mask.val().abs().mean()
    }

    /// `p`, `[inner]`, with the gradient of `m`.
    pub(super) fn mask(&self) -> Tensor<1> {
        let mask = self.mask.val();
        let sizes = mask.clone().detach().abs();
        let largest = sizes.clone().max().expand(sizes.dims());
        let counts = sizes.clone().greater_elem(THRESHOLD).bool_or(sizes.equal(largest));
        let hard = mask.clone().detach() * counts.float();
        straight_through(hard, mask)
    }

    /// `C`, a filter to a row.
    fn code(&self) -> Tensor<2> {
        let encoded = tanh(self.encoder.val().transpose().matmul(self.rows()));
        encoded * self.mask().unsqueeze_dim(1)
    }

    /// `W`, a filter to a row, without a gradient.
    fn rows(&self) -> Tensor<2> {
        self.filters.val().detach().flatten(1, 3)
    }
}

/// The values of the one tensor, to the last bit, with the gradient of the other.
fn straight_through<const D: usize>(values: Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
    // The difference is exactly 0.
    values + (gradient.clone() - gradient.detach())
}

/// `max(0, 1 − exp(8 (θ − goal)))`.
fn sparsity_weight(masked: Tensor<1>, goal: f64) -> Tensor<1> {
    let weight = (masked - goal).mul_scalar(SLOPE).exp().neg() + 1.0;
    weight.clamp_min(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    /// A layer of 1×1 filters, which are rows here and columns in the source of the numbers.
    fn layer<const I: usize, const L: usize>(
        filters: [[f32; L]; I],
        mask: [f32; I],
        device: &Device,
    ) -> CodedFilters {
        let identity = || Tensor::<2>::eye(I, device);
        let filters = Tensor::<2>::from_floats(filters, device).reshape([I, L, 1, 1]);
        CodedFilters {
            filters: Param::from_tensor(filters),
            encoder: Param::from_tensor(identity()),
            decoder: Param::from_tensor(identity()),
            mask: Param::from_tensor(Tensor::from_floats(mask, device)),
            coefficients: Param::from_tensor(Tensor::ones([I, I, 1, 1], device)),
        }
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn assert_close(got: &[f32], expected: &[f32]) {
        let close = got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close && got.len() == expected.len(), "{got:?} is not {expected:?}");
    }

    #[test]
    fn code_reconstruction_and_error_are_those_of_the_formula() {
        // W = [[0.5, -0.5], [0.2, 0.1]] by columns, E = D = 1, m = (1, 0).
        let device = Device::flex().autodiff();
        let layer = layer([[0.5, 0.2], [-0.5, 0.1]], [1.0, 0.0], &device);
        assert_close(&numbers(layer.applied()), &[0.462117, 0.197375, 0.0, 0.0]);
        let reconstructed = tanh(layer.decoder.val().transpose().matmul(layer.code()));
        assert_close(&numbers(reconstructed), &[0.431808, 0.194852, 0.0, 0.0]);
        assert_close(&numbers(layer.loss(None)), &[0.0661692]);
        // Half of the filters are masked; the mean of |m| is a half too.
        let expected = 0.0661692 + 0.5 * 0.939190;
        assert_close(&numbers(layer.loss(Some(0.85))), &[expected]);
    }

    #[test]
    fn the_weight_of_the_sparsity_falls_to_nothing_at_its_goal() {
        let weight = |masked: f32| {
            numbers(sparsity_weight(Tensor::from_floats([masked], &Device::flex()), 0.85))[0]
        };
        let got = [0.0, 0.25, 0.5, 0.75, 0.85, 1.0].map(weight);
        assert_close(&got, &[0.998886, 0.991770, 0.939190, 0.550671, 0.0, 0.0]);
    }

    #[test]
    fn one_filter_is_always_left() {
        let device = Device::flex();
        let mask = |numbers: [f32; 3]| layer([[1.0], [1.0], [1.0]], numbers, &device).mask();
        assert_eq!(numbers(mask([0.5, 1e-4, -2e-4])), [0.5, 0.0, -2e-4]);
        assert_eq!(numbers(mask([1e-5, -3e-5, 0.0])), [0.0, -3e-5, 0.0]);
    }

    #[test]
    fn the_filters_get_the_gradient_of_the_code_bit_for_bit() {
        let device = Device::flex().autodiff();
        let random =
            |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let mut layer = layer([[0.3, -0.7], [0.9, 0.2], [-0.4, 0.6]], [1.0, 0.0, 0.5], &device);
        layer.encoder = Param::from_tensor(random([3, 3]));
        let outer = random([3, 2]);
        let loss = (layer.applied().reshape([3, 2]) * outer.clone()).sum();
        let gradients = loss.backward();
        let of_filters = layer.filters.val().grad(&gradients).expect("a gradient");
        assert_eq!(numbers(of_filters), numbers(outer));
        for coding in [layer.encoder.val().grad(&gradients), layer.decoder.val().grad(&gradients)] {
            assert!(coding.is_none(), "the task does not train the autoencoder");
        }
        assert!(layer.mask.val().grad(&gradients).is_none());
    }

    #[test]
    fn the_autoencoder_follows_the_gradient_of_its_loss() {
        let device = Device::flex().autodiff();
        let start = layer([[0.3, -0.7], [0.9, 0.2]], [1.0, -0.5], &device);
        let gradients = start.loss(Some(0.5)).backward();
        assert!(start.filters.val().grad(&gradients).is_none(), "no gradient to the filters");
        // Central differences along all of a parameter's directions.
        let step = 1e-2f32;
        let numeric = |count: usize, moved: &dyn Fn(&[f32]) -> CodedFilters| -> Vec<f32> {
            let at = |index: usize, by: f32| {
                let mut by_all = vec![0.0; count];
                by_all[index] = by;
                numbers(moved(&by_all).loss(Some(0.5)))[0]
            };
            (0..count).map(|index| (at(index, step) - at(index, -step)) / (2.0 * step)).collect()
        };
        let matrix = |by: &[f32]| Tensor::<1>::from_floats(by, &device).reshape([2, 2]);
        let plus = |param: &Param<Tensor<2>>, by: &[f32]| {
            Param::from_tensor((param.val() + matrix(by)).detach())
        };
        let of_encoder =
            numeric(4, &|by| CodedFilters { encoder: plus(&start.encoder, by), ..start.clone() });
        let of_decoder =
            numeric(4, &|by| CodedFilters { decoder: plus(&start.decoder, by), ..start.clone() });
        let of_mask = numeric(2, &|by| {
            let mask = start.mask.val() + Tensor::from_floats(by, &device);
            CodedFilters { mask: Param::from_tensor(mask.detach()), ..start.clone() }
        });
        let encoder = numbers(start.encoder.val().grad(&gradients).expect("a gradient"));
        let decoder = numbers(start.decoder.val().grad(&gradients).expect("a gradient"));
        let mask = numbers(start.mask.val().grad(&gradients).expect("a gradient"));
        for (analytic, numeric) in [(encoder, of_encoder), (decoder, of_decoder), (mask, of_mask)] {
            let close = analytic.iter().zip(&numeric).all(|(a, b)| (a - b).abs() < 2e-3);
            assert!(close, "{analytic:?} {numeric:?}");
            assert!(analytic.iter().any(|a| a.abs() > 1e-2), "{analytic:?}");
        }
    }
}
