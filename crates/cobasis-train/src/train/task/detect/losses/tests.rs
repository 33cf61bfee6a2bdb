use burn::tensor::{DType, Device, TensorData};

use super::*;

/// The two boxes of the literature's examples, and some that overlap, contain and avoid each other.
const FOUND: [[f64; 4]; 6] = [
    [0.0, 0.0, 2.0, 2.0],
    [0.0, 0.0, 1.0, 1.0],
    [3.5, 4.0, 60.25, 45.0],
    [10.0, 20.0, 40.0, 50.0],
    [-5.0, 12.0, 8.0, 13.5],
    [100.0, 80.0, 130.0, 120.5],
];
const WANTED: [[f64; 4]; 6] = [
    [1.0, 1.0, 3.0, 3.0],
    [2.0, 0.0, 3.0, 1.0],
    [8.0, 2.5, 51.0, 47.0],
    [15.0, 22.0, 33.0, 41.0],
    [-1.0, 10.0, 9.0, 30.0],
    [99.5, 81.0, 128.0, 119.0],
];
const LOGITS: [[f64; 2]; 4] = [[-30.0, 0.0], [2.0, -1.5], [0.25, 25.0], [-4.6, 90.0]];
const SHARES: [[f64; 2]; 4] = [[0.0, 0.3], [1.0, 0.0], [0.75, 1.0], [0.5, 0.0]];

/// A tensor in double precision, on the side of the device that derives.
fn tensor<const N: usize>(rows: &[[f64; N]]) -> Tensor<2> {
    let data = TensorData::new(rows.as_flattened().to_vec(), [rows.len(), N]);
    Tensor::from_data(data, (&Device::flex().autodiff(), DType::F64))
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        let close = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(close, "{got} is not {expected}");
    }
}

/// Compares the gradient of a sum of losses with central differences.
fn assert_derives<const N: usize>(at: &[[f64; N]], loss: impl Fn(Tensor<2>) -> Tensor<2>) {
    let sum = |rows: &[[f64; N]]| numbers(loss(tensor(rows)).sum())[0];
    let leaf = tensor(at).require_grad();
    let gradients = loss(leaf.clone()).sum().backward();
    let got = numbers(leaf.grad(&gradients).expect("a gradient"));
    let step = 1e-5;
    let differences = (0..at.len() * N).map(|index| {
        let [more, less] = [step, -step].map(|step| {
            let mut moved = at.to_vec();
            moved.as_flattened_mut()[index] += step;
            sum(&moved)
        });
        (more - less) / (2.0 * step)
    });
    assert_close(&got, &differences.collect::<Vec<_>>(), 1e-7);
}

#[test]
fn overlaps_are_those_worked_out_by_hand() {
    let pair = |a, b| [iou, giou].map(|measure| numbers(measure(tensor(&[a]), tensor(&[b])))[0]);
    assert_close(&pair(FOUND[0], WANTED[0]), &[1.0 / 7.0, 1.0 / 7.0 - 2.0 / 9.0], 1e-12);
    assert_close(&pair(FOUND[1], WANTED[1]), &[0.0, -1.0 / 3.0], 1e-12);
    assert_close(&pair(FOUND[2], FOUND[2]), &[1.0, 1.0], 1e-12);
    assert!((pair(FOUND[0], WANTED[0])[1] + 0.0793651).abs() < 1e-7);
    // IoU 2/3.
    let (found, wanted) = (tensor(&[[0.0, 0.0, 10.0, 15.0]]), tensor(&[[0.0, 0.0, 10.0, 10.0]]));
    let loss = numbers(iou_loss(found.clone(), wanted.clone()))[0];
    assert!((5.0 * loss - 2.777778).abs() < 1e-6);
    assert_close(&numbers(giou_loss(found, wanted)), &[1.0 / 3.0], 1e-12);
}

