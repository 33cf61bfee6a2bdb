//! A pass in which nothing flows: it looks at the layers.

use burn::module::Param;
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis::{Activation, Composed, Convolution, InnerFilters, Pass, Place, Windows};

/// Looks at layers, in the order of the computation.
pub(crate) trait Visit {
    /// A convolution.
    fn conv(&mut self, _at: &Place, _conv: &Convolution<'_>) {}

    /// The inner filters of a layer, of which training keeps only some.
    fn inner_filters(&mut self, _at: &Place, _inner: InnerFilters) {}

    /// A batch norm.
    fn norm(&mut self, _at: &Place, _norm: &BatchNorm) {}

    /// The convolution of an attention to channels.
    fn attention(&mut self, _conv: &Conv1d) {}

    /// A linear layer.
    fn linear(&mut self, _linear: &Linear) {}

    /// A linear layer whose weights are computed.
    fn composed_linear(&mut self, _weights: &Composed<'_>, _bias: &Param<Tensor<1>>) {}
}

/// The pass of a visitor.
pub(crate) struct Visiting<'a, V>(pub(crate) &'a mut V);

impl<V: Visit> Pass for Visiting<'_, V> {
    type Map = ();
    type Vector = ();

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, (): ()) {
        self.0.conv(at, &conv);
    }

    fn inner_filters(&mut self, at: &Place, inner: impl FnOnce() -> InnerFilters) {
        self.0.inner_filters(at, inner());
    }

    fn norm_add(&mut self, at: &Place, norm: &BatchNorm, (): (), _: Option<()>, _: Activation) {
        self.0.norm(at, norm);
    }

    fn attention(&mut self, _: &Place, conv: &Conv1d, (): ()) {
        self.0.attention(conv);
    }

    fn linear(&mut self, _: &Place, linear: &Linear, (): ()) {
        self.0.linear(linear);
    }

    fn composed_linear(
        &mut self,
        _: &Place,
        weights: Composed<'_>,
        bias: &Param<Tensor<1>>,
        (): (),
    ) {
        self.0.composed_linear(&weights, bias);
    }

    fn activate(&mut self, (): (), _: Activation) {}
    fn add(&mut self, (): (), (): ()) {}
    fn concat(&mut self, (): (), (): ()) {}
    fn add_upsampled(&mut self, (): (), (): ()) {}
    fn max_pool(&mut self, _: Windows, (): ()) {}
    fn avg_pool(&mut self, _: Windows, (): ()) {}
    fn pad(&mut self, _: usize, _: usize, (): ()) {}
    fn global_average(&mut self, (): ()) {}
    fn pixels(&mut self, _: Vec<()>) {}
}
