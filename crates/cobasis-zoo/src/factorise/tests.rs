use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};

use super::*;
use crate::registry::Entry;
use crate::spec::{Architecture, DenseNetSpec};
use crate::{ModelName, Norms, Variant};

pub(super) fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse::<ModelName>().expect("a name"))
}

/// A dense network whose batch norms have statistics of images.
pub(super) fn trained(name: &str, device: &Device) -> Model {
    trained_as(config(name), device)
}

pub(super) fn trained_as(config: ModelConfig, device: &Device) -> Model {
    let model = config.with_seed(3).init(&device.clone().autodiff());
    for _ in 0..3 {
        let _ = model.forward(images(8, &device.clone().autodiff()));
    }
    model.valid()
}

pub(super) fn images(count: usize, device: &Device) -> Tensor<4> {
    device.seed(5);
    Tensor::random([count, 3, 32, 32], Distribution::Normal(0.2, 1.0), device)
}

/// The largest difference, in parts of the largest logit.
pub(super) fn difference(a: Tensor<2>, b: Tensor<2>) -> f32 {
    let scale = a.clone().abs().max().into_scalar::<f32>();
    (a - b).abs().max().into_scalar::<f32>() / scale
}

#[test]
fn complete_bases_keep_the_function() {
    let device = Device::flex();
    for (dense, shared) in [
        ("cifar10/resnet20", "cifar10/resnet20-s144u0"),
        ("cifar10/resnet20", "cifar10/resnet20-s143,280,570u1"),
        ("cifar10/resnet20", "cifar10/resnet20-s100,200,300u44,88,276-double"),
        ("cifar10/resnet20", "cifar10/resnet20-s143,280,570u1-all"),
    ] {
        let dense = trained(dense, &device);
        let x = images(2, &device);
        for norms in [Norms::All, Norms::WithoutInner] {
            let config = config(shared).with_norms(norms);
            let (model, errors) =
                factorise(&dense, config, &Moments::new(), Weighting::Plain, &device)
                    .expect("a network");
            assert!(difference(dense.forward(x.clone()), model.forward(x.clone())) < 1e-4);
            assert_eq!(errors.len(), if shared.ends_with("-all") { 18 } else { 12 });
            assert!(errors.iter().all(|error| error.filters < 1e-5), "{errors:?}");
            // The two bases of a stage are computed apart, and lie in one space of 144 dimensions.
            if !shared.ends_with("-double") {
                assert!(model.penalty().expect("bases").into_scalar::<f32>() < 1e-8);
            }
        }
    }
}

#[test]
fn complete_bases_keep_the_function_of_densenets() {
    let device = Device::flex();
    let spec = DenseNetSpec::new([2, 3, 3], 4);
    let entry = Entry::new("test/densenet", Architecture::DenseNet(spec), 5, [3, 32, 32]);
    let name = ModelName::own(entry).expect("a network");
    let dense = trained_as(ModelConfig::new(name.clone()), &device);
    let x = images(2, &device);
    // Four filters a layer, of three layers at most, or of the six that borrow the authors' third bank.
    for (suffix, variant) in [
        ("s12u0", Variant::Corrected),
        ("s8,12,9u0,0,3", Variant::Corrected),
        ("s3u4", Variant::Corrected),
        ("s0u4", Variant::Corrected),
        ("s24u0", Variant::Authors),
        ("s3u4", Variant::Authors),
    ] {
        let to = ModelConfig::new(name.clone().with_sharing(suffix).expect("a form"));
        let to = to.with_variant(variant);
        let (model, errors) =
            factorise(&dense, to, &Moments::new(), Weighting::Plain, &device).expect("a network");
        let change = difference(dense.forward(x.clone()), model.forward(x.clone()));
        assert!(change < 1e-4, "{suffix}: {change}");
        assert_eq!(errors.len(), 8);
        if let Some(penalty) = model.penalty() {
            assert!(penalty.into_scalar::<f32>() < 1e-8, "{suffix}");
        }
    }
}

#[test]
fn unique_filters_of_a_large_densenet_are_complete() {
    let device = Device::flex();
    let dense = trained("cifar100/densenet121", &device);
    let to = config("cifar100/densenet121-s8u32");
    let (model, errors) =
        factorise(&dense, to, &Moments::new(), Weighting::Plain, &device).expect("a network");
    let x = images(1, &device);
    assert!(difference(dense.forward(x.clone()), model.forward(x)) < 1e-4);
    assert!(errors.len() == 58 && errors.iter().all(|error| error.filters < 1e-5));
}

#[test]
fn calibration_changes_no_logit_and_normalises_in_training() {
    let device = Device::flex();
    let dense = trained("cifar10/resnet20", &device);
    let (model, _) = factorise(
        &dense,
        config("cifar10/resnet20-s16u1"),
        &Moments::new(),
        Weighting::Plain,
        &device,
    )
    .expect("a network");
    let x = images(16, &device);
    let before = model.forward(x.clone());
    let model = model
        .calibrated([x.clone().narrow(0, 0, 8), x.clone().narrow(0, 8, 8)])
        .expect("calibrated");
    assert!(difference(before, model.forward(x)) < 1e-4);
    let state = model.state();
    let variance = &state["stages.0.blocks.1.conv1.norm.running_var"];
    assert!(variance.iter::<f64>().all(|v| v > 0.0 && v != 1.0));
}

#[test]
fn weights_make_outputs_better() {
    let device = Device::flex();
    let dense = trained("cifar10/resnet20", &device);
    let to = config("cifar10/resnet20-s8u1");
    let moments = dense.input_moments(&to, [images(8, &device)]).expect("moments");
    assert_eq!(moments.len(), 12);
    assert_eq!(moments["stages.0.blocks.1.conv1"].len(), 144 * 144);
    let (_, weighted) =
        factorise(&dense, to.clone(), &moments, Weighting::Inputs, &device).expect("a network");
    let outputs: Vec<f64> = weighted.iter().map(|error| error.outputs.expect("images")).collect();
    let (_, plain) =
        factorise(&dense, to, &Moments::new(), Weighting::Plain, &device).expect("a network");
    for ((weighted, output), plain) in weighted.iter().zip(outputs).zip(&plain) {
        assert_eq!(weighted.path, plain.path);
        assert!(output < 1.0 && plain.outputs.is_none());
    }
}

#[test]
fn what_cannot_be_factorised_is_refused() {
    let device = Device::flex();
    let dense = config("cifar10/resnet20").init(&device);
    let refused = |to: &str| {
        factorise(&dense, config(to), &Moments::new(), Weighting::Plain, &device)
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        refused("cifar10/resnet32-s8u1"),
        "expected a sharing form of cifar10/resnet20, got cifar10/resnet32-s8u1"
    );
    assert!(refused("cifar10/resnet20-s200u1").contains("at most 144 can be orthonormal"));
    assert!(
        refused("cifar10/resnet20-tied").contains("only layers with shared and unique filters")
    );
    let shared = config("cifar10/resnet20-s8u1").init(&device);
    let error = factorise(
        &shared,
        config("cifar10/resnet20-s8u1"),
        &Moments::new(),
        Weighting::Plain,
        &device,
    );
    assert!(matches!(error, Err(FactoriseError::NotDense { .. })));
}
