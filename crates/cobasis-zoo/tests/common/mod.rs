//! Models as after training, and images.

use burn::tensor::{Device, Tensor, TensorData};
use cobasis_zoo::{Model, ModelConfig, Variant};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The model with numbers as after training: batch norms that do something, some of them with
/// negative weights.
pub fn trained(name: &str, variant: Variant, device: &Device) -> Model {
    trained_as(ModelConfig::new(name.parse().expect("a name")).with_variant(variant), device)
}

/// The same for a model that is configured in another way.
pub fn trained_as(config: ModelConfig, device: &Device) -> Model {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut state = config.init(device).state();
    let mut replace = |ending: &str, low: f32, high: f32| {
        for (_, data) in state.iter_mut().filter(|(name, _)| name.ends_with(ending)) {
            let shape = data.shape().to_vec();
            let values: Vec<f32> =
                (0..data.num_elements()).map(|_| rng.random_range(low..high)).collect();
            *data = TensorData::new(values, shape);
        }
    };
    replace(".gamma", -0.4, 1.4);
    replace(".beta", -0.3, 0.3);
    replace(".running_mean", -0.3, 0.3);
    // Weights of the other families start so small that images would not matter.
    let is_resnet = config.name.to_string().contains("/resnet");
    let variance = if is_resnet { 1.0 } else { 0.1 };
    replace(".running_var", 0.5 * variance, 2.0 * variance);
    config.init_from(state, device).expect("its own tensors")
}

/// `[batch, 3, size, size]` in [-1, 1).
pub fn images(batch: usize, size: usize, device: &Device) -> Tensor<4> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let shape = [batch, 3, size, size];
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The numbers of a tensor.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The greatest difference, relative to the largest number expected.
pub fn difference(expected: &[f32], got: &[f32]) -> f32 {
    let largest = expected.iter().fold(0.0f32, |max, logit| max.max(logit.abs()));
    assert!(largest.is_normal() && expected.len() == got.len());
    assert!(got.iter().all(|logit| logit.is_finite()));
    let error = expected.iter().zip(got).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    error / largest
}

/// Fails if the logits of so many images hardly depend on the image: comparing them would say
/// nothing about the first layers.
pub fn check_that_images_matter(logits: &[f32], batch: usize) {
    let mut images = logits.chunks_exact(logits.len() / batch);
    let first = images.next().expect("an image");
    for other in images {
        let difference = difference(first, other);
        assert!(difference > 1e-3, "logits of two images differ by {difference}");
    }
}
