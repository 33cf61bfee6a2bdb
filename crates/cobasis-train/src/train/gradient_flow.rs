//! How large the gradients of the shared filters are, step by step and epoch by epoch, the paper's
//! figure of the gradient flow; and how orthonormal the filters are.

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::Orthonormality;
use serde::{Deserialize, Serialize};

use crate::run_dir::{BasisFlow, BasisGradient, BasisParts};
use crate::tensors::host;
use crate::train::constraint::{joint_bases, joint_rows};

/// Condition numbers beyond this are not resolved.
const WORST: f64 = 1e7;

/// The gradients of the bases over a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradientFlow {
    /// The steps of the epoch at hand that are done, basis by basis: sums of the means, and maxima.
    pub(crate) partial: Vec<BasisGradient>,
    /// The epochs that are done.
    pub(crate) epochs: Vec<BasisFlow>,
}

/// The gradients of a model's bases, of the whole loss and of the penalty in it, and how orthonormal the
/// bases are. The gradient of a basis which a loss does not depend on is zero.
pub(crate) fn basis_gradients(
    model: &Model,
    gradients: &GradientsParams,
    of_penalty: &GradientsParams,
) -> Vec<BasisGradient> {
    let bases = model.bases();
    let weight = |id: ParamId| {
        let basis = bases.iter().find(|(_, basis)| basis.weight.id == id);
        basis.map(|(_, basis)| basis.weight.val().inner())
    };
    let mut measured = Vec::new();
    for group in joint_bases(model) {
        let weights: Vec<Tensor<4>> = group.iter().filter_map(|&id| weight(id)).collect();
        measured.push((group, shape_of(&weights)));
    }
    let of_basis = |(basis, filters): &(String, &cobasis_zoo::cobasis::FilterBasis)| {
        let id = filters.weight.id;
        let [whole, penalty] = [gradients, of_penalty].map(|all| all.get::<4>(id));
        let task = match (&whole, &penalty) {
            (Some(whole), Some(penalty)) => Some(whole.clone() - penalty.clone()),
            _ => whole.clone(),
        };
        let [[mean_abs, max_abs], task, penalty] = [whole, task, penalty].map(sizes);
        let group = measured.iter().find(|(group, _)| group.contains(&id));
        let [distance, condition] = match group {
            Some((_, shape)) => *shape,
            // A kernel that is not to be orthonormal is measured by itself.
            None => shape_of(&[filters.weight.val().inner()]),
        };
        let parts = BasisParts {
            task_mean_abs: task[0],
            task_max_abs: task[1],
            penalty_mean_abs: penalty[0],
            penalty_max_abs: penalty[1],
            distance,
            max_distance: distance,
            condition,
            max_condition: condition,
        };
        BasisGradient { basis: basis.clone(), mean_abs, max_abs, parts: Some(parts) }
    };
    bases.iter().map(of_basis).collect()
}

/// The mean and the largest absolute entry.
fn sizes(gradient: Option<Tensor<4>>) -> [f64; 2] {
    gradient.map_or([0.0, 0.0], |gradient| {
        let size = gradient.abs();
        [size.clone().mean(), size.max()].map(|number: Tensor<1>| f64::from(host(number)[0]))
    })
}

/// The distance of filters from orthonormal ones, and their condition number.
fn shape_of(bases: &[Tensor<4>]) -> [f64; 2] {
    let report = Orthonormality::of(joint_rows(bases));
    let condition = report.max_singular_value / report.min_singular_value;
    // Of no singular value at all it is not known either.
    [report.frobenius, if condition <= WORST { condition } else { WORST }]
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
            // Of an epoch that was begun without parts there is no mean of them.
            sum.parts = sum.parts.zip(step.parts).map(|(sum, step)| sum.with(step));
        }
    }

    /// Ends an epoch of so many steps.
    pub(crate) fn end_epoch(&mut self, epoch: usize, steps: usize) {
        let rows = self.partial.drain(..).map(|sum| {
            let parts = sum.parts.map(|parts| parts.over(steps as f64));
            let gradient = BasisGradient { mean_abs: sum.mean_abs / steps as f64, parts, ..sum };
            BasisFlow { epoch, gradient }
        });
        self.epochs.extend(rows);
    }
}

impl BasisParts {
    /// Sums of what becomes a mean, and maxima.
    fn with(self, step: Self) -> Self {
        Self {
            task_mean_abs: self.task_mean_abs + step.task_mean_abs,
            task_max_abs: self.task_max_abs.max(step.task_max_abs),
            penalty_mean_abs: self.penalty_mean_abs + step.penalty_mean_abs,
            penalty_max_abs: self.penalty_max_abs.max(step.penalty_max_abs),
            distance: self.distance + step.distance,
            max_distance: self.max_distance.max(step.max_distance),
            condition: self.condition + step.condition,
            max_condition: self.max_condition.max(step.max_condition),
        }
    }

