//! Every operation on maps gives what Burn's own gives, with gradients, on every device.

use burn::module::Param;
use burn::nn::pool::{AvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, relu6};
use burn::tensor::{Device, Tensor, TensorData};
use cobasis_kernels::{Activation, ConvEpilogue, ConvOptions, Maps, Windows};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A stream of numbers between -1 and 1.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn data<const D: usize>(&mut self, dims: [usize; D]) -> TensorData {
        let numbers: Vec<f32> = (0..dims.iter().product()).map(|_| self.next()).collect();
        TensorData::new(numbers, dims)
    }
}

/// The largest difference against the largest number.
fn error(found: &TensorData, expected: &TensorData) -> f32 {
    assert_eq!(found.shape(), expected.shape());
    let pairs = || found.iter::<f32>().zip(expected.iter::<f32>());
    let apart = pairs().map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
    let largest = pairs().map(|(_, expected)| expected.abs()).fold(1e-3, f32::max);
    assert!(pairs().all(|(found, expected)| found.is_finite() && expected.is_finite()));
    apart / largest
}

#[allow(deprecated)] // NdArray is the second, independent CPU reference.
fn devices() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}

/// The output and the gradients of all inputs, where the loss weighs each output differently.
fn outcome(
    inputs: &[TensorData],
    device: &Device,
    network: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) -> Vec<TensorData> {
    let device = device.clone().autodiff();
    let inputs: Vec<Tensor<4>> =
        inputs.iter().map(|data| Tensor::from_data(data.clone(), &device).require_grad()).collect();
    let y = network(&inputs);
    let weights = Tensor::from_data(Numbers(7).data(y.dims()), &device);
    let gradients = (y.clone() * weights).sum().backward();
    let gradients = inputs.iter().map(|input| input.grad(&gradients).expect("it is tracked"));
    let gradients: Vec<TensorData> = gradients.map(Tensor::into_data).collect();
    [vec![y.into_data()], gradients].concat()
}

/// Compares outcomes on every device, and without autodiff.
fn agrees(
    inputs: &[TensorData],
    bound: f32,
    ours: impl Fn(&[Tensor<4>]) -> Tensor<4>,
    burns: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) -> Result<(), TestCaseError> {
    for device in devices() {
        let found = outcome(inputs, &device, &ours);
        let expected = outcome(inputs, &device, &burns);
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = error(found, expected);
            prop_assert!(error < bound, "{error} in number {index} on {device:?}");
        }
        let plain = inputs.iter().map(|data| Tensor::from_data(data.clone(), &device));
        let plain = ours(&plain.collect::<Vec<_>>());
        prop_assert!(error(&plain.into_data(), &expected[0]) < bound, "without autodiff");
    }
    Ok(())
}

fn act(activation: Activation, x: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => relu6(x),
    }
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)]
}

fn batch_norm(data: &[TensorData; 4], epsilon: f64, device: &Device) -> BatchNorm {
    let [gamma, beta, mean, variance] = data;
    let mut norm = BatchNormConfig::new(gamma.num_elements()).with_epsilon(epsilon).init(device);
    norm.gamma = Param::from_data(gamma.clone(), device);
    norm.beta = Param::from_data(beta.clone(), device);
    norm.running_mean.update(Tensor::from_data(mean.clone(), device));
    norm.running_var.update(Tensor::<1>::from_data(variance.clone(), device).abs());
    norm
}

