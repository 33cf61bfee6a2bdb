//! The pass that computes.

use burn::module::Param;
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use cobasis_kernels::{Activation, ConvEpilogue, Maps, Windows};

use crate::convolution::{Composed, Convolution};
use crate::pass::Pass;
use crate::place::Place;

/// Computes maps and logits.
#[derive(Debug, Default)]
pub struct Forward;

/// Tells a profiler which layer comes.
fn enter(_at: &Place) {
    #[cfg(feature = "kernels")]
    cobasis_kernels::profile::enter(|| _at.to_string());
}

/// One convolution with the filters of all its banks.
fn convolve(conv: &Convolution, x: Maps) -> Maps {
    let [_, _, size @ ..] = x.dims();
    let [_, _, kernel @ ..] = conv.filters.shape();
    let bias = conv.bias.map(|bias| bias.val());
    let epilogue = ConvEpilogue { bias, ..ConvEpilogue::default() };
    x.conv2d(&conv.filters.tensors(), conv.geometry.options(kernel, size), epilogue)
}

impl Pass for Forward {
    type Map = Maps;
    type Vector = Tensor<2>;

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, x: Maps) -> Maps {
        enter(at);
        conv.check_channels(at, x.dims()[1]);
        let mut parts = conv.parts();
        let last = parts.pop().expect("a convolution has filters");
        let maps = parts.iter().map(|part| convolve(part, x.clone()));
        let before = maps.reduce(|maps, part| maps.concat(&part));
        let maps = convolve(&last, x);
        match before {
            Some(before) => before.concat(&maps),
            None => maps,
        }
    }

    fn norm_add(
        &mut self,
        at: &Place,
        norm: &BatchNorm,
        x: Maps,
        shortcut: Option<Maps>,
        then: Activation,
    ) -> Maps {
        enter(at);
        x.batch_norm(norm, shortcut, then)
    }

    fn activate(&mut self, x: Maps, then: Activation) -> Maps {
        x.activate(then)
    }

    fn add(&mut self, x: Maps, shortcut: Maps) -> Maps {
        x.add(&shortcut, Activation::None)
    }

    fn concat(&mut self, x: Maps, added: Maps) -> Maps {
        x.concat(&added)
    }

    fn add_upsampled(&mut self, x: Maps, coarse: Maps) -> Maps {
        x.add_upsampled(&coarse)
    }

    fn max_pool(&mut self, windows: Windows, x: Maps) -> Maps {
        x.max_pool(windows)
    }

    fn avg_pool(&mut self, windows: Windows, x: Maps) -> Maps {
        x.avg_pool(windows)
    }

    fn pad(&mut self, stride: usize, new_channels: usize, x: Maps) -> Maps {
        let before = new_channels / 2;
        x.subsample(stride, [before, new_channels - before])
    }

    fn attention(&mut self, _: &Place, conv: &Conv1d, x: Maps) -> Maps {
        let [batch, channels, _, _] = x.dims();
        let means = x.clone().global_average().reshape([batch, 1, channels]);
        let scales = sigmoid(conv.forward(means));
        x.scale_channels(scales.reshape([batch, channels]))
    }

    fn global_average(&mut self, x: Maps) -> Tensor<2> {
        x.global_average()
    }

    fn pixels(&mut self, maps: Vec<Maps>) -> Tensor<2> {
        let pixels = maps.into_iter().map(|maps| maps.into_pixels().flatten(1, 2));
        Tensor::cat(pixels.collect(), 1)
    }

    fn linear(&mut self, _: &Place, linear: &Linear, x: Tensor<2>) -> Tensor<2> {
        linear.forward(x)
    }

    fn composed_linear(
        &mut self,
        _: &Place,
        weights: Composed<'_>,
        bias: &Param<Tensor<1>>,
        x: Tensor<2>,
    ) -> Tensor<2> {
        let [outputs, inputs, ..] = weights.shape;
        let weights = weights.value.filters().reshape([outputs, inputs]);
        x.matmul(weights.transpose()) + bias.val().reshape([1, outputs])
    }
}
