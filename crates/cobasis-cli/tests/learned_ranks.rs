//! Runs that find ranks: whatever they are broken off at, they end with what the model's name allows.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use cobasis_train::DeviceName;
use cobasis_train::config::{Config, DIGITS};
use cobasis_train::train::{Outcome, StepReport, Watch, run};
use cobasis_zoo::{Model, load};

/// The models, and the weights that may be left in their layers.
const MODELS: &[(&str, u64)] =
    &[("digits/resnet14-hinge20000", 20_000), ("digits/resnet14-alf20000-all", 20_000)];

/// Two epochs before the cut, and one after it.
const SETS: [&str; 6] = [
    "train.epochs=3",
    "train.max_steps=4",
    "train.batch=32",
    "train.ema=0.9",
    "ranks.cut=0.67",
    "train.checkpoint_steps=2",
];

fn config(model: &str) -> Config {
    let mut sets = vec![format!("model={model}")];
    sets.extend(SETS.map(str::to_owned));
    Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration")
}

/// Breaks a run off after some steps and batches of evaluation, counted together.
struct BreakAfter(usize);

impl BreakAfter {
    fn flow(&mut self) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Watch for BreakAfter {
    fn step(&mut self, _epoch: usize, _step: &StepReport) -> ControlFlow<()> {
        self.flow()
    }

    fn evaluated(&mut self, _images: usize) -> ControlFlow<()> {
        self.flow()
    }
}

fn go(config: &Config, out: &Path, watch: &mut impl Watch) -> Outcome {
    run(config, DeviceName::Flex, Some(out), "test", watch).expect("trained")
}

fn models(out: &Path) -> [Vec<u8>; 2] {
    ["last.safetensors", "best.safetensors"].map(|name| fs::read(out.join(name)).expect("a model"))
}

fn logits(forward: impl Fn(Tensor<4>) -> Tensor<2>) -> Vec<f32> {
    let values: Vec<f32> = (0..2 * 64).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let images = Tensor::from_data(TensorData::new(values, [2, 1, 8, 8]), &Device::flex());
    forward(images).into_data().iter::<f32>().collect()
}

/// The parameters of the model in the layers whose ranks were found.
fn left(model: &Model) -> u64 {
    let rows = model.inference_cost([8, 8]);
    let of = |path: &str| {
        let rows = rows.rows().iter().filter(|row| row.path.starts_with(path));
        rows.map(|row| row.cost.params).sum::<u64>()
    };
    model.inner_layers().iter().map(|layer| of(&layer.path)).sum()
}

#[test]
fn runs_end_with_the_weights_of_their_names_wherever_they_were_broken_off() {
    for &(name, limit) in MODELS {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = folder.path().join("whole");
        let config = config(name);
        let Outcome::Finished(summary) = go(&config, &whole, &mut ()) else { panic!("unfinished") };
        // 4 steps and 2 batches of evaluation make an epoch; the cut is before the 13th.
        for after in [3, 12, 13, 14] {
            let out = folder.path().join(format!("after-{after}"));
            let ended = go(&config, &out, &mut BreakAfter(after));
            assert!(matches!(ended, Outcome::Interrupted { .. }), "{name} {after}: {ended:?}");
            go(&config, &out, &mut ());
            assert!(models(&out) == models(&whole), "{name}: broken off after {after}");
        }

        assert_eq!(summary.best().epoch, 3, "{name}: only the last epoch is after the cut");
        for file in ["last.safetensors", "best.safetensors"] {
            let model = load(whole.join(file), &Device::flex()).expect("a model");
            let left = left(&model);
            assert!((limit - 700..=limit).contains(&left), "{name}: {left}");
            assert_eq!(summary.inference_params, Some(model.inference_parameters()));
            let deployed = model.deploy(&Device::flex());
            let [ours, theirs] = [logits(|x| model.forward(x)), logits(|x| deployed.forward(x))];
            let close = ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(close, "{name}: {ours:?} {theirs:?}");
        }
    }
}

#[test]
fn a_file_says_what_is_left_and_a_name_what_may_be() {
    let folder = tempfile::tempdir().expect("a folder");
    for &(name, limit) in MODELS {
        let out = folder.path().join("run");
        let Outcome::Finished(summary) = go(&config(name), &out, &mut ()) else {
            panic!("unfinished")
        };
        let info = |model: &str| {
            let program = env!("CARGO_BIN_EXE_cobasis");
            let said = Command::new(program).args(["models", "info", "--json", model]).output();
            let said = said.expect("the program runs");
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            serde_json::from_slice::<serde_json::Value>(&said.stdout).expect("JSON")
        };
        let file = info(&out.join("last.safetensors").display().to_string());
        assert_eq!(file["inference"]["at_most"], false, "{name}");
        assert_eq!(file["inference"]["params"].as_u64(), summary.inference_params, "{name}");
        let named = info(name);
        assert_eq!(named["inference"]["at_most"], true, "{name}");
        let most = named["inference"]["params"].as_u64().expect("a number");
        let model = load(out.join("last.safetensors"), &Device::flex()).expect("a model");
        assert_eq!(most - limit, model.inference_parameters() - left(&model), "{name}");
        fs::remove_dir_all(&out).expect("removed");
    }
}

#[test]
fn what_is_to_be_cut_can_be_neither_frozen_nor_trained_for_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = MODELS[0].0;
    let refused = |sets: &[&str], out: &str| {
        let mut all = vec![format!("model={name}")];
        all.extend(SETS.iter().chain(sets).map(|set| set.to_string()));
        let config = Config::parse_with("digits.toml", DIGITS, &all).expect("a configuration");
        let out = folder.path().join(out);
        let ended = run(&config, DeviceName::Flex, Some(&out), "test", &mut ());
        ended.map(|_| ()).map_err(|error| error.to_string())
    };
    let said = refused(&["train.freeze=[\"stages.1\"]"], "frozen").expect_err("refused");
    assert!(said.contains("so stages.1.blocks.1.conv1 can't be frozen"), "{said}");
    refused(&[], "run").expect("trained");
    let said = refused(&["train.epochs=4"], "run").expect_err("refused");
    assert!(said.contains("ranks.cut"), "{said}");
}
