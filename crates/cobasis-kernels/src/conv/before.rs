//! What is done to values before a convolution reads them.

use super::Activation;
use crate::isa::Simd;

/// `act(scale[channel] * x + shift[channel])`, with a factor and a summand for each input channel.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Factor of each channel.
    pub scale: &'a [f32],
    /// Summand of each channel.
    pub shift: &'a [f32],
    /// Function applied last.
    pub activation: Activation,
}

impl Before<'_> {
    /// Writes what becomes of pixels, `x` with one every `stride` values, one after the other.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(&self, s: S, (x, stride): (&[f32], usize), y: &mut [f32]) {
        let channels = self.scale.len();
        assert_eq!(self.shift.len(), channels);
        let pixels = y.len() / channels;
        assert!(pixels == 0 || x.len() >= (pixels - 1) * stride + channels);
        let (zero, six) = (s.splat(0.0), s.splat(6.0));
        for pixel in 0..pixels {
            let (from, to) = (x[pixel * stride..].as_ptr(), y[pixel * channels..].as_mut_ptr());
            let mut channel = 0;
            while channel < channels {
                let count = (channels - channel).min(S::LANES);
                // SAFETY: both have the channels of this pixel, as have the factors and summands.
                unsafe {
                    let [from, scale, shift] = [from, self.scale.as_ptr(), self.shift.as_ptr()]
                        .map(|values| match count == S::LANES {
                            true => s.load(values.add(channel)),
                            false => s.load_first(values.add(channel), count),
                        });
                    let mut value = s.fma(from, scale, shift);
                    if self.activation != Activation::None {
                        value = s.max(value, zero);
                    }
                    if self.activation == Activation::Relu6 {
                        value = s.min(value, six);
                    }
                    match count == S::LANES {
                        true => s.store(to.add(channel), value),
                        false => s.store_first(to.add(channel), value, count),
                    }
                }
                channel += S::LANES;
            }
        }
    }
}
