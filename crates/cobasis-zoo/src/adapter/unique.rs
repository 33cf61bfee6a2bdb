//! `unique`: unique filters of the task's own.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{Convolution, Filters};

use crate::conv2d::LATER;

/// The filters that a layer has for itself beside the shared ones: the task's in the place of the base's, from
/// which they start. Shared filters and coefficients stay the base's.
#[derive(Module, Debug)]
pub struct Unique {
    /// `[unique, channels_in / groups, kernel_height, kernel_width]`.
    pub unique: Param<Tensor<4>>,
}

impl Unique {
    /// Without numbers.
    pub(super) fn new(shape: [usize; 4], device: &Device) -> Self {
        Self { unique: LATER.init(shape, device) }
    }

    /// The convolution with these filters.
    pub(super) fn adapt<'a>(&'a self, conv: Convolution<'a>) -> Convolution<'a> {
        let shared = conv.filters.banks().to_vec();
        Convolution { filters: Filters::Stacked { own: Some(&self.unique), shared }, ..conv }
    }

    /// The filters of a convolution that can be the task's: its own, where there are shared ones too.
    pub(super) fn of<'a>(conv: &Convolution<'a>) -> Option<&'a Param<Tensor<4>>> {
        match &conv.filters {
            Filters::Stacked { own, shared } if !shared.is_empty() => *own,
            _ => None,
        }
    }
}
