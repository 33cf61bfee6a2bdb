//! Factorised layers whose ranks training finds, by autoencoders of filters: `-alf73584`.

use std::fmt;

use burn::module::{Initializer, Module, Param};
use burn::tensor::Tensor;
use cobasis::{
    Bases, CodedFilters, Composed, Composition, Convolution, Filters, Geometry, InnerFilters, Pass,
    Place, Role, Source, Start,
};

use super::hinge::{check_weights, parse_weights};
use super::method::{MadeWith, Method};
use crate::banks::BankSpec;
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// How far encoders and decoders start from the identity: the standard deviation of each number.
const DISTURBANCE: f64 = 0.01;

/// The filters of each layer are the code that a sparse autoencoder makes of a dense layer's filters,
/// and a 1×1 convolution from as many channels follows. A mask with one number for each filter of the
/// code is made sparse in training, and cut to a number of weights over all layers; what is left is
/// `-lowrank` with ranks that were learnt. Nothing else of the autoencoder is needed for inference.
///
/// A *reconstruction*: of the source, ALF (Frickenstein et al., DAC 2020), the paper's text was not at
/// hand. [`CodedFilters`] has the formulas. Fixed here, where the paper's answer is not known: the
/// code is used as composed, `tanh` included; encoder and decoder start as the identity with noise; the
/// gradient goes through the mask's threshold as it is; and a layer keeps one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alf {
    /// Weights that may be left in all its layers together at inference: of each inner filter, its own
    /// and those of its column, `9 × channels_in + channels_out`.
    pub weights: usize,
}

impl Method for Alf {
    type Layer = AlfConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-alf<WEIGHTS> (a reconstruction)")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let weights = parse_weights(suffix.strip_prefix("alf")?)?;
        Some(weights.map(|weights| Self { weights }))
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<AlfConv2d> {
        let (shape, device) = (slot.filter_shape(), made_with.device);
        let inner = shape[0];
        let square = || Initializer::Zeros.init([inner, inner], device);
        Some(AlfConv2d {
            filters: Initializer::Zeros.init(shape, device),
            encoder: square(),
            decoder: square(),
            mask: Initializer::Zeros.init([inner], device),
            coefficients: Initializer::Zeros.init([inner, inner, 1, 1], device),
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

    fn note(&self) -> Option<&'static str> {
        Some("ALF as reconstructed: the paper's text was not at hand")
    }
}

impl fmt::Display for Alf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alf{}", self.weights)
    }
}

/// A convolution with [filters that are coded](CodedFilters), and a `1×1` convolution of its outputs
/// with nothing in between. Training keeps only some of the inner filters.
#[derive(Module, Debug)]
pub struct AlfConv2d {
    /// The filters that are encoded, `[inner, channels_in, kernel_height, kernel_width]`.
    pub filters: Param<Tensor<4>>,
    /// The encoder, `[inner, inner]`.
    pub encoder: Param<Tensor<2>>,
    /// The decoder, `[inner, inner]`.
    pub decoder: Param<Tensor<2>>,
    /// The mask, `[inner]`.
    pub mask: Param<Tensor<1>>,
    /// The matrix from inner channels to the output's, `[channels_out, inner, 1, 1]`.
    pub coefficients: Param<Tensor<4>>,
    /// Stride, padding, dilation and groups of the first convolution.
    #[module(skip)]
    pub geometry: Geometry,
}

impl AlfConv2d {
    fn coded(&self) -> CodedFilters {
        CodedFilters {
            filters: self.filters.clone(),
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            mask: self.mask.clone(),
            coefficients: self.coefficients.clone(),
        }
    }
}

impl OnBases for AlfConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, _: &Bases, x: P::Map) -> P::Map {
        let Self { filters, encoder, decoder, mask, coefficients, geometry } = self;
        pass.inner_filters(at, || InnerFilters::Coded(self.coded()));
        let encoding = filters.lazy_shape().num_elements() * encoder.lazy_shape()[0];
        let near_identity = Start::NearIdentity(DISTURBANCE);
        let code = Filters::Composed(Composed {
            shape: filters.lazy_shape().dims(),
            own: vec![
                Source::new(filters, Start::Filters),
                Source::new(encoder, near_identity),
                Source::new(decoder, near_identity),
                Source::new(mask, Start::Constant(1.0)),
            ],
            shared: Vec::new(),
            composition: Composition { macs: encoding as u64, ..Composition::default() },
            value: Box::new(|| self.coded().applied()),
        });
        let first = Convolution {
            filters: code,
            bias: None,
            geometry: geometry.clone(),
            role: Role::Basis,
        };
        let x = pass.conv(at, first, x);
        // Glorot's initialisation.
        let [outputs, inner, ..] = coefficients.lazy_shape().dims::<4>();
        let start = Start::Normal((2.0 / (outputs + inner) as f64).sqrt());
        let matrix = Filters::Composed(Composed {
            shape: [outputs, inner, 1, 1],
            own: vec![Source::new(coefficients, start)],
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
    fn the_autoencoder_is_no_part_of_inference() {
        let name: ModelName = "digits/resnet14-alf107520".parse().expect("a name");
        assert_eq!(name.to_string(), "digits/resnet14-alf107520");
        assert!(name.note().is_some_and(|note| note.contains("reconstructed")));
        assert!("digits/resnet14-alf107521".parse::<ModelName>().is_err());
        let model = ModelConfig::new(name).init(&Device::flex());
        // Of two layers a stage, the encoder, the decoder and the mask.
        let coding: usize = [16, 32, 64].map(|width| 2 * (2 * width * width + width)).iter().sum();
        let trained = model.parameters().trainable;
        assert_eq!(trained, model.cost([8, 8]).total().params);
        assert_eq!(model.inference_parameters(), trained - coding as u64);
    }
}
