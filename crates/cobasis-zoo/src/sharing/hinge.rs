//! Factorised layers whose ranks training finds, by group sparsity: `-hinge73584`.

use std::fmt;

use burn::module::{Initializer, Module, Param};
use burn::tensor::Tensor;
use cobasis::{
    Bases, Composed, Composition, Convolution, Filters, Geometry, InnerFilters, Pass, Place,
    PlainFilters, Role, Source, Start,
};

use super::method::{MadeWith, Method};
use crate::banks::BankSpec;
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// How far the coefficients start from the identity: the standard deviation of each, as in the
/// source's code.
const DISTURBANCE: f64 = 0.05;

/// Each layer starts as a 3×3 convolution to as many channels as the dense one has, and a 1×1
/// convolution from them. Training makes the columns of the 1×1 convolution's matrix, one for each
/// inner filter, small as groups, and then cuts the weakest over all layers; what is left is
/// `-lowrank` with ranks that were learnt.
///
/// Source: Hinge (Li, Gu, Mayer, Van Gool & Timofte, CVPR 2020). Both convolutions of a block lose
/// inner filters here. Left out of the source: pruning of the first one's output channels, a trained
/// dense network to start from, which is not asked for, the momentum of the proximal step, and the
/// search for the threshold, which the number of weights stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hinge {
    /// Weights that may be left in all its layers together: of each inner filter, its own and those
    /// of its column, `9 × channels_in + channels_out`.
    pub weights: usize,
}

impl Method for Hinge {
    type Layer = HingeConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-hinge<WEIGHTS>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let weights = parse_weights(suffix.strip_prefix("hinge")?)?;
        Some(weights.map(|weights| Self { weights }))
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<HingeConv2d> {
        let shape @ [filters, ..] = slot.filter_shape();
        let zeros = |shape: [usize; 4]| Initializer::Zeros.init(shape, made_with.device);
        Some(HingeConv2d {
            filters: zeros(shape),
            coefficients: zeros([filters, filters, 1, 1]),
            geometry: slot.geometry(),
        })
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }

    fn check(&self, slots: &[Slot]) -> Result<(), &'static str> {
        check_weights(self.weights, slots)
    }

    fn weight_limit(&self) -> Option<usize> {
        Some(self.weights)
    }
}

impl fmt::Display for Hinge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hinge{}", self.weights)
    }
}

/// A number of weights in a suffix, as [`Display`](fmt::Display) writes it; `None` if it is none.
pub(super) fn parse_weights(text: &str) -> Option<Result<usize, &'static str>> {
    let is_number = !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit());
    if !is_number {
        return None;
    }
    Some(match text.parse() {
        Ok(_) if text.len() > 1 && text.starts_with('0') => Err("a number starts with a zero"),
        Ok(weights) => Ok(weights),
        Err(_) => Err("more weights than its layers have"),
    })
}

/// Refuses numbers of weights that these layers can't be cut to, or have not.
pub(super) fn check_weights(weights: usize, slots: &[Slot]) -> Result<(), &'static str> {
    let one = |slot: &Slot| {
        let [outputs, filter @ ..] = slot.filter_shape();
        filter.iter().product::<usize>() + outputs
    };
    let fewest: usize = slots.iter().map(one).sum();
    let most: usize = slots.iter().map(|slot| slot.channels[1] * one(slot)).sum();
    match weights {
        _ if weights < fewest => Err("fewer weights than one filter in each layer takes"),
        _ if weights > most => Err("more weights than its layers have"),
        _ => Ok(()),
    }
}

/// A convolution, and a `1×1` convolution of its outputs with nothing in between. Training keeps only
/// some of the inner filters.
#[derive(Module, Debug)]
pub struct HingeConv2d {
    /// The inner filters, `[inner, channels_in, kernel_height, kernel_width]`.
    pub filters: Param<Tensor<4>>,
    /// The matrix from inner channels to the output's, `[channels_out, inner, 1, 1]`.
    pub coefficients: Param<Tensor<4>>,
    /// Stride, padding, dilation and groups of the first convolution.
    #[module(skip)]
    pub geometry: Geometry,
}

impl OnBases for HingeConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, _: &Bases, x: P::Map) -> P::Map {
        let Self { filters, coefficients, geometry } = self;
        pass.inner_filters(at, || {
            let (filters, coefficients) = (filters.clone(), coefficients.clone());
            InnerFilters::Plain(PlainFilters { filters, coefficients })
        });
        let first = Convolution {
            filters: Filters::own(filters),
            bias: None,
            geometry: geometry.clone(),
            role: Role::Basis,
        };
        let x = pass.conv(at, first, x);
        let matrix = Filters::Composed(Composed {
            shape: coefficients.lazy_shape().dims(),
            own: vec![Source::new(coefficients, Start::NearIdentity(DISTURBANCE))],
            shared: Vec::new(),
            composition: Composition::default(),
            value: Box::new(|| coefficients.val()),
        });
        let second = Convolution {
            filters: matrix,
            bias: None,
            geometry: Geometry::default(),
            role: Role::Coefficients,
        };
        pass.conv(&at.field("coefficients"), second, x)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ModelConfig, ModelName};
    use burn::tensor::Device;

    #[test]
    fn names_have_as_many_weights_as_their_layers_can_be_cut_to() {
        let refusal = |name: &str| name.parse::<ModelName>().map_err(|error| error.to_string());
        // Three stages of two layers: 4 × (9 × 16 + 16) and so on, a filter each and all of them.
        let (fewest, most) = (2 * 10 * (16 + 32 + 64), 2 * 10 * (16 * 16 + 32 * 32 + 64 * 64));
        for weights in [fewest, most] {
            let name = format!("digits/resnet14-hinge{weights}");
            assert_eq!(refusal(&name).map(|name| name.to_string()), Ok(name));
        }
        for (weights, said) in [
            ((fewest - 1).to_string(), "fewer weights than one filter in each layer"),
            ((most + 1).to_string(), "more weights than its layers have"),
            ("0".repeat(3), "starts with a zero"),
            ("9".repeat(30), "more weights than its layers have"),
        ] {
            let refused = refusal(&format!("digits/resnet14-hinge{weights}")).expect_err("no name");
            assert!(refused.contains(said), "{refused}");
        }
        for suffix in ["hinge", "hinge-5", "hinge+5", "hinge5,5"] {
            assert!(refusal(&format!("digits/resnet14-{suffix}")).is_err(), "{suffix}");
        }
    }

    #[test]
    fn the_matrix_starts_near_the_identity() {
        let name = "cifar10/resnet20-hinge48888".parse().expect("a name");
        let state = ModelConfig::new(name).init(&Device::flex()).state();
        let matrix = &state["stages.2.blocks.1.conv1.coefficients"];
        let values: Vec<f32> = matrix.iter::<f32>().collect();
        let rest = |index: usize| values[index] - if index.is_multiple_of(65) { 1.0 } else { 0.0 };
        let square: f32 = (0..values.len()).map(|index| rest(index).powi(2)).sum();
        let deviation = (square / values.len() as f32).sqrt();
        assert_eq!(values.len(), 64 * 64);
        assert!((deviation / 0.05 - 1.0).abs() < 0.05, "{deviation}");
    }
}
