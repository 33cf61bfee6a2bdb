//! Factors and summands of channels, sums of maps.

use pulp::NullaryFnOnce;

use super::{CHUNK, Pixels, PixelsMut, at_once};
use crate::activation::Activation;
use crate::parallel::chunks_mut;
use crate::vectorised::vectorised;

/// The activation of a number. What is no number stays none.
#[inline(always)]
fn activated(value: f32, then: Activation) -> f32 {
    let positive = if value < 0.0 { 0.0 } else { value };
    match then {
        Activation::None => value,
        Activation::Relu => positive,
        Activation::Relu6 if positive > 6.0 => 6.0,
        Activation::Relu6 => positive,
    }
}

/// Calls the job with the activation as a constant, so that its loop has no choice inside.
macro_rules! with_constant {
    ($then:expr, $job:expr) => {
        match $then {
            Activation::None => $job(Activation::None),
            Activation::Relu => $job(Activation::Relu),
            Activation::Relu6 => $job(Activation::Relu6),
        }
    };
}

/// `y = then(scale · x + shift)`, with a factor and a summand for each channel.
///
/// # Panics
///
/// If sizes differ.
pub fn affine(x: Pixels, y: PixelsMut, [scale, shift]: [&[f32]; 2], then: Activation) {
    assert_eq!((x.pixels(), x.channels), (y.pixels(), y.channels), "pixels and channels");
    assert_eq!([scale.len(), shift.len()], [x.channels; 2], "numbers of channels");
    y.parts(at_once(x.channels), |first, y| {
        vectorised(Affine { x: Some((x, first)), y, scale, shift, then });
    });
}

/// [`affine`] of maps that are written over.
///
/// # Panics
///
/// If sizes differ.
pub fn affine_in_place(y: PixelsMut, [scale, shift]: [&[f32]; 2], then: Activation) {
    assert_eq!([scale.len(), shift.len()], [y.channels; 2], "numbers of channels");
    y.parts(at_once(scale.len()), |_, y| {
        vectorised(Affine { x: None, y, scale, shift, then });
    });
}

struct Affine<'a> {
    /// The input and its first pixel, unless it is the output.
    x: Option<(Pixels<'a>, usize)>,
    y: PixelsMut<'a>,
    scale: &'a [f32],
    shift: &'a [f32],
    then: Activation,
}

impl NullaryFnOnce for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, mut y, scale, shift, then } = self;
        let mut with = |then: Activation| match x {
            Some((x, first)) => {
                for (y, x) in y.each().zip(x.from(first)) {
                    for (((y, &x), &scale), &shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                        *y = activated(x * scale + shift, then);
                    }
                }
            }
            None => {
                for y in y.each() {
                    for ((y, &scale), &shift) in y.iter_mut().zip(scale).zip(shift) {
                        *y = activated(*y * scale + shift, then);
                    }
                }
            }
        };
        with_constant!(then, with);
    }
}

/// `y = then(a + b)`, number by number.
///
/// # Panics
///
/// If sizes differ.
pub fn add(a: &[f32], b: &[f32], y: &mut [f32], then: Activation) {
    assert_eq!([a.len(), b.len()], [y.len(); 2], "numbers of summands");
    chunks_mut(y, CHUNK, |index, y| {
        let range = index * CHUNK..index * CHUNK + y.len();
        vectorised(Sum { a: Some(&a[range.clone()]), b: &b[range], y, then });
    });
}

/// `y = then(y + x)`, number by number.
///
/// # Panics
///
/// If sizes differ.
pub fn add_to(y: &mut [f32], x: &[f32], then: Activation) {
    assert_eq!(x.len(), y.len(), "numbers of summands");
    chunks_mut(y, CHUNK, |index, y| {
        let range = index * CHUNK..index * CHUNK + y.len();
        vectorised(Sum { a: None, b: &x[range], y, then });
    });
}

struct Sum<'a> {
    /// The first summand, unless it is what is written over.
    a: Option<&'a [f32]>,
    b: &'a [f32],
    y: &'a mut [f32],
    then: Activation,
}

impl NullaryFnOnce for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { a, b, y, then } = self;
        let mut with = |then: Activation| match a {
            Some(a) => {
                for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                    *y = activated(a + b, then);
                }
            }
            None => {
                for (y, &b) in y.iter_mut().zip(b) {
                    *y = activated(*y + b, then);
                }
            }
        };
        with_constant!(then, with);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_formula_wherever_the_channels_lie() {
        // Three channels of maps of five, two of maps of four.
        let x: Vec<f32> = (0..35).map(|index| index as f32 - 17.0).collect();
        let mut y = vec![-1.0; 29];
        let (scale, shift) = ([2.0, -1.0, 0.5], [0.0, 1.0, -3.0]);
        let (from, to) = (Pixels::new(&x[1..], 7, 3, 5), PixelsMut::new(&mut y[1..], 7, 3, 4));
        affine(from, to, [&scale, &shift], Activation::Relu6);
        for pixel in 0..7 {
            for channel in 0..3 {
                let number: f32 = x[pixel * 5 + channel + 1] * scale[channel] + shift[channel];
                assert_eq!(y[pixel * 4 + channel + 1], number.clamp(0.0, 6.0));
            }
            assert_eq!(y[pixel * 4], -1.0);
        }
        let before = y.clone();
        let place = PixelsMut::new(&mut y[1..], 7, 3, 4);
        affine_in_place(place, [&scale, &shift], Activation::None);
        for (index, (before, after)) in before.iter().zip(&y).enumerate() {
            let expected = match index % 4 {
                0 => -1.0,
                channel => before * scale[channel - 1] + shift[channel - 1],
            };
            assert_eq!(*after, expected);
        }
    }

    #[test]
    fn sums_of_many_numbers() {
        let a: Vec<f32> = (0..40000).map(|index| (index % 100) as f32 - 50.0).collect();
        let b = vec![1.0; a.len()];
        let mut y = vec![9.0; a.len()];
        add(&a, &b, &mut y, Activation::None);
        assert!(y.iter().zip(&a).all(|(y, a)| *y == a + 1.0));
        add_to(&mut y, &b, Activation::Relu);
        assert!(y.iter().zip(&a).all(|(y, a)| *y == (a + 2.0).max(0.0)));
    }
}
