//! The gradient of all parameters together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::tensors::host;

/// Keeps a gradient of length 0 from a division by it; PyTorch's value.
const EPSILON: f64 = 1e-6;

/// Cuts the gradient of all parameters to the length `max_norm`, where it is longer.
pub(crate) fn clip<M: Module>(
    module: &M,
    gradients: GradientsParams,
    max_norm: f64,
) -> GradientsParams {
    let mut squares = Squares { gradients: &gradients, sum: None };
    module.visit(&mut squares);
    let Some(sum) = squares.sum else {
        return gradients;
    };
    let factor = max_norm / (f64::from(host(sum)[0]).sqrt() + EPSILON);
    if factor >= 1.0 {
        return gradients;
    }
    let mut scale = Scale { gradients, factor };
    module.visit(&mut scale);
    scale.gradients
}

/// Sums the squares of all entries, on the device.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let own = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + own,
                None => own,
            });
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
