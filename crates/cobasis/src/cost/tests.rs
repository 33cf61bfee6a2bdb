use super::*;
use crate::{BasisConv2dConfig, FilterBasisConfig, ParameterCount};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;
use proptest::prelude::*;

#[test]
fn a_layer_costs_what_the_paper_says() {
    // §1: k²·C·(s once + u) + (u + s)·T parameters, H·W·(k²·C·R + R·T) multiply-accumulates.
    let device = Device::flex();
    let basis = FilterBasisConfig::new(6, 8, [3, 3]).init(&device);
    let conv = BasisConv2dConfig::new([8, 10], [3, 3], 6, 2);
    let conv = conv.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
    let mut table = CostTable::default();
    let root = Place::ROOT;
    table.bank(&root.field("basis"), &basis);
    for path in ["a", "b"] {
        let conv = conv.init(&device);
        assert_eq!(conv.pass(&mut table, &root.field(path), &basis, [8, 5, 7]), [10, 5, 7]);
    }
    assert_eq!(table.total_of(Part::Shared).params, 9 * 8 * 6);
    assert_eq!(table.total_of(Part::Unique).params, 2 * 9 * 8 * 2);
    assert_eq!(table.total_of(Part::Coefficients).params, 2 * 8 * 10);
    assert_eq!(table.total_of(Part::Other), Cost { params: 2 * 16, buffers: 2 * 16, macs: 0 });
    assert_eq!(table.total().macs, 2 * 35 * (9 * 8 * 8 + 8 * 10));
}

#[test]
#[should_panic(expected = "the basis of conv is not in the table")]
fn a_basis_must_be_added_before_its_users() {
    let device = Device::flex();
    let basis = FilterBasisConfig::new(6, 8, [3, 3]).init(&device);
    let conv = BasisConv2dConfig::new([8, 8], [3, 3], 6, 0).init(&device);
    conv.pass(&mut CostTable::default(), &Place::ROOT.field("conv"), &basis, [8, 5, 5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sizes_and_counts_are_those_of_the_modules(
        size in (7usize..14, 7usize..14), kernel in 1usize..4, stride in 1usize..4,
        pad in (0usize..3, 0usize..3), dilation in 1usize..3, same: bool, bias: bool,
    ) {
        let device = Device::flex();
        let padding = if same {
            PaddingConfig2d::Same
        } else {
            PaddingConfig2d::Explicit(pad.0, pad.1, pad.1, pad.0)
        };
        let conv = Conv2dConfig::new([2, 3], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(padding)
            .with_dilation([dilation, dilation])
            .with_bias(bias)
            .init(&device);
        let norm = BatchNormConfig::new(3).init(&device);
        let linear = LinearConfig::new(3, 4).with_bias(bias).init(&device);
        let mut table = CostTable::default();
        let root = Place::ROOT;
        let out = table.conv2d(&root.field("conv"), &conv, [2, size.0, size.1]);
        table.norm(&root.field("norm"), &norm, out, Activation::None);
        table.linear(&root.field("linear"), &linear, ());
        let input = Tensor::random([1, 2, size.0, size.1], burn::tensor::Distribution::Default, &device);
        let expected = conv.forward(input.clone());
        let [_, channels, height, width] = expected.dims();
        prop_assert_eq!(out, [channels, height, width]);
        let mut counted = ParameterCount::of(&conv);
        counted += ParameterCount::of(&norm);
        counted += ParameterCount::of(&linear);
        prop_assert_eq!(table.total().params, counted.trainable);
        prop_assert_eq!(table.total().buffers, counted.buffers);

        // And what is computed is Burn's convolution.
        let forward = &mut crate::Forward;
        let output = forward.conv2d(&root, &conv, input.into()).into_tensor();
        let error: f32 = (output - expected).abs().max().into_scalar();
        prop_assert!(error < 1e-5, "{}", error);
    }
}
