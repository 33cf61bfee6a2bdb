//! Feature maps, in the layout that suits their device, and what a network does with them.

mod convolution;
mod joining;
mod norm;
mod pooling;

#[cfg(feature = "flex")]
use std::cell::Cell;

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, relu6};

use crate::activation::Activation;
#[cfg(feature = "flex")]
use crate::flex;

pub use convolution::{ConvEpilogue, ConvOptions};
pub use pooling::Windows;

/// Feature maps on their way through a network.
///
/// Where this crate has operations of its own, they are kept channels-last, so that none of them
/// converts what another one made. Elsewhere they are as Burn has them.
#[derive(Clone, Debug)]
pub struct Maps {
    tensor: Tensor<4>,
    layout: Layout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `[batch, channels, height, width]`, by Burn's operations.
    ChannelsFirst,
    /// `[batch, height, width, channels]`, by ours on Flex.
    #[cfg(feature = "flex")]
    ChannelsLast,
}

/// Takes `[batch, channels, height, width]`.
impl From<Tensor<4>> for Maps {
    fn from(tensor: Tensor<4>) -> Self {
        #[cfg(feature = "flex")]
        if flex::serves(&tensor) && !BURN_ONLY.get() {
            let tensor = flex::contiguous(tensor.permute([0, 2, 3, 1]));
            return Self { tensor, layout: Layout::ChannelsLast };
        }
        Self { tensor, layout: Layout::ChannelsFirst }
    }
}

#[cfg(feature = "flex")]
thread_local! {
    static BURN_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Runs the job with Burn's own operations on every device: to compare with them.
#[cfg(feature = "flex")]
pub fn burn_only<T>(job: impl FnOnce() -> T) -> T {
    let before = BURN_ONLY.replace(true);
    let result = job();
    BURN_ONLY.set(before);
    result
}

impl Maps {
    /// The maps as a tensor of shape `[batch, channels, height, width]`.
    pub fn into_tensor(self) -> Tensor<4> {
        self.to_layout(Layout::ChannelsFirst)
    }

    /// `[batch, channels, height, width]`
    pub fn dims(&self) -> [usize; 4] {
        let dims = self.tensor.dims();
        match self.layout {
            Layout::ChannelsFirst => dims,
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => {
                let [batch, height, width, channels] = dims;
                [batch, channels, height, width]
            }
        }
    }

    /// What an operation of Burn's on `[batch, channels, height, width]` makes of the maps.
    pub fn through(self, operation: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        operation(self.into_tensor()).into()
    }

    /// A view of the maps in this layout.
    fn to_layout(&self, layout: Layout) -> Tensor<4> {
        let tensor = self.tensor.clone();
        match (self.layout, layout) {
            #[cfg(feature = "flex")]
            (Layout::ChannelsFirst, Layout::ChannelsLast) => tensor.permute([0, 2, 3, 1]),
            #[cfg(feature = "flex")]
            (Layout::ChannelsLast, Layout::ChannelsFirst) => tensor.permute([0, 3, 1, 2]),
            _ => tensor,
        }
    }

    /// What follows maps, by Burn's own operations: `activation(self + residual)`.
    fn followed_by(self, residual: Option<&Maps>, activation: Activation) -> Self {
        let Self { tensor, layout } = self;
        let tensor = match residual {
            Some(residual) => tensor + residual.to_layout(layout),
            None => tensor,
        };
        let tensor = match activation {
            Activation::None => tensor,
            Activation::Relu => relu(tensor),
            Activation::Relu6 => relu6(tensor),
        };
        Self { tensor, layout }
    }
}

impl Layout {
    /// The axis of the channels.
    fn channels(self) -> usize {
        match self {
            Layout::ChannelsFirst => 1,
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => 3,
        }
    }

    /// The shape in which one number a channel meets maps.
    fn per_channel(self, batch: usize, channels: usize) -> [usize; 4] {
        let mut shape = [batch, 1, 1, 1];
        shape[self.channels()] = channels;
        shape
    }
}