proptest! {
    // The same cases in every run: at the kink of an activation, gradients rightly differ.
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn convolutions_agree(
        (batch, height, width) in (1..4_usize, 3..11_usize, 3..11_usize),
        (groups, per_group, first, second) in (1..4_usize, 1..9_usize, 1..9_usize, 0..3_usize),
        (kernel, stride, padding) in (1..4_usize, 1..3_usize, 0..2_usize),
        activation in activations(),
        (with_scale, with_bias, with_residual) in any::<(bool, bool, bool)>(),
        seed in any::<u32>(),
    ) {
        let mut numbers = Numbers(seed);
        // A second bank would stand among the groups of the first.
        let second = if groups == 1 { second } else { 0 };
        let banks = if second > 0 { vec![first, second] } else { vec![first * groups] };
        let out: usize = banks.iter().sum();
        let side = |length: usize| (length + 2 * padding - kernel) / stride + 1;
        let mut inputs = vec![numbers.data([batch, groups * per_group, height, width])];
        inputs.extend(banks.iter().map(|&bank| numbers.data([bank, per_group, kernel, kernel])));
        if with_residual {
            inputs.push(numbers.data([batch, out, side(height), side(width)]));
        }
        let data = [numbers.data([out]), numbers.data([out])];
        let options = ConvOptions { stride: [stride; 2], groups, ..ConvOptions::default() }
            .with_symmetric_padding([padding; 2]);
        let per_channel = |device: &Device| {
            let [scale, bias] = &data;
            [(with_scale, scale), (with_bias, bias)].map(|(with, data)| {
                with.then(|| Tensor::<1>::from_data(data.clone(), device))
            })
        };
        agrees(
            &inputs,
            1e-5,
            |inputs| {
                let x = Maps::from(inputs[0].clone());
                let residual = with_residual.then(|| inputs[banks.len() + 1].clone().into());
                let [scale, bias] = per_channel(&inputs[0].device());
                let epilogue = ConvEpilogue { scale, bias, residual, activation };
                x.conv2d(&inputs[1..=banks.len()], options, epilogue).into_tensor()
            },
            |inputs| {
                let filters = Tensor::cat(inputs[1..=banks.len()].to_vec(), 0);
                let pad = (padding, padding);
                let options = burn::tensor::ops::ConvOptions::new_with_padding(
                    [stride; 2], [pad; 2], [1, 1], groups,
                );
                let y = burn::tensor::module::conv2d(inputs[0].clone(), filters, None, options);
                let [scale, bias] = per_channel(&inputs[0].device()).map(|numbers| {
                    numbers.map(|numbers| numbers.reshape([1, out, 1, 1]))
                });
                let y = if let Some(scale) = scale { y * scale } else { y };
                let y = if let Some(bias) = bias { y + bias } else { y };
                let y = if with_residual { y + inputs[banks.len() + 1].clone() } else { y };
                act(activation, y)
            },
        )?;
    }

    #[test]
    fn batch_norms_agree_in_training_and_evaluation(
        (batch, channels, height, width) in (1..5_usize, 1..40_usize, 1..9_usize, 2..9_usize),
        offset in prop_oneof![Just(0.0_f32), Just(25.0)],
        activation in activations(),
        (with_residual, frozen) in any::<(bool, bool)>(),
        seed in any::<u32>(),
    ) {
        let mut numbers = Numbers(seed);
        let x = numbers.data([batch, channels, height, width]);
        let x = x.iter::<f32>().map(|x| x + offset).collect::<Vec<_>>();
        let mut inputs = vec![TensorData::new(x, [batch, channels, height, width])];
        if with_residual {
            inputs.push(numbers.data([batch, channels, height, width]));
        }
        let data = [(); 4].map(|()| numbers.data([channels]));
        let make = |inputs: &[Tensor<4>]| {
            // Without autodiff there would be nothing to compare: Burn evaluates there.
            let norm = batch_norm(&data, 1e-2, &inputs[0].device());
            if frozen { burn::module::Module::freeze(norm) } else { norm }
        };
        let residual = |inputs: &[Tensor<4>]| inputs.get(1).cloned();
        for device in devices() {
            let device = device.autodiff();
            let tensors: Vec<Tensor<4>> =
                inputs.iter().map(|data| Tensor::from_data(data.clone(), &device)).collect();
            let [ours, burns] = [make(&tensors), make(&tensors)];
            let maps = residual(&tensors).map(Maps::from);
            Maps::from(tensors[0].clone()).batch_norm(&ours, maps, activation);
            let before = burns.running_var.value_sync() * (1.0 - burns.momentum);
            burns.forward(tensors[0].clone());
            let [mean, variance] = [burns.running_mean, burns.running_var].map(|s| s.value_sync());
            // Burn adds the biased variance of the batch, PyTorch the unbiased one.
            let count = (batch * height * width) as f64;
            let factor = if frozen { 1.0 } else { count / (count - 1.0) };
            let variance = before.clone() + (variance - before) * factor;
            for (ours, expected) in [(ours.running_mean, mean), (ours.running_var, variance)] {
                let (ours, expected) = (ours.value_sync().into_data(), expected.into_data());
                prop_assert!(error(&ours, &expected) < 2e-6, "running statistics");
            }
            let [ours, burns] = [true, false].map(|ours| {
                outcome(&inputs, &device.clone().inner(), |inputs| {
                    let norm = make(inputs);
                    let residual = residual(inputs);
                    if ours {
                        let residual = residual.map(Maps::from);
                        let x = Maps::from(inputs[0].clone());
                        x.batch_norm(&norm, residual, activation).into_tensor()
                    } else {
                        let y = norm.forward(inputs[0].clone());
                        act(activation, match residual {
                            Some(residual) => y + residual,
                            None => y,
                        })
                    }
                })
            });
            // Burn's own statistics lose digits far from zero.
            let bound = if offset > 0.0 { 1e-3 } else { 2e-5 };
            for (ours, burns) in ours.iter().zip(&burns) {
                let error = error(ours, burns);
                prop_assert!(error < bound, "{error} on {device:?}");
            }
        }
    }

    #[test]
    fn pooling_and_joining_agree(
        (batch, channels, height, width) in (1..4_usize, 1..9_usize, 6..11_usize, 6..11_usize),
        (size, stride, padding) in (2..4_usize, 1..3_usize, 0..2_usize),
        seed in any::<u32>(),
    ) {
        let mut numbers = Numbers(seed);
        let dims = [batch, channels, height, width];
        let inputs = [numbers.data(dims), numbers.data(dims)];
        let pad = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        let maximum = MaxPool2dConfig::new([size; 2]).with_strides([stride; 2]);
        let maximum = maximum.with_padding(pad).init();
        let windows = Windows { size: [size; 2], stride: [stride; 2], padding: [padding; 2] };
        let halves = Windows { size: [2, 2], stride: [2, 2], padding: [0, 0] };
        let average = AvgPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
        agrees(
            &inputs,
            1e-6,
            |inputs| {
                let [x, y] = [&inputs[0], &inputs[1]].map(|input| Maps::from(input.clone()));
                let scales = y.clone().global_average();
                let sum = x.clone().add(&y, Activation::None);
                let joined = x.clone().concat(&y).concat(&sum.scale_channels(scales));
                let pooled = joined.max_pool(windows).avg_pool(halves);
                pooled.subsample(2, [1, 2]).into_tensor()
            },
            |inputs| {
                let [x, y] = [&inputs[0], &inputs[1]].map(Clone::clone);
                let scales = y.clone().mean_dim(2).mean_dim(3);
                let joined = Tensor::cat(vec![x.clone(), y.clone(), (x + y) * scales], 1);
                let pooled = average.forward(maximum.forward(joined));
                let kept = pooled.slice(burn::tensor::s![.., .., ..;2, ..;2]);
                let [batch, _, height, width] = kept.dims();
                let zeros = |channels| {
                    Tensor::zeros([batch, channels, height, width], &kept.device())
                };
                Tensor::cat(vec![zeros(1), kept.clone(), zeros(2)], 1)
            },
        )?;
    }
}

