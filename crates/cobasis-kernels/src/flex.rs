//! Operations on channels-last tensors of Flex, `[batch, height, width, channels]`: where Burn's
//! autodiff meets the arithmetic.

mod convolution;
mod lookup;
mod mean;
mod norm;
mod packing;
mod pooling;
mod sgd;
mod tensors;

pub(crate) use convolution::{conv_shape, conv2d, fused_conv2d};
pub(crate) use lookup::lookup;
pub(crate) use mean::global_average;
pub(crate) use norm::{norm_train, norm_with};
pub(crate) use pooling::{Pool, pool};
pub(crate) use sgd::sgd;
pub(crate) use tensors::{contiguous, serves};
