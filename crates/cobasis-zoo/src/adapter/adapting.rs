//! The pass of a network as a task has it.

use burn::module::Param;
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis::{Activation, Composed, Convolution, FilterBasis, InnerFilters, Pass, Place, Windows};

use super::Adapter;
use super::sites::part;

/// Tells another pass of a base's layers what a task has in their places: so outputs, costs, graphs and initial
/// weights of an adapted network follow from the base's one description of itself.
pub(crate) struct Adapting<'a, P> {
    adapter: &'a Adapter,
    pass: &'a mut P,
}

impl<'a, P: Pass> Adapting<'a, P> {
    pub(crate) fn new(adapter: &'a Adapter, pass: &'a mut P) -> Self {
        Self { adapter, pass }
    }

    /// A convolution, or one of the parts of a grouped one.
    fn adapted(&mut self, at: &Place, conv: Convolution<'_>, x: P::Map) -> P::Map {
        let adapter = self.adapter;
        match adapter.layer(at) {
            Some(layer) => self.pass.conv(at, layer.adapt(conv), x),
            None => self.pass.conv(at, conv, x),
        }
    }
}

impl<P: Pass> Pass for Adapting<'_, P> {
    type Map = P::Map;
    type Vector = P::Vector;

    fn bank(&mut self, at: &Place, basis: &FilterBasis) {
        self.pass.bank(at, basis);
    }

    fn inner_filters(&mut self, at: &Place, inner: impl FnOnce() -> InnerFilters) {
        self.pass.inner_filters(at, inner);
    }

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, x: P::Map) -> P::Map {
        // Unique filters stand beside shared ones, which need not be taken apart for them.
        if !self.adapter.modulates() {
            return self.adapted(at, conv, x);
        }
        let mut parts = conv.parts();
        let last = parts.pop().expect("a convolution has filters");
        if parts.is_empty() {
            return self.adapted(at, last, x);
        }
        parts.push(last);
        let parts = parts.into_iter().enumerate();
        let maps: Vec<P::Map> =
            parts.map(|(index, conv)| self.adapted(&part(at, index), conv, x.clone())).collect();
        let joined = maps.into_iter().reduce(|maps, more| self.pass.concat(maps, more));
        joined.expect("a convolution has filters")
    }

    fn norm_add(
        &mut self,
        at: &Place,
        norm: &BatchNorm,
        x: P::Map,
        shortcut: Option<P::Map>,
        then: Activation,
    ) -> P::Map {
        let adapter = self.adapter;
        self.pass.norm_add(at, adapter.norm(at).unwrap_or(norm), x, shortcut, then)
    }

    fn activate(&mut self, x: P::Map, then: Activation) -> P::Map {
        self.pass.activate(x, then)
    }

    fn add(&mut self, x: P::Map, shortcut: P::Map) -> P::Map {
        self.pass.add(x, shortcut)
    }

    fn concat(&mut self, x: P::Map, added: P::Map) -> P::Map {
        self.pass.concat(x, added)
    }

    fn add_upsampled(&mut self, x: P::Map, coarse: P::Map) -> P::Map {
        self.pass.add_upsampled(x, coarse)
    }

    fn max_pool(&mut self, windows: Windows, x: P::Map) -> P::Map {
        self.pass.max_pool(windows, x)
    }

    fn avg_pool(&mut self, windows: Windows, x: P::Map) -> P::Map {
        self.pass.avg_pool(windows, x)
    }

    fn pad(&mut self, stride: usize, new_channels: usize, x: P::Map) -> P::Map {
        self.pass.pad(stride, new_channels, x)
    }

    fn attention(&mut self, at: &Place, conv: &Conv1d, x: P::Map) -> P::Map {
        self.pass.attention(at, conv, x)
    }

    fn global_average(&mut self, x: P::Map) -> P::Vector {
        self.pass.global_average(x)
    }

    fn pixels(&mut self, maps: Vec<P::Map>) -> P::Vector {
        self.pass.pixels(maps)
    }

    fn linear(&mut self, at: &Place, linear: &Linear, x: P::Vector) -> P::Vector {
        self.pass.linear(at, linear, x)
    }

    fn composed_linear(
        &mut self,
        at: &Place,
        weights: Composed<'_>,
        bias: &Param<Tensor<1>>,
        x: P::Vector,
    ) -> P::Vector {
        self.pass.composed_linear(at, weights, bias, x)
    }
}
