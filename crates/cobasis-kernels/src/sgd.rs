//! Stochastic gradient descent.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::flex;

/// Stochastic gradient descent as PyTorch has it, one parameter at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Share of the last step's direction that is kept.
    pub momentum: f64,
    /// L2 weight decay.
    pub weight_decay: f64,
    /// Whether the step looks ahead along its direction.
    pub nesterov: bool,
}

impl Sgd {
    /// The parameter after a step at this learning rate, and its new velocity.
    ///
    /// The first step of a parameter has no velocity. All tensors have the parameter's shape.
    pub fn step<const D: usize>(
        &self,
        rate: f64,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        mut velocity: Option<Tensor<D>>,
    ) -> (Tensor<D>, Tensor<D>) {
        #[cfg(feature = "flex")]
        if let Some(stepped) = flex::sgd(self, rate, &parameter, &gradient, &mut velocity) {
            return stepped;
        }
        let gradient = parameter.clone().mul_scalar(self.weight_decay).add(gradient);
        let velocity = match velocity.take() {
            Some(velocity) => gradient.clone().add(velocity.mul_scalar(self.momentum)),
            None => gradient.clone(),
        };
        let direction = match self.nesterov {
            true => velocity.clone().mul_scalar(self.momentum).add(gradient),
            false => velocity.clone(),
        };
        (parameter - direction.mul_scalar(rate), velocity)
    }
}
