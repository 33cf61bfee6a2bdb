//! Operations on feature maps as slices, channels last: those of deployed networks that are no
//! convolutions. None asks for memory.

mod affine;
mod mean;
mod moves;
mod pool;

pub use affine::{add, add_to, affine, affine_in_place};
pub use mean::{channel_weights, global_average, scale_channels};
pub use moves::{copy, from_planes, subsample, upsample};
pub use pool::{Pooling, pool};

/// Values that a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Maps of several images, pixel after pixel: each pixel has `channels` values and begins `stride`
/// values after the one before it, so that they may be some channels of larger maps.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    values: &'a [f32],
    channels: usize,
    stride: usize,
}

/// [`Pixels`] to be written.
#[derive(Debug)]
pub struct PixelsMut<'a> {
    values: &'a mut [f32],
    channels: usize,
    stride: usize,
}

/// Values of so many pixels, the last of which ends with its channels.
fn least(pixels: usize, channels: usize, stride: usize) -> usize {
    assert!(channels <= stride, "{channels} channels every {stride} values");
    if pixels == 0 { 0 } else { (pixels - 1) * stride + channels }
}

impl<'a> Pixels<'a> {
    /// The first so many pixels of these values.
    ///
    /// # Panics
    ///
    /// If there are fewer values.
    pub fn new(values: &'a [f32], pixels: usize, channels: usize, stride: usize) -> Self {
        Self { values: &values[..least(pixels, channels, stride)], channels, stride }
    }

    fn pixels(self) -> usize {
        self.values.len().div_ceil(self.stride)
    }

    /// The channels of each pixel from this one on.
    #[inline(always)]
    fn from(self, pixel: usize) -> impl Iterator<Item = &'a [f32]> {
        let start = (pixel * self.stride).min(self.values.len());
        self.values[start..].chunks(self.stride).map(move |pixel| &pixel[..self.channels])
    }

    /// The channels of a pixel.
    #[inline(always)]
    fn at(self, pixel: usize) -> &'a [f32] {
        &self.values[pixel * self.stride..][..self.channels]
    }
}

impl<'a> PixelsMut<'a> {
    /// The first so many pixels of these values.
    ///
    /// # Panics
    ///
    /// If there are fewer values.
    pub fn new(values: &'a mut [f32], pixels: usize, channels: usize, stride: usize) -> Self {
        Self { values: &mut values[..least(pixels, channels, stride)], channels, stride }
    }

    fn pixels(&self) -> usize {
        self.values.len().div_ceil(self.stride)
    }

    /// Calls the job with some pixels at a time, `at_once` of them, and the number of the first.
    fn parts(self, at_once: usize, job: impl Fn(usize, PixelsMut) + Sync) {
        let Self { values, channels, stride } = self;
        crate::parallel::chunks_mut(values, at_once * stride, |index, values| {
            job(index * at_once, PixelsMut { values, channels, stride });
        });
    }

    /// The channels of each pixel.
    #[inline(always)]
    fn each(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let channels = self.channels;
        self.values.chunks_mut(self.stride).map(move |pixel| &mut pixel[..channels])
    }
}

/// Pixels that a thread takes at a time.
fn at_once(channels: usize) -> usize {
    (CHUNK / channels.max(1)).max(1)
}
