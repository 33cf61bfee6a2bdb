//! The pass that computes.

use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, relu6};
use cobasis::{BasisConv2d, FilterBasis, PartlySharedConv2d, SharedConv2d};

use super::{Activation, Pass, Place};
use crate::attention::ChannelAttention;
use crate::pool::global_average;
use crate::shortcut::PadShortcut;

/// Computes maps and logits.
#[derive(Default)]
pub(crate) struct Forward {
    stages: Option<Vec<Tensor<4>>>,
}

impl Forward {
    /// A pass that keeps the output of every stage.
    pub(crate) fn keeping_stages() -> Self {
        Self { stages: Some(Vec::new()) }
    }

    /// The outputs of the stages, if they were kept.
    pub(crate) fn into_stages(self) -> Vec<Tensor<4>> {
        self.stages.unwrap_or_default()
    }
}

impl Activation {
    pub(crate) fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Activation::Identity => x,
            Activation::Relu => relu(x),
            Activation::Relu6 => relu6(x),
        }
    }
}

impl Pass for Forward {
    type Map = Tensor<4>;
    type Vector = Tensor<2>;

    fn end_of_stage(&mut self, maps: &Tensor<4>) {
        if let Some(stages) = &mut self.stages {
            stages.push(maps.clone());
        }
    }

    fn conv2d(&mut self, _: &Place, conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
        conv.forward(x)
    }

    fn basis_conv2d(&mut self, place: &Place, conv: &BasisConv2d, x: Tensor<4>) -> Tensor<4> {
        conv.forward(x, place.bases().first())
    }

    fn shared_conv2d(
        &mut self,
        _: &Place,
        conv: &SharedConv2d,
        basis: &FilterBasis,
        x: Tensor<4>,
    ) -> Tensor<4> {
        conv.forward(x, basis)
    }

    fn partly_shared_conv2d(
        &mut self,
        _: &Place,
        conv: &PartlySharedConv2d,
        basis: &FilterBasis,
        x: Tensor<4>,
    ) -> Tensor<4> {
        conv.forward(x, basis)
    }

    fn norm(&mut self, _: &Place, norm: &BatchNorm, x: Tensor<4>, then: Activation) -> Tensor<4> {
        then.apply(norm.forward(x))
    }

    fn norm_add(
        &mut self,
        _: &Place,
        norm: &BatchNorm,
        x: Tensor<4>,
        shortcut: Tensor<4>,
        then: Activation,
    ) -> Tensor<4> {
        then.apply(norm.forward(x) + shortcut)
    }

    fn add(&mut self, x: Tensor<4>, shortcut: Tensor<4>) -> Tensor<4> {
        x + shortcut
    }

    fn concat(&mut self, x: Tensor<4>, added: Tensor<4>) -> Tensor<4> {
        Tensor::cat(vec![x, added], 1)
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Tensor<4>) -> Tensor<4> {
        pool.forward(x)
    }

    fn avg_pool(&mut self, pool: &AvgPool2d, x: Tensor<4>) -> Tensor<4> {
        pool.forward(x)
    }

    fn pad(&mut self, pad: &PadShortcut, x: Tensor<4>) -> Tensor<4> {
        pad.forward(x)
    }

    fn attention(&mut self, _: &Place, layer: &ChannelAttention, x: Tensor<4>) -> Tensor<4> {
        layer.forward(x)
    }

    fn global_average(&mut self, x: Tensor<4>) -> Tensor<2> {
        global_average(x)
    }

    fn linear(&mut self, _: &Place, linear: &Linear, x: Tensor<2>) -> Tensor<2> {
        linear.forward(x)
    }
}
