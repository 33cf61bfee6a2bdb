//! Orthogonal convolutions.

use burn::tensor::Tensor;

use super::{Counted, FilterGroup, Formula, identity, norm};
use crate::rows::rows;

/// `‖K ∗ K − δ‖_F`, summed over stages: what a convolution of stride 1 with the kernel `K` as a
/// matrix is off from having orthonormal rows, not squared.
///
/// The products of each filter with each at all shifts at which they overlap are wanted to be 0, but
/// for a filter with itself in its place, where 1 is. A kernel of `k` pixels overlaps with itself up
/// to a shift of `k − 1`, which is the padding that such a convolution of the kernel with itself
/// takes. Kernels of one pixel have one shift, and of more filters than channels this is then never
/// 0. Source: Wang, Chen, Chakraborty and Yu, *Orthogonal Convolutional Neural Networks*, CVPR 2020;
/// their program pads a kernel of 3×3 by 1, which leaves 16 of 25 shifts out.
pub(super) struct OcnnRows;

impl Formula for OcnnRows {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        let kernels = family.iter().flat_map(|group| group.kernels(counted));
        kernels.map(|kernel| norm(squares(&kernel))).reduce(|a, b| a + b)
    }
}

/// The sum of the squares over all shifts. A shift and its opposite have the same products, so half
/// of them are taken twice.
fn squares(kernel: &Tensor<4>) -> Tensor<1> {
    let [_, _, height, width] = kernel.dims();
    let (height, width) = (height as isize, width as isize);
    let in_place = products(kernel, 0, 0);
    let identity = identity(in_place.dims()[0], &in_place);
    let mut sum = (in_place - identity).square().sum();
    for down in 0..height {
        let first = if down == 0 { 1 } else { 1 - width };
        for right in first..width {
            sum = sum + products(kernel, down, right).square().sum().mul_scalar(2.0);
        }
    }
    sum
}

/// The inner products of all filters with all filters that are shifted, over the pixels in common.
fn products(kernel: &Tensor<4>, down: isize, right: isize) -> Tensor<2> {
    let [count, channels, height, width] = kernel.dims();
    let part = |down: isize, right: isize| {
        let range = |size: usize, shift: isize| {
            shift.max(0) as usize..(size as isize + shift.min(0)) as usize
        };
        let pixels = [0..count, 0..channels, range(height, down), range(width, right)];
        rows(kernel.clone().slice(pixels))
    };
    part(down, right).matmul(part(-down, -right).transpose())
}