#[test]
fn other_precisions_are_left_to_burn() {
    let device = Device::flex();
    let mut numbers = Numbers(1);
    let [x, filters] = [numbers.data([2, 3, 5, 5]), numbers.data([4, 3, 3, 3])];
    let [x, filters] =
        [x, filters].map(|data| Tensor::<4>::from_data(data, (&device, burn::tensor::DType::F64)));
    let options = ConvOptions::default().with_symmetric_padding([1, 1]);
    let y = Maps::from(x).conv2d(&[filters], options, ConvEpilogue::default()).into_tensor();
    assert_eq!((y.dims(), y.dtype()), ([2, 4, 5, 5], burn::tensor::DType::F64));
}

#[test]
fn constants_of_the_plain_device_meet_tensors_of_the_autodiff_device() {
    let device = Device::flex();
    let mut numbers = Numbers(1);
    let x = Tensor::<4>::from_data(numbers.data([2, 3, 5, 5]), &device);
    let filters = Tensor::<4>::from_data(numbers.data([4, 3, 3, 3]), &device.autodiff());
    let filters = filters.require_grad();
    let options = ConvOptions::default().with_symmetric_padding([1, 1]);
    let y = Maps::from(x).conv2d(std::slice::from_ref(&filters), options, ConvEpilogue::default());
    let gradients = y.into_tensor().sum().backward();
    assert_eq!(filters.grad(&gradients).map(|gradient| gradient.dims()), Some([4, 3, 3, 3]));
}

#[test]
fn all_of_this_holds_without_the_vector_unit() {
    const ISA: &str = "COBASIS_ISA";
    if std::env::var_os(ISA).is_some() {
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let status = std::process::Command::new(program).env(ISA, "portable").status();
    assert!(status.expect("it starts").success());
}
