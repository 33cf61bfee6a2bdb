//! Pooling of maps.

use burn::nn::PaddingConfig2d;
use burn::nn::pool::{AvgPool2dConfig, MaxPool2dConfig};
use burn::tensor::Tensor;

use super::{Layout, Maps};
#[cfg(feature = "flex")]
use crate::flex;
use crate::positions::positions;

/// Windows that move over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Height and width.
    pub size: [usize; 2],
    /// Steps down and across.
    pub stride: [usize; 2],
    /// Pixels outside the maps above and below, left and right: less than half a window.
    pub padding: [usize; 2],
}

impl Windows {
    /// Height and width of the output for maps of this size.
    ///
    /// # Panics
    ///
    /// If the maps with their padding are smaller than a window.
    pub fn output(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padding = [self.padding[axis]; 2];
            positions(size[axis], padding, self.size[axis], self.stride[axis])
        })
    }

    fn burn_padding(self) -> PaddingConfig2d {
        let [vertical, horizontal] = self.padding;
        PaddingConfig2d::Explicit(vertical, horizontal, vertical, horizontal)
    }
}

impl Maps {
    /// The maximum of each window.
    pub fn max_pool(self, windows: Windows) -> Maps {
        let Self { tensor: x, layout } = self;
        let tensor = match layout {
            Layout::ChannelsFirst => {
                let pool = MaxPool2dConfig::new(windows.size).with_strides(windows.stride);
                pool.with_padding(windows.burn_padding()).init().forward(x)
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => flex::pool(flex::Pool::Maximum, windows, x),
        };
        Self { tensor, layout }
    }

    /// The mean of each window; what is outside the maps counts as zeros.
    pub fn avg_pool(self, windows: Windows) -> Maps {
        let Self { tensor: x, layout } = self;
        let tensor = match layout {
            Layout::ChannelsFirst => {
                let pool = AvgPool2dConfig::new(windows.size).with_strides(windows.stride);
                pool.with_padding(windows.burn_padding()).init().forward(x)
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => flex::pool(flex::Pool::Mean, windows, x),
        };
        Self { tensor, layout }
    }

    /// The mean of each map: `[batch, channels, height, width]` to `[batch, channels]`.
    pub fn global_average(self) -> Tensor<2> {
        let [batch, channels, height, width] = self.dims();
        match self.layout {
            Layout::ChannelsFirst => {
                let pixels = self.tensor.reshape([batch, channels, height * width]);
                pixels.mean_dim(2).reshape([batch, channels])
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => flex::global_average(self.tensor),
        }
    }
}
