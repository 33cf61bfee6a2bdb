//! The proximal step, and steps around a cut.

use burn::optim::SgdConfig;
use burn::tensor::Distribution;
use cobasis_zoo::ModelConfig;

use super::*;
use crate::config::Config;
use crate::tensors::host;

const NAME: &str = "digits/resnet14-hinge20000";

fn config(text: &str) -> Config {
    let text = format!("model = '{NAME}'\ndata.name = 'digits'\ntrain.epochs = 2\n{text}");
    Config::from_table(&text.parse().expect("TOML")).expect("a configuration")
}

fn model() -> Model {
    ModelConfig::new(NAME.parse().expect("a name")).init(&Device::flex().autodiff())
}

fn at(epoch: usize, step: usize) -> StepAt {
    StepAt { epoch, step, lr: 0.1, lambda: 0.0 }
}

#[test]
fn columns_get_shorter_or_vanish() {
    // Columns (3, 4), (0.3, 0.4) and 0.
    let numbers = Tensor::<1>::from_floats([3.0, 0.3, 0.0, 4.0, 0.4, 0.0], &Device::flex());
    let got = host(soft_threshold(numbers.reshape([2, 3, 1, 1]), 1.0));
    let expected = [2.4, 0.0, 0.0, 3.2, 0.0, 0.0];
    assert!(got.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{got:?}");
    assert!([1, 2, 4, 5].iter().all(|&index| got[index] == 0.0), "{got:?}");
}

#[test]
fn a_step_shrinks_before_the_cut_and_keeps_zeros_after_it() {
    let recipe = Recipe::from(&config("ranks.lambda = 2\nranks.every = 2"));
    let mut ranks = LearnedRanks::of(&recipe, &model()).expect("ranks to find");
    let state = |model: &Model| model.state()["stages.0.blocks.1.conv1.coefficients"].clone();
    let before = model();
    let same = ranks.before_step(before.clone(), at(1, 1));
    assert_eq!(ranks.after_step(same, at(1, 1)).state(), before.state());
    let shorter = ranks.after_step(before.clone(), at(1, 2));
    let norm = |model: &Model| state(model).iter::<f64>().map(|value| value * value).sum::<f64>();
    assert!(norm(&shorter) < norm(&before));

    // Momentum of all filters, then the cut.
    let mut optimizer = SgdConfig::new()
        .with_momentum(Some(burn::optim::momentum::MomentumConfig::new().with_momentum(0.9)))
        .init();
    let device = Device::flex().autodiff();
    let mut step = |model: Model| {
        let images = Tensor::random([4, 1, 8, 8], Distribution::Default, &device);
        let loss = model.forward(images).powi_scalar(2).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        optimizer.step(0.01, model, gradients)
    };
    let moved = step(before);
    assert!(weights_left(&moved.inner_layers()) > 20_000);
    let cut = ranks.before_step(moved, at(2, 1));
    let left = weights_left(&cut.inner_layers());
    assert!((19_000..=20_000).contains(&left), "{left}");
    let gone = |model: &Model| -> Vec<Vec<bool>> {
        model.inner_layers().iter().map(|layer| layer.inner.gone()).collect()
    };
    let next = step(cut.clone());
    assert_ne!(gone(&next), gone(&cut), "momentum moves what is gone");
    let next = ranks.after_step(next, at(2, 1));
    assert_eq!(gone(&next), gone(&cut));
    assert!(next.inner_layers()[0].inner.filters().is_require_grad());
    assert_eq!(weights_left(&ranks.of_average(next.clone()).inner_layers()), left);
    assert_eq!(ranks.before_step(next.clone(), at(2, 2)).state(), next.state());

    // Another process reads from the weights that it was cut, and does not shrink it.
    let resumed = LearnedRanks::of(&recipe, &next).expect("ranks to find");
    assert_eq!(resumed.after_step(next.clone(), at(2, 2)).state(), next.state());
}
