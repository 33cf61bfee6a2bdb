//! The pass that computes.

use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis::{BasisConv2d, FilterBasis, PartlySharedConv2d, SharedConv2d};
use cobasis_kernels::Maps;

use super::{Activation, Pass, Place, avg_windows, max_windows};
use crate::attention::ChannelAttention;
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

/// Tells a profiler which layer comes.
pub(crate) fn enter(_place: impl FnOnce() -> String) {
    #[cfg(feature = "kernels")]
    cobasis_kernels::profile::enter(_place);
}

impl Pass for Forward {
    type Map = Maps;
    type Vector = Tensor<2>;

    fn end_of_stage(&mut self, maps: &Maps) {
        if let Some(stages) = &mut self.stages {
            stages.push(maps.clone().into_tensor());
        }
    }

    fn conv2d(&mut self, place: &Place, conv: &Conv2d, x: Maps) -> Maps {
        enter(|| place.to_string());
        x.conv(conv)
    }

    fn basis_conv2d(&mut self, place: &Place, conv: &BasisConv2d, x: Maps) -> Maps {
        enter(|| place.to_string());
        conv.forward_maps(x, place.bases().first())
    }

    fn shared_conv2d(
        &mut self,
        place: &Place,
        conv: &SharedConv2d,
        basis: &FilterBasis,
        x: Maps,
    ) -> Maps {
        enter(|| place.to_string());
        conv.forward_maps(x, basis)
    }

    fn partly_shared_conv2d(
        &mut self,
        place: &Place,
        conv: &PartlySharedConv2d,
        basis: &FilterBasis,
        x: Maps,
    ) -> Maps {
        enter(|| place.to_string());
        conv.forward_maps(x, basis)
    }

    fn norm(&mut self, place: &Place, norm: &BatchNorm, x: Maps, then: Activation) -> Maps {
        enter(|| place.to_string());
        x.batch_norm(norm, None, then)
    }

    fn norm_add(
        &mut self,
        place: &Place,
        norm: &BatchNorm,
        x: Maps,
        shortcut: Maps,
        then: Activation,
    ) -> Maps {
        enter(|| place.to_string());
        x.batch_norm(norm, Some(shortcut), then)
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

    fn max_pool(&mut self, pool: &MaxPool2d, x: Maps) -> Maps {
        x.max_pool(max_windows(pool))
    }

    fn avg_pool(&mut self, pool: &AvgPool2d, x: Maps) -> Maps {
        x.avg_pool(avg_windows(pool))
    }

    fn pad(&mut self, pad: &PadShortcut, x: Maps) -> Maps {
        pad.apply(x)
    }

    fn attention(&mut self, _: &Place, layer: &ChannelAttention, x: Maps) -> Maps {
        layer.apply(x)
    }

    fn global_average(&mut self, x: Maps) -> Tensor<2> {
        x.global_average()
    }

    fn linear(&mut self, _: &Place, linear: &Linear, x: Tensor<2>) -> Tensor<2> {
        linear.forward(x)
    }
}
