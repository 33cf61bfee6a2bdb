//! What logits are compared with: labels, or shares of classes.

use burn::nn::loss::CrossEntropyLoss;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::tensors::labels;
use crate::train::mix::Mix;

/// The targets of a batch.
#[derive(Clone, Debug)]
pub enum Targets {
    /// One class for each image, `[batch]`.
    Labels(Tensor<1, Int>),
    /// Shares of classes, `[batch, classes]`, rows that sum to 1.
    Shares(Tensor<2>),
}

impl Targets {
    /// The targets for labels that are mixed and smoothed, where they are.
    pub(crate) fn new(
        own: &[u16],
        classes: usize,
        smoothing: f64,
        mix: Option<&Mix>,
        device: &Device,
    ) -> Self {
        if smoothing == 0.0 && mix.is_none() {
            return Self::Labels(labels(own, device));
        }
        let kept = mix.map_or(1.0, Mix::kept);
        let mut shares = vec![(smoothing / classes as f64) as f32; own.len() * classes];
        let partners = own.iter().rev();
        for ((row, &own), &partner) in shares.chunks_exact_mut(classes).zip(own).zip(partners) {
            row[usize::from(own)] += ((1.0 - smoothing) * kept) as f32;
            row[usize::from(partner)] += ((1.0 - smoothing) * (1.0 - kept)) as f32;
        }
        let data = TensorData::new(shares, [own.len(), classes]);
        Self::Shares(Tensor::from_data(data, device))
    }
}

/// The mean cross entropy of logits, `[batch, classes]`, against targets.
pub(crate) fn cross_entropy(
    loss: &CrossEntropyLoss,
    logits: Tensor<2>,
    targets: Targets,
) -> Tensor<1> {
    match targets {
        Targets::Labels(labels) => loss.forward(logits, labels),
        Targets::Shares(shares) => soft_cross_entropy(logits, shares),
    }
}

/// The mean cross entropy of logits against shares of classes.
fn soft_cross_entropy(logits: Tensor<2>, shares: Tensor<2>) -> Tensor<1> {
    let images = logits.dims()[0] as f64;
    (shares * log_softmax(logits, 1)).sum().neg().div_scalar(images)
}

/// The mean of temperature² × KL(teacher ‖ student), both softened by the temperature.
pub(crate) fn distillation(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let images = student.dims()[0] as f64;
    let soft = |logits: Tensor<2>| log_softmax(logits.div_scalar(temperature), 1);
    let (student, teacher) = (soft(student), soft(teacher));
    let divergence = (teacher.clone().exp() * (teacher - student)).sum();
    divergence.mul_scalar(temperature * temperature / images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::host;

    fn logits() -> Tensor<2> {
        Tensor::from_floats([[1.0, -0.5, 0.25], [0.0, 2.0, -1.0]], &Device::flex())
    }

    fn assert_close(got: Tensor<1>, expected: f64) {
        let got = host(got)[0];
        assert!((f64::from(got) - expected).abs() < 1e-6, "{got} is not {expected}");
    }

    fn loss(smoothing: f64, mix: Option<Mix>) -> Tensor<1> {
        match Targets::new(&[2, 1], 3, smoothing, mix.as_ref(), &Device::flex()) {
            Targets::Shares(shares) => soft_cross_entropy(logits(), shares),
            Targets::Labels(_) => panic!("shares expected"),
        }
    }

    #[test]
    fn label_smoothing_is_pytorchs() {
        // cross_entropy(x, tensor([2, 1]), label_smoothing=0.1)
        assert_close(loss(0.1, None), 0.8072442150391312);
    }

    #[test]
    fn mixed_labels_weigh_as_much_as_their_images() {
        // 0.75 × cross_entropy(x, [2, 1]) + 0.25 × cross_entropy(x, [1, 2])
        let of = |labels: [usize; 2]| {
            let rows = [[1.0f64, -0.5, 0.25], [0.0, 2.0, -1.0]];
            let terms = rows
                .iter()
                .zip(labels)
                .map(|(row, label)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[label]);
            terms.sum::<f64>() / 2.0
        };
        let expected = 0.75 * of([2, 1]) + 0.25 * of([1, 2]);
        assert_close(loss(0.0, Some(Mix::Whole(0.75))), expected);
    }

    #[test]
    fn the_divergence_is_pytorchs() {
        // kl_div(log_softmax(x/3), log_softmax(t/3), log_target=True, reduction='batchmean') * 9
        let device = Device::flex();
        let teacher = Tensor::from_floats([[0.5, 0.5, -0.5], [1.0, -1.0, 0.0]], &device);
        assert_close(distillation(logits(), teacher, 3.0), 0.9977687522512828);
        assert_close(distillation(logits(), logits(), 3.0), 0.0);
    }
}
