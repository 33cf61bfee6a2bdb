//! Stochastic gradient descent for Burn's module optimizer, a parameter in one pass.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};
use cobasis_kernels::Sgd;

/// [`Sgd`] as Burn's module optimizer takes it. What it keeps is named as Burn's own optimizer names
/// it.
#[derive(Clone)]
pub(crate) struct ModuleSgd(pub(crate) Sgd);

/// What is kept of a parameter between steps: nothing without momentum.
#[derive(Clone)]
pub(crate) struct SgdState<const D: usize> {
    pub(crate) velocity: Option<Tensor<D>>,
}

/// The name of the velocity below that of its parameter.
const VELOCITY: &str = "momentum.velocity";

impl<const D: usize> RecordState for SgdState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(velocity) = &self.velocity {
            out.push_tensor(prefix, VELOCITY, velocity.to_data());
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let velocity = src.take_tensor(prefix, VELOCITY);
        Some(Self { velocity: velocity.map(|data| Tensor::from_data(data, device)) })
    }
}

impl Optimizer for ModuleSgd {
    type State<const D: usize> = SgdState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<SgdState<D>>,
    ) -> (Tensor<D>, Option<SgdState<D>>) {
        let velocity = state.and_then(|state| state.velocity);
        let (tensor, velocity) = self.0.step(lr, tensor, grad, velocity);
        (tensor, Some(SgdState { velocity: (self.0.momentum > 0.0).then_some(velocity) }))
    }

    fn to_device<const D: usize>(state: SgdState<D>, device: &Device) -> SgdState<D> {
        SgdState { velocity: state.velocity.map(|velocity| velocity.to_device(device)) }
    }
}

/// Plain gradient descent at a rate of its own, whatever the learning rate is.
#[derive(Clone)]
pub(crate) struct FixedRate(pub(crate) f64);

/// Nothing is kept of a parameter.
impl Optimizer for FixedRate {
    type State<const D: usize> = SgdState<D>;

    fn step<const D: usize>(
        &self,
        _lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        _state: Option<SgdState<D>>,
    ) -> (Tensor<D>, Option<SgdState<D>>) {
        (tensor - grad.mul_scalar(self.0), None)
    }

    fn to_device<const D: usize>(state: SgdState<D>, _device: &Device) -> SgdState<D> {
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, Param};
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};

    use crate::tensors::host;

    #[derive(Module, Debug)]
    struct Layer {
        weight: Param<Tensor<2>>,
    }

    #[test]
    fn it_steps_as_burns_own_optimizer_does() {
        #[allow(deprecated)] // NdArray is the second, independent CPU reference.
        for device in [Device::flex(), Device::ndarray()] {
            for (momentum, nesterov, weight_decay) in
                [(0.9, false, 5e-4), (0.9, true, 5e-4), (0.0, false, 0.0)]
            {
                let ours = ModuleSgd(Sgd { momentum, weight_decay, nesterov });
                let theirs = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0);
                let theirs = SgdConfig::new()
                    .with_momentum((momentum > 0.0).then(|| theirs.with_nesterov(nesterov)))
                    .with_weight_decay(
                        (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32)),
                    )
                    .init();
                let steps = |mut optimizer: ModuleOptimizer| {
                    let data = [[0.5, -1.0, 2.0], [0.25, 3.0, -0.125]];
                    let weight = Param::from_data(data, &device.clone().autodiff());
                    let mut layer = Layer { weight };
                    for step in 1..=3 {
                        let gradient = Tensor::<2>::from_data(data, &device) * step;
                        let mut gradients = GradientsParams::new();
                        gradients.register(layer.weight.id, gradient);
                        layer = optimizer.step(0.1, layer, gradients);
                    }
                    (host(layer.weight.val()), optimizer.to_record().len())
                };
                assert_eq!(steps(ours.into()), steps(theirs));
            }
        }
    }
}
