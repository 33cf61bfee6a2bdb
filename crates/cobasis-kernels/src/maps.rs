//! Feature maps, in the layout that suits their device.

use burn::tensor::{DType, Tensor};

use crate::ops::{self, is_flex};

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
pub(crate) enum Layout {
    /// `[batch, channels, height, width]`
    ChannelsFirst,
    /// `[batch, height, width, channels]`
    ChannelsLast,
}

/// Takes `[batch, channels, height, width]`.
impl From<Tensor<4>> for Maps {
    fn from(tensor: Tensor<4>) -> Self {
        let maps = Self { tensor, layout: Layout::ChannelsFirst };
        if is_flex(&maps.tensor) && maps.tensor.dtype() == DType::F32 {
            let Self { tensor, layout } = maps.to_layout(Layout::ChannelsLast);
            return Self { tensor: ops::contiguous(tensor), layout };
        }
        maps
    }
}

impl Maps {
    /// The maps as a tensor of shape `[batch, channels, height, width]`.
    pub fn into_tensor(self) -> Tensor<4> {
        self.to_layout(Layout::ChannelsFirst).tensor
    }

    /// `[batch, channels, height, width]`
    pub fn dims(&self) -> [usize; 4] {
        let dims = self.tensor.dims();
        match self.layout {
            Layout::ChannelsFirst => dims,
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

    pub(crate) fn new(tensor: Tensor<4>, layout: Layout) -> Self {
        Self { tensor, layout }
    }

    pub(crate) fn into_parts(self) -> (Tensor<4>, Layout) {
        (self.tensor, self.layout)
    }

    /// A view of the maps in this layout.
    pub(crate) fn to_layout(self, layout: Layout) -> Self {
        let tensor = match (self.layout, layout) {
            (Layout::ChannelsFirst, Layout::ChannelsLast) => self.tensor.permute([0, 2, 3, 1]),
            (Layout::ChannelsLast, Layout::ChannelsFirst) => self.tensor.permute([0, 3, 1, 2]),
            _ => self.tensor,
        };
        Self { tensor, layout }
    }
}

impl Layout {
    /// The axis of the channels.
    pub(crate) fn channels(self) -> usize {
        match self {
            Layout::ChannelsFirst => 1,
            Layout::ChannelsLast => 3,
        }
    }

    /// The shape in which one number a channel is added to maps.
    pub(crate) fn per_channel(self, batch: usize, channels: usize) -> [usize; 4] {
        match self {
            Layout::ChannelsFirst => [batch, channels, 1, 1],
            Layout::ChannelsLast => [batch, 1, 1, channels],
        }
    }
}
