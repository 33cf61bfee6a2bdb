//! Deployed models on the processor, by `cobasis-run`.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};
use cobasis_run::Network;

use super::{Deployed, DeployedConfig};
use crate::files;

/// A deployed model that [`cobasis_run`] computes on the processor: in planned memory, and with operations
/// joined that [`Deployed::forward`] does one by one.
///
/// Images may come from any device; outputs are on that device.
#[derive(Debug)]
pub struct Runtime {
    /// What it was made from.
    pub config: DeployedConfig,
    network: Mutex<Network>,
}

impl Deployed {
    /// The model on so many threads of the processor; `None` if it has no [plan](Self::plan).
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex();
    /// let model = ModelConfig::new("digits/resnet14-s8u1".parse()?).init(&device);
    /// let runtime = model.deploy(&device).runtime(2).expect("a plan");
    /// assert_eq!(runtime.forward(Tensor::zeros([4, 1, 8, 8], &device)).dims(), [4, 10]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn runtime(&self, threads: usize) -> Option<Runtime> {
        self.plan()?;
        // By way of the file: what it does not hold, the runtime does not know.
        let network = Network::from_bytes(&files::deployed_to_bytes(self));
        let network = network.expect("a plan fits the model that it is of").with_threads(threads);
        Some(Runtime { config: self.config.clone(), network: Mutex::new(network) })
    }
}

impl Runtime {
    /// What [`Deployed::forward`] gives: logits of shape `[batch, classes]` for images of shape
    /// `[batch, channels, height, width]`, or a detector's boxes and logits.
    ///
    /// One batch is computed at a time.
    ///
    /// # Panics
    ///
    /// Panics if the images have other channels than the model, are too small for it, or are no 32-bit
    /// numbers; if there is too little memory.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let (shape, device) = (images.dims(), images.device());
        let images = images.into_data();
        let images = images.as_slice::<f32>().expect("images are 32-bit numbers");
        match self.run(images, shape) {
            Ok(output) => {
                let outputs = output.len() / shape[0].max(1);
                Tensor::from_data(TensorData::new(output, [shape[0], outputs]), &device)
            }
            Err(problem) => panic!("{problem}"),
        }
    }

    /// [`forward`](Self::forward) of numbers that are no tensor.
    ///
    /// # Errors
    ///
    /// As [`Network::run`].
    pub fn run(&self, images: &[f32], shape: [usize; 4]) -> Result<Vec<f32>, cobasis_run::Error> {
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        network.run(images, shape).map(<[f32]>::to_vec)
    }
}
