//! What a model does with the maps of its network.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cobasis::{Bases, Pass, Place};

use crate::banks::Banks;
use crate::detector::Detector;
use crate::name::ModelName;
use crate::sharing::{Sharing, TBasisLinear};
use crate::slot::Blocks;

/// What comes after a network: the linear layer from the features to the logits, with weights of its own or with
/// weights that are composed as those of the network's layers; or a detector's neck and head.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum Head {
    /// With weights of its own.
    Linear(Linear),
    /// With those of a ring of cores: in networks such as `-tbasis20r28-all`.
    TBasis(TBasisLinear),
    /// No classifier: what a detector has in its place.
    Detector(Detector),
}

impl Head {
    /// The classifier of a network, with its weights at anything.
    pub(crate) fn classifier(
        name: &ModelName,
        classes: usize,
        banks: &Banks,
        device: &Device,
    ) -> Self {
        let features = name.architecture().features();
        match (name.sharing(), name.blocks()) {
            (Some(Sharing::TBasis(method)), Blocks::All) => {
                Head::TBasis(method.classifier([features, classes], banks, device))
            }
            _ => Head::Linear(LinearConfig::new(features, classes).init(device)),
        }
    }

    /// Logits, `[batch, classes]`, of features, `[batch, features]`, in any pass.
    ///
    /// # Panics
    ///
    /// Panics if it is no classifier.
    pub(crate) fn classify<P: Pass>(&self, pass: &mut P, bases: &Bases, x: P::Vector) -> P::Vector {
        let at = Place::ROOT.field("head");
        match self {
            Head::Linear(linear) => pass.linear(&at, linear, x),
            Head::TBasis(linear) => linear.pass(pass, &at, bases, x),
            Head::Detector(_) => panic!("a detector has no classifier"),
        }
    }

    /// The summands of a classifier's logits, `[classes]`.
    pub fn bias(&self) -> Option<&Param<Tensor<1>>> {
        match self {
            Head::Linear(linear) => linear.bias.as_ref(),
            Head::TBasis(linear) => Some(&linear.bias),
            Head::Detector(_) => None,
        }
    }

    /// The weight, `[features, classes]`, of a classifier that has one of its own.
    pub fn weight(&self) -> Option<&Param<Tensor<2>>> {
        match self {
            Head::Linear(linear) => Some(&linear.weight),
            Head::TBasis(_) | Head::Detector(_) => None,
        }
    }

    /// Where it is.
    pub(crate) fn device(&self) -> Device {
        match self {
            Head::Linear(linear) => linear.weight.lazy_device(),
            Head::TBasis(linear) => linear.bias.lazy_device(),
            Head::Detector(detector) => detector.device(),
        }
    }
}
