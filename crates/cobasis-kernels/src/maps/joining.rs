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

    /// The sum of maps and of coarser ones, [upsampled](Self::upsampled) to their size.
    ///
    /// # Panics
    ///
    /// As [`upsampled`](Self::upsampled).
    pub fn add_upsampled(self, coarse: &Maps) -> Maps {
        let coarse = coarse.clone().upsampled(&self);
        self.add(&coarse, Activation::None)
    }

    /// Each pixel twice down and across, cut to the size of finer maps: nearest neighbours.
    ///
    /// # Shapes
    ///
    /// - `self`: `[batch, channels, height / 2, width / 2]`, rounded up
    /// - `fine` and output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// Panics if the shapes are others.
    pub fn upsampled(self, fine: &Maps) -> Maps {
        let [batch, channels, height, width] = fine.dims();
        let [rows, columns] = [height.div_ceil(2), width.div_ceil(2)];
        assert!(
            self.dims() == [batch, channels, rows, columns],
            "maps of shape {:?} are not half as large as {:?}",
            self.dims(),
            fine.dims()
        );
        let Self { tensor, layout } = self;
        let tensor = match layout {
            Layout::ChannelsFirst => tensor
                .reshape([batch, channels, rows, 1, columns, 1])
                .expand([batch, channels, rows, 2, columns, 2])
                .reshape([batch, channels, 2 * rows, 2 * columns])
                .slice(s![.., .., 0..height, 0..width]),
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => tensor
                .reshape([batch, rows, 1, columns, 1, channels])
                .expand([batch, rows, 2, columns, 2, channels])
                .reshape([batch, 2 * rows, 2 * columns, channels])
                .slice(s![.., 0..height, 0..width, ..]),
        };
        Self { tensor, layout }
    }

    /// The channels of each pixel, row by row: `[batch, height × width, channels]`.
    pub fn into_pixels(self) -> Tensor<3> {
        let [batch, channels, height, width] = self.dims();
        let Self { tensor, layout } = self;
        let last = match layout {
            Layout::ChannelsFirst => tensor.permute([0, 2, 3, 1]),
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => tensor,
        };
        last.reshape([batch, height * width, channels])
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
