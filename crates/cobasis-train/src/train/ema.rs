//! The moving average of the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use cobasis_zoo::Model;

/// The exponential moving average of a model's weights and running statistics.
///
/// It starts as the model after the first step, as PyTorch's `AveragedModel` does.
pub(crate) struct Ema {
    decay: f64,
    /// Off the autodiff device; `None` before the first step.
    pub(crate) model: Option<Model>,
}

impl Ema {
    /// An average of nothing that keeps the share `decay` of the past.
    pub(crate) fn new(decay: f64) -> Self {
        Self { decay, model: None }
    }

    /// Takes in the model after a step.
    pub(crate) fn update(&mut self, model: &Model) {
        let now = model.valid();
        self.model = Some(match self.model.take() {
            None => now,
            Some(average) => {
                let mut collector = Collector::default();
                now.visit(&mut collector);
                average.map(&mut Blend { now: collector.values, decay: self.decay })
            }
        });
    }
}

/// All tensors of a model by identity. Burn's container for gradients holds any tensors of any
/// number of dimensions.
#[derive(Default)]
struct Collector {
    values: GradientsParams,
}

impl ModuleVisitor for Collector {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.register(param.id, param.val());
    }
}

struct Blend {
    now: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.now.remove::<D>(param.id) {
            Some(now) => param
                .map(|average| average.mul_scalar(self.decay) + now.mul_scalar(1.0 - self.decay)),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use cobasis_zoo::ModelConfig;

    #[test]
    fn every_tensor_follows_the_formula() {
        let device = Device::flex().autodiff();
        let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
        let first = config.init(&device);
        // Another model's values under the identities of the first, as after a step.
        let state = |seed| config.clone().with_seed(seed).init(&device).state();
        let ids = crate::train::parameter_ids::parameter_ids(&first);
        let model = |seed| {
            let model = config.init_from(state(seed), &device).expect("its own tensors");
            crate::train::parameter_ids::with_parameter_ids(model, &ids).expect("its own")
        };
        let mut ema = Ema::new(0.75);
        for seed in [1, 2, 3] {
            ema.update(&model(seed));
        }
        let average = ema.model.expect("an average").state();
        let seeds = [1, 2, 3].map(state);
        for (path, data) in &average {
            // Running statistics keep identities of their own, so these stay as they were.
            if path.contains("running_") {
                continue;
            }
            let [a, b, c] = seeds.each_ref().map(|s| s[path].iter::<f32>().collect::<Vec<_>>());
            for (i, got) in data.iter::<f32>().enumerate() {
                let expected = (a[i] * 0.75 + b[i] * 0.25) * 0.75 + c[i] * 0.25;
                assert!((got - expected).abs() < 1e-6, "{path}: {got} {expected}");
            }
        }
    }
}
