use burn::tensor::{Device, Tensor};

use super::super::grouped::tests::networks;
use super::super::tests::{config, difference, images, trained};
use crate::factorise::{Moments, Weighting, factorise};
use crate::state::State;

/// The relative difference of what the last stage gives.
fn distance(a: Tensor<4>, b: Tensor<4>) -> f32 {
    let square = |x: Tensor<4>| x.square().sum().into_scalar::<f32>();
    (square(a.clone() - b) / square(a)).sqrt()
}

#[test]
fn a_fit_makes_good_what_it_can() {
    let device = Device::flex();
    let (dense, to) = networks(&[3, 3], "s32u4", &device);
    // Fitted on some images, measured on others.
    let all = images(32, &device);
    let x = all.clone().narrow(0, 24, 8);
    let (model, _) =
        factorise(&dense, to, &Moments::new(), Weighting::Plain, &device).expect("a network");
    let from = |model: &crate::Model| model.forward_features(x.clone()).remove(1);
    let before = distance(from(&dense), from(&model));
    let batches = || [all.clone().narrow(0, 0, 12), all.clone().narrow(0, 12, 12)];
    let fitted = model.refitted(&dense, batches()).expect("a fit");
    let after = distance(from(&dense), from(&fitted));
    assert!(after < 0.8 * before, "{before} {after}");
}

#[test]
fn what_is_exact_stays() {
    let device = Device::flex();
    let (dense, to) = networks(&[2, 2], "s64u4", &device);
    let x = images(16, &device);
    let (model, _) =
        factorise(&dense, to, &Moments::new(), Weighting::Plain, &device).expect("a network");
    let fitted = model.refitted(&dense, Vec::<Tensor<4>>::new()).expect("no fit");
    assert!(difference(dense.forward(x.clone()), fitted.forward(x.clone())) < 1e-4);
    let other = trained("cifar10/resnet20", &device);
    assert!(fitted.refitted(&other, [x.clone()]).is_err());
    let sums = config("cifar10/resnet20-s8u1");
    let (model, _) =
        factorise(&other, sums, &Moments::new(), Weighting::Plain, &device).expect("a network");
    let state: State = model.state();
    assert_eq!(model.refitted(&other, [x]).expect("the same").state(), state);
}
