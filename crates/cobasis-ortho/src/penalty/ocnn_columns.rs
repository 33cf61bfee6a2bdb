//! Orthogonal kernels.

use burn::tensor::Tensor;

use super::{Counted, FilterGroup, Formula, norm, squared_deviation, summed, wide};

/// `‖Mᵀ M − I‖_F` of the kernel as a matrix `M` that stands upright, summed over stages: the root of
/// what soft orthogonality is.
///
/// Its gradient has a length that does not fade near orthonormal filters; at them it is 0. Source:
/// Wang, Chen, Chakraborty and Yu, *Orthogonal Convolutional Neural Networks*, CVPR 2020, whose
/// program takes this for kernels of one pixel.
pub(super) struct OcnnColumns;

impl Formula for OcnnColumns {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        summed(family, counted, |rows| norm(squared_deviation(wide(rows))))
    }
}
