//! The epilogue on vectors of channels.

use super::{Activation, Epilogue};
use crate::isa::Simd;

/// The epilogue of one vector of channels.
pub struct Finish<'a, S: Simd> {
    scale: Option<S::V>,
    bias: Option<S::V>,
    residual: Option<&'a [f32]>,
    activation: Activation,
}

impl<'a, S: Simd> Finish<'a, S> {
    /// Loads the factors and summands of `count` channels.
    #[inline(always)]
    pub fn new(s: S, epilogue: &'a Epilogue, channel: usize, count: usize) -> Self {
        let mut vectors = [None; 2];
        for (vector, values) in vectors.iter_mut().zip([epilogue.scale, epilogue.bias]) {
            if let Some(values) = values {
                let values = &values[channel..channel + count];
                // SAFETY: the slice has `count` values.
                *vector = Some(unsafe { s.load_first(values.as_ptr(), count) });
            }
        }
        let [scale, bias] = vectors;
        Self { scale, bias, residual: epilogue.residual, activation: epilogue.activation }
    }

    /// Finishes and stores `count` values at `base + offset`.
    ///
    /// # Safety
    /// `base + offset` must be valid for writing `count` values.
    #[inline(always)]
    pub unsafe fn store(&self, s: S, mut value: S::V, base: *mut f32, offset: usize, count: usize) {
        match (self.scale, self.bias) {
            (Some(scale), Some(bias)) => value = s.fma(value, scale, bias),
            (Some(scale), None) => value = s.mul(value, scale),
            (None, Some(bias)) => value = s.add(value, bias),
            (None, None) => {}
        }
        // SAFETY: the slice has `count` values; the target is the caller's.
        unsafe {
            if let Some(residual) = self.residual {
                let residual = &residual[offset..offset + count];
                let residual = if count == S::LANES {
                    s.load(residual.as_ptr())
                } else {
                    s.load_first(residual.as_ptr(), count)
                };
                value = s.add(value, residual);
            }
            if self.activation != Activation::None {
                value = s.max(value, s.splat(0.0));
            }
            if self.activation == Activation::Relu6 {
                value = s.min(value, s.splat(6.0));
            }
            if count == S::LANES {
                s.store(base.add(offset), value);
            } else {
                s.store_first(base.add(offset), value, count);
            }
        }
    }
}
