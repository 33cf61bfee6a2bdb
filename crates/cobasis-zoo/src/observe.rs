//! A forward pass that somebody watches.

use burn::module::Param;
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis::{Activation, Composed, Convolution, Forward, Maps, Pass, Place, Windows};

/// Looks at the inputs of layers while a network computes.
pub(crate) trait Observe {
    /// A convolution and its input.
    fn conv(&mut self, _at: &Place, _conv: &Convolution<'_>, _x: &Maps) {}

    /// A convolution's output, and what is to come in its place.
    fn output(&mut self, _at: &Place, y: Maps) -> Maps {
        y
    }

    /// A batch norm and its input. The norm that computes in its place, if another one should.
    fn norm(&mut self, _norm: &BatchNorm, _x: &Maps) -> Option<BatchNorm> {
        None
    }
}

/// The forward pass of an observer.
pub(crate) struct Observing<'a, O> {
    observer: &'a mut O,
    forward: Forward,
}

impl<'a, O: Observe> Observing<'a, O> {
    pub(crate) fn new(observer: &'a mut O) -> Self {
        Self { observer, forward: Forward }
    }
}

impl<O: Observe> Pass for Observing<'_, O> {
    type Map = Maps;
    type Vector = Tensor<2>;

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, x: Maps) -> Maps {
        self.observer.conv(at, &conv, &x);
        let y = self.forward.conv(at, conv, x);
        self.observer.output(at, y)
    }

    fn norm_add(
        &mut self,
        at: &Place,
        norm: &BatchNorm,
        x: Maps,
        shortcut: Option<Maps>,
        then: Activation,
    ) -> Maps {
        let other = self.observer.norm(norm, &x);
        self.forward.norm_add(at, other.as_ref().unwrap_or(norm), x, shortcut, then)
    }

    fn activate(&mut self, x: Maps, then: Activation) -> Maps {
        self.forward.activate(x, then)
    }

    fn add(&mut self, x: Maps, shortcut: Maps) -> Maps {
        self.forward.add(x, shortcut)
    }

    fn concat(&mut self, x: Maps, added: Maps) -> Maps {
        self.forward.concat(x, added)
    }

    fn add_upsampled(&mut self, x: Maps, coarse: Maps) -> Maps {
        self.forward.add_upsampled(x, coarse)
    }

    fn max_pool(&mut self, windows: Windows, x: Maps) -> Maps {
        self.forward.max_pool(windows, x)
    }

    fn avg_pool(&mut self, windows: Windows, x: Maps) -> Maps {
        self.forward.avg_pool(windows, x)
    }

    fn pad(&mut self, stride: usize, new_channels: usize, x: Maps) -> Maps {
        self.forward.pad(stride, new_channels, x)
    }

    fn attention(&mut self, at: &Place, conv: &Conv1d, x: Maps) -> Maps {
        self.forward.attention(at, conv, x)
    }

    fn global_average(&mut self, x: Maps) -> Tensor<2> {
        self.forward.global_average(x)
    }

    fn pixels(&mut self, maps: Vec<Maps>) -> Tensor<2> {
        self.forward.pixels(maps)
    }

    fn linear(&mut self, at: &Place, linear: &Linear, x: Tensor<2>) -> Tensor<2> {
        self.forward.linear(at, linear, x)
    }

    fn composed_linear(
        &mut self,
        at: &Place,
        weights: Composed<'_>,
        bias: &Param<Tensor<1>>,
        x: Tensor<2>,
    ) -> Tensor<2> {
        self.forward.composed_linear(at, weights, bias, x)
    }
}
