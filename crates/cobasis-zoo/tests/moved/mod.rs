//! Adapted models as after some training.

use burn::tensor::{Device, TensorData};
use cobasis_zoo::Model;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The model with an adapter that does something.
pub fn moved(model: Model) -> Model {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut state = model.state();
    for (name, data) in state.iter_mut().filter(|(name, _)| name.starts_with("adapter.")) {
        let by = match name.rsplit('.').next() {
            Some("running_var") => 0.0..0.3,
            // Summands of filters, which are as small.
            Some("hidden_bias" | "output_bias") => -0.01..0.01,
            _ => -0.2..0.2,
        };
        let values: Vec<f32> =
            data.iter::<f32>().map(|value| value + rng.random_range(by.clone())).collect();
        *data = TensorData::new(values, data.shape().to_vec());
    }
    model.config.init_from(state, &Device::flex()).expect("its own tensors")
}