    /// The means of sums over so many steps.
    fn over(self, steps: f64) -> Self {
        Self {
            task_mean_abs: self.task_mean_abs / steps,
            penalty_mean_abs: self.penalty_mean_abs / steps,
            distance: self.distance / steps,
            condition: self.condition / steps,
            ..self
        }
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
        let model = config.init(&Device::flex().autodiff());
        let bases = model.bases();
        let shape = bases[1].1.weight.dims();
        let count = shape.iter().product::<usize>();
        let gradients = |first: f32, others: f32| {
            let mut values = vec![others; count];
            values[3] = first;
            let mut gradients = GradientsParams::new();
            let tensor = Tensor::<1>::from_floats(values.as_slice(), &Device::flex());
            gradients.register(bases[1].1.weight.id, tensor.reshape(shape));
            gradients
        };
        // Of the whole loss -2 once and 1 everywhere else, of which the penalty has 1 and 1/2.
        let sizes = basis_gradients(&model, &gradients(-2.0, 1.0), &gradients(1.0, 0.5));
        let names: Vec<&str> = sizes.iter().map(|size| size.basis.as_str()).collect();
        assert_eq!(names, ["stages.0.bases.0", "stages.1.bases.0", "stages.2.bases.0"]);
        assert_eq!((sizes[0].mean_abs, sizes[0].max_abs), (0.0, 0.0));
        let mean = |first: f64, others: f64| (first + (count - 1) as f64 * others) / count as f64;
        let near = |got: f64, expected: f64| (got - expected).abs() < 1e-6;
        assert!(near(sizes[1].mean_abs, mean(2.0, 1.0)) && sizes[1].max_abs == 2.0);
        let parts = sizes[1].parts.expect("parts");
        assert!(near(parts.task_mean_abs, mean(3.0, 0.5)) && parts.task_max_abs == 3.0);
        assert!(near(parts.penalty_mean_abs, mean(1.0, 0.5)) && parts.penalty_max_abs == 1.0);
        for size in sizes {
            let parts = size.parts.expect("parts");
            assert!(parts.distance < 1e-5 && near(parts.condition, 1.0), "{parts:?}");
        }
    }

    #[test]
    fn filters_far_from_orthonormal_are_measured_as_they_are() {
        let rows = |values: &[f32], shape| {
            Tensor::<1>::from_floats(values, &Device::flex()).reshape::<4, _>(shape)
        };
        let [a, b] = [[2.0, 0.0], [0.0, 1.0]].map(|row| rows(&row, [1, 2, 1, 1]));
        assert_eq!(shape_of(&[a.clone(), b]), [3.0, 2.0]);
        // Three filters of two numbers: by columns.
        let c = rows(&[0.0, 0.0, 0.0, 3.0], [2, 2, 1, 1]);
        let [distance, condition] = shape_of(&[a.clone(), c]);
        assert!((distance - 73f64.sqrt()).abs() < 1e-9 && (condition - 1.5).abs() < 1e-9);
        assert_eq!(shape_of(&[a.clone(), a])[1], WORST);
    }

    #[test]
    fn an_epoch_has_the_mean_of_the_means_and_the_largest_of_all() {
        let parts = |mean: f64, max: f64| BasisParts {
            task_mean_abs: mean,
            task_max_abs: max,
            penalty_mean_abs: 2.0 * mean,
            penalty_max_abs: 2.0 * max,
            distance: 3.0 * mean,
            max_distance: 3.0 * max,
            condition: 4.0 * mean,
            max_condition: 4.0 * max,
        };
        let gradient = |mean_abs, max_abs, parts| BasisGradient {
            basis: "stages.0.bases.0".into(),
            mean_abs,
            max_abs,
            parts,
        };
        let step = |mean, max| gradient(mean, max, Some(parts(mean, max)));
        let mut flow = GradientFlow::default();
        for epoch in 1..=2 {
            flow.step(&[step(1.0, 7.0)]);
            flow.step(&[step(2.0, 3.0)]);
            flow.end_epoch(epoch, 2);
        }
        let row = |epoch| BasisFlow { epoch, gradient: step(1.5, 7.0) };
        assert_eq!(flow, GradientFlow { partial: Vec::new(), epochs: vec![row(1), row(2)] });
        // An epoch that was begun by a version without parts.
        flow.step(&[gradient(1.0, 7.0, None)]);
        flow.step(&[step(2.0, 3.0)]);
        flow.end_epoch(3, 2);
        assert_eq!(flow.epochs[2].gradient, gradient(1.5, 7.0, None));
    }
}
