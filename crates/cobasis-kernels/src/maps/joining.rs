//! Maps joined with maps or with numbers.

use burn::tensor::{Tensor, s};

use super::{Layout, Maps};
use crate::activation::Activation;

impl Maps {
    /// `activation(self + other)`, for maps of equal shape.
    pub fn add(self, other: &Maps, activation: Activation) -> Maps {
        self.followed_by(Some(other), activation)
    }

    /// `activation(self)`.
    pub fn activate(self, activation: Activation) -> Maps {
        self.followed_by(None, activation)
    }

    /// The channels of both, `self`'s first.
    pub fn concat(self, other: &Maps) -> Maps {
        let Self { tensor, layout } = self;
        let tensor = Tensor::cat(vec![tensor, other.to_layout(layout)], layout.channels());
        Self { tensor, layout }
    }

    /// Every `stride`-th pixel down and across, from the first, with channels of zeros, so many
    /// before the others and so many after them.
    pub fn subsample(self, stride: usize, [before, after]: [usize; 2]) -> Maps {
        let Self { tensor: x, layout } = self;
        let stride = stride as isize;
        let kept = match layout {
            Layout::ChannelsFirst => x.slice(s![.., .., ..;stride, ..;stride]),
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => x.slice(s![.., ..;stride, ..;stride, ..]),
        };
        let options = (&kept.device(), kept.dtype());
        let axis = layout.channels();
        let zeros = |channels| {
            let mut dims = kept.dims();
            dims[axis] = channels;
            Tensor::zeros(dims, options)
        };
        let tensor = Tensor::cat(vec![zeros(before), kept.clone(), zeros(after)], axis);
        Self { tensor, layout }
    }

    /// Each channel of each image times a number.
    ///
    /// # Shapes
    ///
    /// - `self` and output: `[batch, channels, height, width]`
    /// - `scales`: `[batch, channels]`
    pub fn scale_channels(self, scales: Tensor<2>) -> Maps {
        let Self { tensor, layout } = self;
        let [batch, channels] = scales.dims();
        let tensor = tensor * scales.reshape(layout.per_channel(batch, channels));
        Self { tensor, layout }
    }
}
