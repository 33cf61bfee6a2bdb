//! Models whose outputs are wanted.

use burn::tensor::Tensor;
use cobasis_cli::Error;
use cobasis_train::DeviceName;
use cobasis_train::memory::Maps;
use cobasis_zoo::deploy::Runtime;
use cobasis_zoo::{Deployed, Model, ModelConfig};

use super::model_file::Found;

/// A model to be evaluated, as it computes fastest on a device.
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub(crate) enum Evaluated {
    Trained(Model),
    Deployed(Deployed),
    /// A deployed one on the processor.
    Runtime(Runtime),
}

impl Found {
    /// The model to be computed on a device.
    pub(crate) fn on(self, device: DeviceName) -> Evaluated {
        match self {
            Found::Trained(model) => Evaluated::Trained(model),
            Found::Deployed(model) if device == DeviceName::Flex => {
                let runtime = model.runtime(rayon::current_num_threads());
                runtime.map_or(Evaluated::Deployed(model), Evaluated::Runtime)
            }
            Found::Deployed(model) => Evaluated::Deployed(model),
        }
    }
}

impl Evaluated {
    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Evaluated::Trained(model) => &model.config,
            Evaluated::Deployed(model) => &model.config.model,
            Evaluated::Runtime(runtime) => &runtime.config.model,
        }
    }

    /// How many of so many images, of `[height, width]`, are looked at at a time: as told, or `usual`
    /// and as memory allows.
    pub(crate) fn batch(
        &self,
        device: DeviceName,
        size: [usize; 2],
        images: usize,
        told: Option<u32>,
        usual: usize,
    ) -> Result<usize, Error> {
        let batch = images.min(told.map_or(usual, |told| told as usize)).max(1);
        if !device.is_processor() {
            return Ok(batch);
        }
        let maps = match self {
            Evaluated::Trained(model) => Maps::of(&model.config, size),
            // Its layers may be factorised, or of the dense network's shapes, which are smaller.
            _ => Maps::of(&self.config().dense(), size),
        };
        match told {
            Some(_) => maps.check_look("--batch", batch).map(|()| batch),
            None => maps.batch(batch),
        }
        .map_err(Error::from)
    }

    pub(crate) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        match self {
            Evaluated::Trained(model) => model.forward(images),
            Evaluated::Deployed(model) => model.forward(images),
            Evaluated::Runtime(runtime) => runtime.forward(images),
        }
    }
}
