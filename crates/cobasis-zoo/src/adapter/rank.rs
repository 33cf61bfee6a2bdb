//! `rank1`: filters scaled by a matrix of low rank.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{Source, Start};

use super::modulator::Modulate;
use crate::conv2d::LATER;

/// `W' = W (1 + Σᵣ vᵣ ⊗ uᵣ)`, element by element: `v` has a number for each output channel, `u` one for each
/// input channel and tap.
///
/// `v` starts at 0 and `u` with normal numbers, so that nothing is changed at first and `v` has a gradient.
/// (Started as ones, `u` would leave `v` to scale whole channels, which a batch norm takes out again; started at
/// 1e-7 both, as in the source, gradients are as small.)
///
/// Source: kernel modulation of rank 1 as described in AdAM (Zhao et al., NeurIPS 2022). Its code forms the product
/// transposed and reads it in the order of the filters, which mixes up the axes; here they are aligned.
#[derive(Module, Debug)]
pub struct Rank {
    /// `[rank, channels_out]`.
    pub v: Param<Tensor<2>>,
    /// `[rank, channels_in / groups, kernel_height, kernel_width]`.
    pub u: Param<Tensor<4>>,
}

impl Rank {
    /// Without numbers.
    pub(super) fn new(rank: usize, shape: [usize; 4], device: &Device) -> Self {
        let [filters, channels, height, width] = shape;
        Self {
            v: LATER.init([rank, filters], device),
            u: LATER.init([rank, channels, height, width], device),
        }
    }
}

impl Modulate for Rank {
    fn sources(&self) -> Vec<Source> {
        vec![Source::new(&self.v, Start::Constant(0.0)), Source::new(&self.u, Start::Normal(1.0))]
    }

    fn macs(&self, shape: [usize; 4]) -> u64 {
        let rank = self.v.lazy_shape()[0];
        ((rank + 1) * shape.iter().product::<usize>()) as u64
    }

    fn filters(&self, base: Tensor<4>) -> Tensor<4> {
        let [rank, ..] = self.u.dims();
        let [filters, inputs @ ..] = base.dims();
        let u = self.u.val().reshape([rank, inputs.iter().product()]);
        let scale = self.v.val().transpose().matmul(u) + 1.0;
        let [channels, height, width] = inputs;
        base * scale.reshape([filters, channels, height, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn unit_vectors_change_one_filter_at_one_place() {
        let device = Device::flex();
        let shape = [4, 2, 3, 3];
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count).map(|i| i as f32 - 20.5).collect();
        let base = Tensor::<4>::from_data(TensorData::new(numbers.clone(), shape), &device);
        let unit = |length: usize, at: usize| -> Vec<f32> {
            (0..length).map(|i| if i == at { 1.0 } else { 0.0 }).collect()
        };
        let rank = Rank {
            v: Param::from_data(TensorData::new(unit(4, 2), [1, 4]), &device),
            u: Param::from_data(TensorData::new(unit(18, 1), [1, 2, 3, 3]), &device),
        };
        let got: Vec<f32> = rank.filters(base).into_data().iter::<f32>().collect();
        for (index, (got, number)) in got.into_iter().zip(numbers).enumerate() {
            let factor = if index == 2 * 18 + 1 { 2.0 } else { 1.0 };
            assert_eq!(got, factor * number, "{index}");
        }
    }
}
