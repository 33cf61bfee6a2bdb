//! How large the gradients of the shared filters are, step by step and epoch by epoch: the paper's
//! figure of the gradient flow.

use burn::optim::GradientsParams;
use cobasis_zoo::Model;
use serde::{Deserialize, Serialize};

use crate::run_dir::{BasisFlow, BasisGradient};
use crate::tensors::host;

/// The gradients of the bases over a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradientFlow {
    /// The steps of the epoch at hand that are done, basis by basis: sums of the means, and maxima.
    pub(crate) partial: Vec<BasisGradient>,
    /// The epochs that are done.
    pub(crate) epochs: Vec<BasisFlow>,
}

/// The gradients of a model's bases. That of a basis which the loss does not depend on is zero.
pub(crate) fn basis_gradients(model: &Model, gradients: &GradientsParams) -> Vec<BasisGradient> {
    let of_basis = |(basis, filters): (String, &cobasis_zoo::cobasis::FilterBasis)| {
        let gradient = gradients.get::<4>(filters.weight.id);
        let (mean_abs, max_abs) = gradient.map_or((0.0, 0.0), |gradient| {
            let size = gradient.abs();
            let number = |tensor| f64::from(host::<1>(tensor)[0]);
            (number(size.clone().mean()), number(size.max()))
        });
        BasisGradient { basis, mean_abs, max_abs }
    };
    model.bases().into_iter().map(of_basis).collect()
}

impl GradientFlow {
    /// Takes in a step.
    pub(crate) fn step(&mut self, gradients: &[BasisGradient]) {
        if self.partial.is_empty() {
            self.partial = gradients.to_vec();
            return;
        }
        for (sum, step) in self.partial.iter_mut().zip(gradients) {
            sum.mean_abs += step.mean_abs;
            sum.max_abs = sum.max_abs.max(step.max_abs);
        }
    }

    /// Ends an epoch of so many steps.
    pub(crate) fn end_epoch(&mut self, epoch: usize, steps: usize) {
        let rows = self.partial.drain(..).map(|sum| {
            let gradient = BasisGradient { mean_abs: sum.mean_abs / steps as f64, ..sum };
            BasisFlow { epoch, gradient }
        });
        self.epochs.extend(rows);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use cobasis_zoo::ModelConfig;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_gradients() {
        let config = ModelConfig::new("digits/resnet14-s2u1".parse().expect("a name"));
        let model = config.init(&Device::flex());
        let bases = model.bases();
        let shape = bases[1].1.weight.dims();
        let count = shape.iter().product::<usize>();
        // -2 once, 1 everywhere else.
        let mut values = vec![1.0f32; count];
        values[3] = -2.0;
        let mut gradients = GradientsParams::new();
        let tensor = Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape(shape);
        gradients.register(bases[1].1.weight.id, tensor);
        let sizes = basis_gradients(&model, &gradients);
        let names: Vec<&str> = sizes.iter().map(|size| size.basis.as_str()).collect();
        assert_eq!(names, ["stages.0.bases.0", "stages.1.bases.0", "stages.2.bases.0"]);
        assert_eq!((sizes[0].mean_abs, sizes[0].max_abs), (0.0, 0.0));
        let mean = (count + 1) as f64 / count as f64;
        assert!((sizes[1].mean_abs - mean).abs() < 1e-6 && sizes[1].max_abs == 2.0);
    }

    #[test]
    fn an_epoch_has_the_mean_of_the_means_and_the_largest_of_all() {
        let step = |mean_abs, max_abs| {
            vec![BasisGradient { basis: "stages.0.bases.0".into(), mean_abs, max_abs }]
        };
        let mut flow = GradientFlow::default();
        for epoch in 1..=2 {
            flow.step(&step(1.0, 7.0));
            flow.step(&step(2.0, 3.0));
            flow.end_epoch(epoch, 2);
        }
        let basis = "stages.0.bases.0".to_string();
        let gradient = BasisGradient { basis, mean_abs: 1.5, max_abs: 7.0 };
        let row = |epoch| BasisFlow { epoch, gradient: gradient.clone() };
        assert_eq!(flow, GradientFlow { partial: Vec::new(), epochs: vec![row(1), row(2)] });
    }
}