#[test]
fn the_focal_loss_is_that_worked_out_by_hand() {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    for (p, there, expected) in [
        (0.9, 1.0, 2.63401e-4),
        (0.1, 1.0, 0.466273),
        (0.1, 0.0, 7.90204e-4),
        (0.5, 1.0, 0.0433217),
        (0.5, 0.0, 0.1299651),
    ] {
        let got = numbers(focal(tensor(&[[logit(p)]]), tensor(&[[there]])))[0];
        assert!((got / expected - 1.0).abs() < 1e-5, "{got} is not {expected}");
    }
}

#[test]
fn the_cross_entropy_is_exact_for_every_logit() {
    let got = numbers(binary_cross_entropy(tensor(&LOGITS), tensor(&SHARES)));
    let of = |x: f64, share: f64| x.max(0.0) - share * x + (-x.abs()).exp().ln_1p();
    let pairs = LOGITS.as_flattened().iter().zip(SHARES.as_flattened());
    let expected: Vec<f64> = pairs.map(|(&x, &share)| of(x, share)).collect();
    assert_close(&got, &expected, 1e-12);
    // The logit of a share of 0.01, which heads start from.
    let start = tensor(&[[-4.595120]]);
    assert!((numbers(sigmoid(start))[0] - 0.01).abs() < 1e-8);
}

#[test]
fn raw_differences_are_those_of_the_heads_numbers() {
    // Centres (24, 24) and (20, 28), sides (16, 32) and (8, 8) at stride 8.
    let (found, wanted) = (tensor(&[[16.0, 8.0, 32.0, 40.0]]), tensor(&[[16.0, 24.0, 24.0, 32.0]]));
    let got = numbers(raw_l1(found, wanted.clone(), tensor(&[[8.0]])));
    assert_close(&got, &[0.5, 0.5, 2.0f64.ln(), 4.0f64.ln()], 1e-12);
    // A box without an area has a loss, and a gradient, that are numbers.
    let point = tensor(&[[20.0, 20.0, 20.0, 20.0]]).require_grad();
    let loss = raw_l1(point.clone(), wanted, tensor(&[[8.0]])).sum();
    let gradient = point.grad(&loss.backward()).expect("a gradient");
    assert!(numbers(gradient).into_iter().all(f64::is_finite));
}

#[test]
fn gradients_are_central_differences() {
    // Away from edges that meet: losses have corners there.
    let found = FOUND.map(|corners| corners.map(|edge| 1.01 * edge + 0.05));
    let strides = || tensor(&[[8.0], [8.0], [16.0], [16.0], [8.0], [32.0]]);
    assert_derives(&found, |found| iou(found, tensor(&WANTED)));
    assert_derives(&found, |found| giou(found, tensor(&WANTED)));
    assert_derives(&found, |found| iou_loss(found, tensor(&WANTED)));
    assert_derives(&found, |found| giou_loss(found, tensor(&WANTED)));
    assert_derives(&found, |found| raw_l1(found, tensor(&WANTED), strides()));
    assert_derives(&LOGITS, |logits| binary_cross_entropy(logits, tensor(&SHARES)));
    let there = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    assert_derives(&LOGITS, |logits| focal(logits, tensor(&there)));
}

#[test]
fn single_precision_is_exact_where_logits_are_large() {
    let device = Device::flex().autodiff();
    let logits = Tensor::<2>::from_floats([[-60.0, -20.0, 0.0, 20.0, 200.0]], &device);
    let logits = logits.require_grad();
    let nothing = logits.clone().zeros_like().detach();
    let loss = binary_cross_entropy(logits.clone(), nothing.clone()).sum();
    let gradient = numbers(logits.grad(&loss.backward()).expect("a gradient"));
    let expected = [-60.0f64, -20.0, 0.0, 20.0, 200.0].map(|x| 1.0 / (1.0 + (-x).exp()));
    for (got, expected) in gradient.iter().zip(expected) {
        assert!((got / expected - 1.0).abs() < 1e-6, "{got} is not {expected}");
    }
    let focal = focal(logits.clone(), nothing).sum();
    let gradient = numbers(logits.grad(&focal.backward()).expect("a gradient"));
    assert!(gradient.into_iter().all(f64::is_finite));
}
