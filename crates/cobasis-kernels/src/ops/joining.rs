//! Maps joined with maps or with numbers.

use burn::tensor::{Tensor, s};

use crate::maps::{Layout, Maps};

impl Maps {
    /// The sum of maps of equal shape.
    pub fn add(self, other: Maps) -> Maps {
        let (x, layout) = self.into_parts();
        Maps::new(x + other.to_layout(layout).into_parts().0, layout)
    }

    /// The channels of both, `self`'s first.
    pub fn concat(self, other: Maps) -> Maps {
        let (x, layout) = self.into_parts();
        let other = other.to_layout(layout).into_parts().0;
        Maps::new(Tensor::cat(vec![x, other], layout.channels()), layout)
    }

    /// Every `stride`-th pixel down and across, from the first, with channels of zeros, so many
    /// before the others and so many after them.
    pub fn subsample(self, stride: usize, [before, after]: [usize; 2]) -> Maps {
        let (x, layout) = self.into_parts();
        let stride = stride as isize;
        let kept = match layout {
            Layout::ChannelsFirst => x.slice(s![.., .., ..;stride, ..;stride]),
            Layout::ChannelsLast => x.slice(s![.., ..;stride, ..;stride, ..]),
        };
        let options = (&kept.device(), kept.dtype());
        let axis = layout.channels();
        let zeros = |channels| {
            let mut dims = kept.dims();
            dims[axis] = channels;
            Tensor::zeros(dims, options)
        };
        Maps::new(Tensor::cat(vec![zeros(before), kept.clone(), zeros(after)], axis), layout)
    }

    /// Each channel times a number, `scales`: `[batch, channels]`.
    pub fn scale_channels(self, scales: Tensor<2>) -> Maps {
        let (x, layout) = self.into_parts();
        let [batch, channels] = scales.dims();
        Maps::new(x * scales.reshape(layout.per_channel(batch, channels)), layout)
    }
}
