//! Which layers are faster as dense kernels: measured, not counted.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use cobasis_cli::Error;
use cobasis_zoo::deploy::Runtime;
use cobasis_zoo::{Deployed, Model};

/// Rounds of a comparison, each with both contenders, and the time after which there are no more.
const ROUNDS: usize = 25;
const TIME: Duration = Duration::from_secs(3);
/// A form is changed for this part of the time and less: a difference within the noise is none.
const GAIN: f64 = 0.98;

/// The model with each kind of factorised layer in the form in which batches of so many images are computed
/// in less time on this machine. It starts with the forms with the fewest multiply-accumulates, and changes
/// the layers of one kind after the other.
///
/// # Errors
///
/// If the model can't run here.
pub(super) fn fastest(model: &Model, batch: usize, device: &Device) -> Result<Deployed, Error> {
    let start = model.deploy(device);
    let layers = start.factorised_layers();
    let mut kinds: Vec<(u64, u64)> = Vec::new();
    for layer in layers {
        let kind = (layer.factorised, layer.dense);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut composed: Vec<bool> = layers.iter().map(|layer| layer.composed).collect();
    let [height, width] = model.config.image();
    let images = Tensor::ones([batch, model.config.in_channels, height, width], device);
    let mut best = runtime(&model.deploy_listed(&composed, device))?;
    for kind in kinds {
        let others: Vec<bool> = layers
            .iter()
            .zip(&composed)
            .map(|(layer, composed)| composed ^ ((layer.factorised, layer.dense) == kind))
            .collect();
        let other = runtime(&model.deploy_listed(&others, device))?;
        if ratio(&other, &best, &images) < GAIN {
            (composed, best) = (others, other);
        }
    }
    Ok(model.deploy_listed(&composed, device))
}

fn runtime(deployed: &Deployed) -> Result<Runtime, Error> {
    let missing = || Error::Usage("--for speed: this model runs on Burn only".to_owned());
    deployed.runtime(rayon::current_num_threads()).ok_or_else(missing)
}

/// The median of the rounds' ratios of the first one's time to the second one's.
fn ratio(first: &Runtime, second: &Runtime, images: &Tensor<4>) -> f64 {
    let seconds = |runtime: &Runtime| {
        let start = Instant::now();
        runtime.forward(images.clone());
        start.elapsed().as_secs_f64()
    };
    // The first round packs the weights.
    let _ = [first, second].map(seconds);
    let start = Instant::now();
    let mut ratios = Vec::with_capacity(ROUNDS);
    while ratios.len() < ROUNDS && (ratios.len() < 5 || start.elapsed() < TIME) {
        ratios.push(seconds(first) / seconds(second));
    }
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
