//! The moving average of the weights.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use cobasis_zoo::Model;

/// The exponential moving average of the weights and running statistics of a model, or of a part of one.
///
/// It starts as the model after the first step, as PyTorch's `AveragedModel` does. What training leaves
/// as it is stays so to the last bit, which a mean of equal numbers would not.
pub(crate) struct Ema<M = Model> {
    decay: f64,
    frozen: BTreeSet<ParamId>,
    /// Off the autodiff device; `None` before the first step.
    pub(crate) model: Option<M>,
}

impl<M: Module> Ema<M> {
    /// An average of nothing that keeps the share `decay` of the past of a model with these tensors
    /// frozen.
    pub(crate) fn new(decay: f64, frozen: impl IntoIterator<Item = ParamId>) -> Self {
        Self { decay, frozen: frozen.into_iter().collect(), model: None }
    }

    /// Takes in the model after a step.
    pub(crate) fn update(&mut self, model: &M) {
        let now = model.valid();
        self.model = Some(match self.model.take() {
            None => now,
            Some(average) => {
                let mut collector =
                    Collector { frozen: &self.frozen, values: GradientsParams::new(), visited: 0 };
                now.visit(&mut collector);
                average.map(&mut Blend { now: collector.values, visited: 0, decay: self.decay })
            }
        });
    }
}

/// All tensors of a model but the frozen ones by their place in the module tree: the identities of
/// running statistics do not outlive the process. Burn's container for gradients holds tensors of any number of
/// dimensions.
struct Collector<'a> {
    frozen: &'a BTreeSet<ParamId>,
    values: GradientsParams,
    visited: u64,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.frozen.contains(&param.id) {
            self.values.register(ParamId::from(self.visited), param.val());
        }
        self.visited += 1;
    }
}

struct Blend {
    now: GradientsParams,
    visited: u64,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let now = self.now.remove::<D>(ParamId::from(self.visited));
        self.visited += 1;
        match now {
            Some(now) => param
                .map(|average| average.mul_scalar(self.decay) + now.mul_scalar(1.0 - self.decay)),
            // Frozen: the average is the model's, which it started as.
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SplitMix64;
    use burn::tensor::{Device, TensorData};
    use cobasis_zoo::{ModelConfig, State};

    #[test]
    fn every_tensor_follows_the_formula() {
        let device = Device::flex().autodiff();
        let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
        // Running statistics too: all tensors are drawn anew.
        let state = |seed: u64| {
            let mut rng = SplitMix64::new(seed);
            let tensors = config.init(&device).state().into_iter();
            let draw = |(path, data): (String, TensorData)| {
                let values = (0..data.num_elements()).map(|_| rng.unit() as f32);
                (path, TensorData::new(values.collect::<Vec<_>>(), data.shape().clone()))
            };
            tensors.map(draw).collect::<State>()
        };
        let model = |seed| config.init_from(state(seed), &device).expect("its own tensors");
        let mut ema = Ema::new(0.75, []);
        for seed in [1, 2, 3] {
            ema.update(&model(seed));
        }
        let average = ema.model.expect("an average").state();
        let seeds = [1, 2, 3].map(state);
        for (path, data) in &average {
            let [a, b, c] = seeds.each_ref().map(|s| s[path].iter::<f32>().collect::<Vec<_>>());
            for (i, got) in data.iter::<f32>().enumerate() {
                let expected = (a[i] * 0.75 + b[i] * 0.25) * 0.75 + c[i] * 0.25;
                assert!((got - expected).abs() < 1e-6, "{path}: {got} {expected}");
            }
        }
    }
}
