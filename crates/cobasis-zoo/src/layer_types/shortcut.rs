//! The shortcut of a residual block.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};
use cobasis::{Activation, Forward, Pass, Place};

use crate::conv2d::conv2d;
use crate::spec::ShortcutKind;

/// What a residual block adds to the output of its convolutions.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
pub enum Shortcut {
    /// The input.
    Identity(Identity),
    /// The input's every `stride`-th pixel, with zeros for new channels.
    Pad(PadShortcut),
    /// A strided 1×1 convolution and batch norm of the input.
    Projection(ProjectionShortcut),
}

/// Nothing to own.
#[derive(Module, Debug)]
pub struct Identity {}

/// He et al.'s option A; the zeros stand half before and half after the input's channels, as in
/// the authors' code.
#[derive(Module, Debug)]
pub struct PadShortcut {
    /// Distance of the pixels that are kept.
    pub stride: usize,
    /// New channels.
    pub new_channels: usize,
}

/// He et al.'s option B.
#[derive(Module, Debug)]
pub struct ProjectionShortcut {
    /// 1×1, with the block's stride.
    pub conv: Conv2d,
    /// Batch norm after it.
    pub norm: BatchNorm,
}

impl Shortcut {
    pub(crate) fn new(
        kind: ShortcutKind,
        channels: [usize; 2],
        stride: usize,
        device: &Device,
    ) -> Self {
        let [channels_in, channels_out] = channels;
        match kind {
            _ if stride == 1 && channels_in == channels_out => Shortcut::Identity(Identity {}),
            ShortcutKind::Pad => {
                Shortcut::Pad(PadShortcut { stride, new_channels: channels_out - channels_in })
            }
            ShortcutKind::Projection => Shortcut::Projection(ProjectionShortcut {
                conv: conv2d(channels, 1, stride).init(device),
                norm: BatchNormConfig::new(channels_out).init(device),
            }),
        }
    }

    /// `[batch, channels_in, height, width]` to
    /// `[batch, channels_out, ⌈height / stride⌉, ⌈width / stride⌉]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.pass(&mut Forward, &Place::ROOT, input.into()).into_tensor()
    }

    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        match self {
            Shortcut::Identity(_) => x,
            Shortcut::Pad(pad) => pass.pad(pad.stride, pad.new_channels, x),
            Shortcut::Projection(projection) => {
                let x = pass.conv2d(&at.field("conv"), &projection.conv, x);
                pass.norm(&at.field("norm"), &projection.norm, x, Activation::None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn padding_keeps_even_pixels_between_zero_channels() {
        #[allow(deprecated)] // NdArray is the second, independent CPU reference.
        for device in [Device::flex(), Device::ndarray(), Device::flex().autodiff()] {
            let values: Vec<f32> = (0..18).map(|v| v as f32).collect();
            let input = Tensor::<4>::from_data(TensorData::new(values, [1, 2, 3, 3]), &device);
            let output = Shortcut::new(ShortcutKind::Pad, [2, 4], 2, &device).forward(input);
            let expected = [
                [0.0, 0.0, 0.0, 0.0],
                [0.0, 2.0, 6.0, 8.0],
                [9.0, 11.0, 15.0, 17.0],
                [0.0, 0.0, 0.0, 0.0],
            ];
            assert_eq!(output.dims(), [1, 4, 2, 2]);
            let output = output.into_data().try_to_vec::<f32>().expect("f32 data");
            assert_eq!(output, expected.concat());
        }
    }

    #[test]
    fn an_unchanged_shape_needs_no_shortcut_layer() {
        let device = Device::flex();
        for kind in [ShortcutKind::Pad, ShortcutKind::Projection] {
            let shortcut = Shortcut::new(kind, [4, 4], 1, &device);
            assert!(matches!(shortcut, Shortcut::Identity(_)));
        }
    }
}
