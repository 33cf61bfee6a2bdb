//! The classifier of a model.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cobasis::{Bases, Pass, Place};

use crate::banks::Banks;
use crate::name::ModelName;
use crate::sharing::{Sharing, TBasisLinear};
use crate::slot::Blocks;

/// The linear layer from the features to the logits: with weights of its own, or with weights that are
/// composed as those of the network's layers.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum Head {
    /// With weights of its own.
    Linear(Linear),
    /// With those of a ring of cores: in networks such as `-tbasis20r28-all`.
    TBasis(TBasisLinear),
}

impl Head {
    /// The classifier of a network, with its weights at anything.
    pub(crate) fn new(name: &ModelName, classes: usize, banks: &Banks, device: &Device) -> Self {
        let features = name.architecture().features();
        match (name.sharing(), name.blocks()) {
            (Some(Sharing::TBasis(method)), Blocks::All) => {
                Head::TBasis(method.classifier([features, classes], banks, device))
            }
            _ => Head::Linear(LinearConfig::new(features, classes).init(device)),
        }
    }

    /// Logits, `[batch, classes]`, of features, `[batch, features]`, in any pass.
    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, bases: &Bases, x: P::Vector) -> P::Vector {
        let at = Place::ROOT.field("head");
        match self {
            Head::Linear(linear) => pass.linear(&at, linear, x),
            Head::TBasis(linear) => linear.pass(pass, &at, bases, x),
        }
    }

    /// The summands of the logits, `[classes]`.
    pub fn bias(&self) -> Option<&Param<Tensor<1>>> {
        match self {
            Head::Linear(linear) => linear.bias.as_ref(),
            Head::TBasis(linear) => Some(&linear.bias),
        }
    }

    /// The weight, `[features, classes]`, of a classifier that has one of its own.
    pub fn weight(&self) -> Option<&Param<Tensor<2>>> {
        match self {
            Head::Linear(linear) => Some(&linear.weight),
            Head::TBasis(_) => None,
        }
    }

    /// Where it is.
    pub(crate) fn device(&self) -> Device {
        match self {
            Head::Linear(linear) => linear.weight.lazy_device(),
            Head::TBasis(linear) => linear.bias.lazy_device(),
        }
    }
}
