//! A layer on a basis is a dense convolution with composed filters, when its batch norm is the
//! identity.

mod common;

use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use cobasis::{BasisConv2d, BasisConv2dConfig, FilterBasis, FilterBasisConfig};
use common::{devices, distance, values};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    groups: usize,
    channels: [usize; 2],
    shared: usize,
    unique: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..4, 1usize..4, 1usize..6, 0usize..4, 0usize..3, 1usize..4, any::<(bool, u64)>())
        .prop_filter("a layer needs filters", |(_, _, _, s, u, _, _)| s + u > 0)
        .prop_map(|(groups, width, out, shared, unique, kernel, (wide, seed))| Case {
            groups,
            channels: [groups * width, out],
            shared: groups * shared,
            unique: groups * unique,
            kernel: [kernel, if wide { 3 } else { kernel }],
            stride: [1 + (seed % 2) as usize, 1 + (seed / 2 % 2) as usize],
            padding: [(seed / 4 % 2) as usize, (seed / 8 % 2) as usize],
            seed,
        })
}

fn symmetric([vertical, horizontal]: [usize; 2]) -> PaddingConfig2d {
    PaddingConfig2d::Explicit(vertical, horizontal, vertical, horizontal)
}

/// A layer with made-up weights and an identity batch norm, and its basis.
fn layer(case: &Case, device: &Device) -> (BasisConv2d, Option<FilterBasis>) {
    let mut conv = BasisConv2dConfig::new(case.channels, case.kernel, case.shared, case.unique)
        .with_stride(case.stride)
        .with_padding(symmetric(case.padding))
        .with_groups(case.groups)
        .init(device);
    conv.norm.as_mut().expect("a batch norm").epsilon = 1e-12;
    let shape = conv.coefficients.weight.dims();
    conv.coefficients.weight = Param::from_tensor(values(shape, case.seed, device));
    let channels = case.channels[0] / case.groups;
    let basis = (case.shared > 0).then(|| {
        let mut basis = FilterBasisConfig::new(case.shared, channels, case.kernel).init(device);
        let shape = basis.weight.dims();
        basis.weight = Param::from_tensor(values(shape, case.seed ^ 1, device));
        basis
    });
    (conv, basis)
}

/// The layer's filters as one dense, ungrouped bank `[out, in, kernel_height, kernel_width]`:
/// `W[o] = Σ_r α[o, r] B[r]`, with each filter of a group put at the group's input channels.
fn composed(case: &Case, conv: &BasisConv2d, basis: Option<&FilterBasis>) -> Tensor<4> {
    let [height, width] = case.kernel;
    let [channels_in, channels_out] = case.channels;
    let per_group = channels_in / case.groups;
    let device = conv.coefficients.weight.device();
    let mut bank: Vec<Tensor<4>> = Vec::new();
    let own = conv.unique.as_ref().map(|unique| unique.val());
    for filters in own.into_iter().chain(basis.map(|basis| basis.weight.val())) {
        let count = filters.dims()[0];
        for index in 0..count {
            let group = index / (count / case.groups);
            let zeros = |channels| Tensor::<4>::zeros([1, channels, height, width], &device);
            let parts = vec![
                zeros(group * per_group),
                filters.clone().narrow(0, index, 1),
                zeros((case.groups - 1 - group) * per_group),
            ];
            let parts = parts.into_iter().filter(|part| part.dims()[1] > 0).collect();
            bank.push(Tensor::cat(parts, 1));
        }
    }
    let rank = bank.len();
    let bank = Tensor::cat(bank, 0).reshape([rank, channels_in * height * width]);
    let coefficients = conv.coefficients.weight.val().reshape([channels_out, rank]);
    coefficients.matmul(bank).reshape([channels_out, channels_in, height, width])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_layer_is_the_dense_convolution_with_composed_filters(case in cases()) {
        for device in devices() {
            let (conv, basis) = layer(&case, &device);
            let input = values([2, case.channels[0], 7, 6], case.seed ^ 2, &device);
            let pad = case.padding.map(|side| (side, side));
            let options = ConvOptions::new_with_padding(case.stride, pad, [1, 1], 1);
            let expected =
                conv2d(input.clone(), composed(&case, &conv, basis.as_ref()), None, options);
            let output = conv.forward(input, basis.as_ref());
            prop_assert_eq!(output.dims(), expected.dims());
            let scale: f32 = expected.clone().abs().max().into_scalar();
            let error = distance(output, expected);
            prop_assert!(error <= 1e-5 * scale.max(1.0), "error {error} at scale {scale}");
        }
    }
}

#[test]
#[should_panic(expected = "expected a basis of 3 filters, got 2")]
fn a_basis_of_another_rank_is_refused() {
    let device = Device::flex();
    let conv = BasisConv2dConfig::new([2, 2], [3, 3], 3, 1).init(&device);
    let basis = FilterBasisConfig::new(2, 2, [3, 3]).init(&device);
    conv.forward(Tensor::zeros([1, 2, 5, 5], &device), &basis);
}

#[test]
#[should_panic(expected = "expected a basis of 3 filters, got 0")]
fn a_missing_basis_is_refused() {
    let device = Device::flex();
    let conv = BasisConv2dConfig::new([2, 2], [3, 3], 3, 1).init(&device);
    conv.forward(Tensor::zeros([1, 2, 5, 5], &device), None);
}

#[test]
#[should_panic(expected = "expected filters for a 5x5 kernel")]
fn a_basis_of_another_kernel_is_refused() {
    let device = Device::flex();
    let conv =
        BasisConv2dConfig::new([2, 2], [5, 5], 3, 0).with_padding(symmetric([2, 2])).init(&device);
    let basis = FilterBasisConfig::new(3, 2, [3, 3]).init(&device);
    conv.forward(Tensor::zeros([1, 2, 5, 5], &device), &basis);
}

#[test]
#[should_panic(expected = "given 4 channels")]
fn images_of_other_channels_are_refused() {
    let device = Device::flex();
    let conv = BasisConv2dConfig::new([2, 2], [3, 3], 3, 1).init(&device);
    let basis = FilterBasisConfig::new(3, 2, [3, 3]).init(&device);
    conv.forward(Tensor::zeros([1, 4, 5, 5], &device), &basis);
}

#[test]
#[should_panic(expected = "2 groups do not divide the 3 shared")]
fn groups_must_divide_the_filters() {
    BasisConv2dConfig::new([2, 2], [3, 3], 3, 0).with_groups(2).init(&Device::flex());
}
