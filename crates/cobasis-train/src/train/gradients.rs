//! The gradient of all parameters together.

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::tensors::host;

/// Keeps a gradient of length 0 from a division by it; PyTorch's value.
const EPSILON: f64 = 1e-6;

/// A parameter: its identity and the number of its dimensions.
pub(crate) type Parameter = (ParamId, usize);

/// Cuts the gradient of all parameters together to the length `max_norm`, where it is longer. Sums
/// are taken in the order of the parameters, which is the caller's.
pub(crate) fn clip(
    parameters: &[Parameter],
    mut gradients: GradientsParams,
    max_norm: f64,
) -> GradientsParams {
    let squares = parameters.iter().filter_map(|&(id, rank)| match rank {
        1 => square::<1>(&gradients, id),
        2 => square::<2>(&gradients, id),
        3 => square::<3>(&gradients, id),
        _ => square::<4>(&gradients, id),
    });
    let Some(sum) = squares.reduce(|sum, own| sum + own) else {
        return gradients;
    };
    let factor = max_norm / (f64::from(host(sum)[0]).sqrt() + EPSILON);
    if factor >= 1.0 {
        return gradients;
    }
    for &(id, rank) in parameters {
        match rank {
            1 => scale::<1>(&mut gradients, id, factor),
            2 => scale::<2>(&mut gradients, id, factor),
            3 => scale::<3>(&mut gradients, id, factor),
            _ => scale::<4>(&mut gradients, id, factor),
        }
    }
    gradients
}

/// The sum of the squares of a gradient's entries, on the device.
fn square<const D: usize>(gradients: &GradientsParams, id: ParamId) -> Option<Tensor<1>> {
    gradients.get::<D>(id).map(|gradient| gradient.square().sum())
}

fn scale<const D: usize>(gradients: &mut GradientsParams, id: ParamId, factor: f64) {
    if let Some(gradient) = gradients.remove::<D>(id) {
        gradients.register(id, gradient.mul_scalar(factor));
    }
}
