//! Efficient channel attention (Wang et al. 2020).

use burn::module::{Module, Param};
use burn::nn::PaddingConfig1d;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::tensor::{Device, Tensor, TensorData};
use cobasis::{Forward, Pass, Place};

use crate::conv2d::LATER;

/// Scales each channel by a number between 0 and 1 that depends on the means of its neighbours.
#[derive(Module, Debug)]
pub struct ChannelAttention {
    /// From the means of neighbouring channels to the logit of a scale: along the channels, with
    /// one filter and no bias.
    pub conv: Conv1d,
}

impl ChannelAttention {
    /// Attention in which a scale depends on an odd number of channels.
    pub(crate) fn new(neighbours: usize, device: &Device) -> Self {
        let pad = neighbours / 2;
        let conv = Conv1dConfig::new(1, 1, neighbours)
            .with_padding(PaddingConfig1d::Explicit(pad, pad))
            .with_bias(false)
            .with_initializer(LATER);
        Self { conv: conv.init(device) }
    }

    /// Attention with this filter, `[1, 1, neighbours]`.
    pub(crate) fn with_filter(filter: TensorData, device: &Device) -> Self {
        let mut attention = Self::new(filter.shape()[2], device);
        attention.conv.weight = Param::from_data(filter, device);
        attention
    }

    /// Maps of the input's shape, `[batch, channels, height, width]`.
    pub fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        self.pass(&mut Forward, &Place::ROOT, maps.into()).into_tensor()
    }

    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        pass.attention(at, &self.conv, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_scaled_by_what_its_neighbours_mean() {
        #[allow(deprecated)] // NdArray is the second, independent CPU reference.
        for device in [Device::flex(), Device::ndarray()] {
            let mut attention = ChannelAttention::new(3, &device);
            attention.conv.weight =
                Param::from_data(TensorData::from([[[1.0f32, 2.0, 4.0]]]), &device);
            // Means 1, -2 and 0.5.
            let values = vec![0.0f32, 2.0, -3.0, -1.0, 0.5, 0.5];
            let maps = Tensor::from_data(TensorData::new(values.clone(), [1, 3, 1, 2]), &device);
            let logits = [2.0 * 1.0 - 4.0 * 2.0, 1.0 - 2.0 * 2.0 + 4.0 * 0.5, -2.0 + 2.0 * 0.5];
            let output = attention.forward(maps).into_data().try_to_vec::<f32>().expect("f32 data");
            for (index, (output, value)) in output.iter().zip(values).enumerate() {
                let logit: f32 = logits[index / 2];
                let expected = value / (1.0 + (-logit).exp());
                assert!((output - expected).abs() < 1e-6, "{output} is not {expected}");
            }
        }
    }
}
