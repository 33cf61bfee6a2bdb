//! `mix`: the taps of filters mixed.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{Source, Start};

use super::modulator::Modulate;
use crate::conv2d::LATER;

/// `W'[o, i, :] = (1 + D) W[o, i, :]`: the `k²` taps of each filter and channel go through one matrix, which a
/// convolution has for itself.
#[derive(Module, Debug)]
pub struct Mix {
    /// What is added to the identity, `[taps_out, taps_in]`, each `kernel_height · kernel_width` of them.
    pub matrix: Param<Tensor<2>>,
}

impl Mix {
    /// Without an effect.
    pub(super) fn new([_, _, height, width]: [usize; 4], device: &Device) -> Self {
        Self { matrix: LATER.init([height * width, height * width], device) }
    }
}

impl Modulate for Mix {
    fn sources(&self) -> Vec<Source> {
        vec![Source::new(&self.matrix, Start::Constant(0.0))]
    }

    fn macs(&self, shape: [usize; 4]) -> u64 {
        let [filters, channels, height, width] = shape.map(|size| size as u64);
        filters * channels * (height * width).pow(2)
    }

    fn filters(&self, base: Tensor<4>) -> Tensor<4> {
        let shape @ [filters, channels, height, width] = base.dims();
        let taps = base.clone().reshape([filters * channels, height * width]);
        base + taps.matmul(self.matrix.val().transpose()).reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn taps_are_mixed_within_their_filter_and_channel() {
        let device = Device::flex();
        let shape = [2, 2, 1, 2];
        let numbers: Vec<f32> = (1..=8).map(|number| number as f32).collect();
        let base = Tensor::<4>::from_data(TensorData::new(numbers, shape), &device);
        // The second tap is added to the first.
        let matrix = TensorData::new(vec![0.0f32, 1.0, 0.0, 0.0], [2, 2]);
        let mix = Mix { matrix: Param::from_data(matrix, &device) };
        let got: Vec<f32> = mix.filters(base).into_data().iter::<f32>().collect();
        assert_eq!(got, [3.0, 2.0, 7.0, 4.0, 11.0, 6.0, 15.0, 8.0]);
    }
}
