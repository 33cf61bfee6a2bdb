//! Every pass against plain loops in double precision, for random shapes.

use std::sync::Arc;

use cobasis_kernels::conv::{
    self, Activation, Algorithm, ConvShape, Epilogue, PackedWeight, Pass, Residual, TransposedBank,
    backward_filter_with, backward_input_with, banks_part_well,
};
use proptest::prelude::*;

/// Calls `visit(x, weight, y)` with the indices of every product of the convolution.
fn products(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let [oh, ow] = s.output();
    let (inputs, outputs) = (s.channels_in / s.groups, s.channels_out / s.groups);
    for b in 0..s.batch {
        for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
            for (ky, kx) in (0..s.kernel[0]).flat_map(|y| (0..s.kernel[1]).map(move |x| (y, x))) {
                let iy = (oy * s.stride[0] + ky).wrapping_sub(s.padding[0]);
                let ix = (ox * s.stride[1] + kx).wrapping_sub(s.padding[1]);
                if iy >= s.size[0] || ix >= s.size[1] {
                    continue;
                }
                for co in 0..s.channels_out {
                    for ci in 0..inputs {
                        let channel = co / outputs * inputs + ci;
                        visit(
                            ((b * s.size[0] + iy) * s.size[1] + ix) * s.channels_in + channel,
                            ((co * inputs + ci) * s.kernel[0] + ky) * s.kernel[1] + kx,
                            ((b * oh + oy) * ow + ox) * s.channels_out + co,
                        );
                    }
                }
            }
        }
    }
}

/// Values in [-1, 1) that depend on nothing but the seed.
fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Largest difference over the largest expected value.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(1e-3, |m: f64, v| m.max(v.abs()));
    got.iter().zip(expected).fold(0.0, |m: f64, (g, e)| m.max((*g as f64 - e).abs())) / largest
}

fn shapes() -> impl Strategy<Value = ConvShape> {
    let kernels = prop::sample::select(vec![[1, 1], [3, 3], [3, 3], [7, 7], [3, 1]]);
    let groups = prop::sample::select(vec![(1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (0, 1), (0, 2)]);
    (1..4usize, (1..14usize, 1..14usize), 1..40usize, 1..40usize, kernels, 1..3usize, groups)
        .prop_map(|(batch, (h, w), ci, co, kernel, stride, (groups, depthwise))| {
            let (channels_in, channels_out, groups) = match depthwise {
                0 => (ci.div_ceil(groups) * groups, co.div_ceil(groups) * groups, groups),
                multiplier => (ci, ci * multiplier, ci),
            };
            ConvShape {
                batch,
                size: [h, w],
                channels_in,
                channels_out,
                kernel,
                stride: [stride; 2],
                padding: kernel.map(|k| k / 2),
                groups,
            }
        })
}

fn check(s: &ConvShape) {
    let x = values(s.input_len(), 1);
    let weight = values(s.weight_len(), 2);
    let dy = values(s.output_len(), 3);
    let (scale, bias) = (values(s.channels_out, 4), values(s.channels_out, 5));
    let residual = values(s.output_len(), 6);
    let mut plain = vec![0.0; s.output_len()];
    let mut want_dx = vec![0.0; s.input_len()];
    let mut want_dw = vec![0.0; s.weight_len()];
    products(s, |xi, wi, yi| {
        plain[yi] += x[xi] as f64 * weight[wi] as f64;
        want_dx[xi] += dy[yi] as f64 * weight[wi] as f64;
        want_dw[wi] += dy[yi] as f64 * x[xi] as f64;
    });
    for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Depthwise] {
        if !conv::fits(algorithm, s) {
            continue;
        }
        let packed = PackedWeight::with(algorithm, s, &weight);
        let mut y = vec![f32::NAN; s.output_len()];
        conv::forward(s, &x, &packed, &mut y, &Epilogue::default());
        assert!(error(&y, &plain) < 1e-5, "{s:?} {algorithm}: forward {}", error(&y, &plain));
        for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
            let epilogue = Epilogue {
                scale: Some(&scale),
                bias: Some(&bias),
                residual: Residual::Values(&residual),
                activation,
            };
            let want: Vec<f64> = (0..plain.len())
                .map(|i| {
                    let c = i % s.channels_out;
                    let v = scale[c] as f64 * plain[i] + bias[c] as f64 + residual[i] as f64;
                    match activation {
                        Activation::None => v,
                        Activation::Relu => v.max(0.0),
                        Activation::Relu6 => v.clamp(0.0, 6.0),
                    }
                })
                .collect();
            y.fill(f32::NAN);
            conv::forward(s, &x, &packed, &mut y, &epilogue);
            assert!(
                error(&y, &want) < 2e-5,
                "{s:?} {algorithm}: {activation:?} {}",
                error(&y, &want)
            );
        }
        let mut dx = vec![f32::NAN; s.input_len()];
        backward_input_with(algorithm, s, &weight, &dy, &mut dx);
        assert!(error(&dx, &want_dx) < 1e-5, "{s:?} {algorithm}: dx {}", error(&dx, &want_dx));
        let mut dw = vec![f32::NAN; s.weight_len()];
        backward_filter_with(algorithm, s, &x, &dy, &mut dw);
        assert!(error(&dw, &want_dw) < 1e-5, "{s:?} {algorithm}: dw {}", error(&dw, &want_dw));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn passes_agree_with_plain_loops(shape in shapes()) {
        check(&shape);
    }
}

/// Filters packed bank by bank give the same as packed together; not the same bits, because other
/// columns are sums along a vector.
fn check_banks(s: &ConvShape, filters: &[usize]) {
    let (x, weight) = (values(s.input_len(), 1), values(s.weight_len(), 2));
    let dy = values(s.output_len(), 3);
    let mut rest = &weight[..];
    let banks: Vec<&[f32]> = filters
        .iter()
        .map(|&filters| {
            let (bank, after) = rest.split_at(filters * s.weight_len() / s.channels_out);
            rest = after;
            bank
        })
        .collect();
    let [mut y, mut together] = [dy.clone(), dy.clone()];
    let packed: Vec<_> = banks.iter().map(|bank| Arc::new(PackedWeight::bank(s, bank))).collect();
    conv::forward(s, &x, &PackedWeight::join(&packed), &mut y, &Epilogue::default());
    conv::forward(s, &x, &PackedWeight::new(s, &weight), &mut together, &Epilogue::default());
    let together: Vec<f64> = together.into_iter().map(f64::from).collect();
    assert!(error(&y, &together) < 2e-6, "{s:?} in banks of {filters:?}");
    if conv::choose(s, Pass::BackwardInput) != Algorithm::Winograd {
        return;
    }
    let [mut dx, mut together] = [x.clone(), x.clone()];
    let transposed: Vec<_> =
        banks.iter().map(|bank| Arc::new(TransposedBank::new(s, bank))).collect();
    conv::backward_input_of_banks(s, &transposed, &dy, &mut dx);
    conv::backward_input(s, &weight, &dy, &mut together);
    let together: Vec<f64> = together.into_iter().map(f64::from).collect();
    assert!(error(&dx, &together) < 2e-6, "dx of {s:?} in banks of {filters:?}");
}

#[test]
fn banks_give_the_same_as_their_filters_together() {
    let parted = [
        (square(2, 16, 64, 33), vec![1, 32]),
        (square(3, 8, 17, 68), vec![4, 64]),
        (square(1, 4, 128, 33), vec![1, 32]),
        // So large a weight is transformed while it is used.
        (square(16, 2, 512, 65), vec![1, 64]),
        (square(4, 8, 32, 66), vec![1, 1, 64]),
        (ConvShape { stride: [2; 2], ..square(2, 9, 24, 33) }, vec![1, 32]),
        (ConvShape { kernel: [1; 2], padding: [0; 2], ..square(2, 9, 24, 33) }, vec![1, 32]),
    ];
    for (shape, filters) in parted {
        assert!(banks_part_well(&shape, &filters), "{shape:?}");
        check_banks(&shape, &filters);
    }
    // One vector would be filled up, or there would be one more.
    assert!(!banks_part_well(&square(2, 16, 64, 21), &[1, 20]));
    assert!(!banks_part_well(&ConvShape { groups: 2, ..square(2, 16, 64, 34) }, &[2, 32]));
}

#[test]
#[should_panic(expected = "filters that were packed")]
fn a_weight_of_another_shape_is_refused() {
    let (shape, other) = (square(1, 4, 16, 16), square(1, 4, 16, 32));
    let packed = PackedWeight::new(&other, &values(other.weight_len(), 1));
    let mut y = vec![0.0; shape.output_len()];
    conv::forward(&shape, &values(shape.input_len(), 2), &packed, &mut y, &Epilogue::default());
}

/// A 3x3 convolution of stride 1 that keeps the size.
fn square(batch: usize, size: usize, channels_in: usize, channels_out: usize) -> ConvShape {
    ConvShape {
        batch,
        size: [size; 2],
        channels_in,
        channels_out,
        kernel: [3; 2],
        stride: [1; 2],
        padding: [1; 2],
        groups: 1,
    }
}

/// Small enough for Miri, which takes the portable vectors:
/// `MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-ignore-leaks -Zmiri-disable-isolation" cargo +nightly miri
/// test -p cobasis-kernels --features flex --test conv small`.
#[test]
fn small_shapes_agree_with_plain_loops() {
    let strided = ConvShape { stride: [2; 2], ..square(1, 5, 4, 3) };
    check(&square(1, 5, 3, 5));
    check(&square(1, 4, 9, 18));
    check(&strided);
    check(&ConvShape { kernel: [1; 2], padding: [0; 2], ..strided });
    check(&ConvShape { groups: 2, channels_out: 6, ..strided });
    check(&ConvShape { groups: 3, ..square(1, 4, 3, 6) });
}

#[test]
fn network_shapes_agree_with_plain_loops() {
    for (batch, size, inputs, outputs) in
        [(2, 16, 64, 33), (2, 8, 33, 64), (9, 4, 65, 129), (1, 7, 130, 48), (3, 5, 17, 16)]
    {
        check(&square(batch, size, inputs, outputs));
    }
    // So large a weight is transformed while it is used.
    check(&square(16, 2, 257, 130));
    let strided = ConvShape { stride: [2; 2], ..square(2, 16, 64, 65) };
    check(&strided);
    check(&ConvShape { kernel: [1; 2], padding: [0; 2], ..strided });
    check(&ConvShape { kernel: [7; 2], padding: [3; 2], size: [30; 2], channels_in: 3, ..strided });
    check(&ConvShape { groups: 32, channels_in: 128, channels_out: 128, ..strided });
}

#[test]
fn lower_instruction_sets_agree_with_plain_loops() {
    // The instruction set is chosen once in a process.
    for limit in ["avx2", "portable"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "network_shapes_agree_with_plain_loops"])
            .args(["passes_agree_with_plain_loops", "winograd_is_nearly_as_exact_as_direct"])
            .arg("banks_give_the_same_as_their_filters_together")
            .env("COBASIS_ISA", limit)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("4 passed"), "{limit}: {text}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let strided = ConvShape { stride: [2; 2], ..square(3, 15, 33, 17) };
    let shapes = [
        square(8, 16, 33, 65),
        square(1, 4, 300, 257),
        square(16, 2, 257, 130),
        strided,
        ConvShape { kernel: [1; 2], padding: [0; 2], ..strided },
        ConvShape { groups: 33, channels_out: 33, ..strided },
    ];
    for s in shapes {
        let (x, dy) = (values(s.input_len(), 1), values(s.output_len(), 3));
        let weight = values(s.weight_len(), 2);
        for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Depthwise] {
            if !conv::fits(algorithm, &s) {
                continue;
            }
            let results = [1, 2, 3].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), weight.clone());
                    let packed = PackedWeight::with(algorithm, &s, &weight);
                    conv::forward(&s, &x, &packed, &mut y, &Epilogue::default());
                    backward_input_with(algorithm, &s, &weight, &dy, &mut dx);
                    backward_filter_with(algorithm, &s, &x, &dy, &mut dw);
                    [y, dx, dw].concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
                })
            });
            assert!(results[0] == results[1] && results[0] == results[2], "{s:?} {algorithm}");
        }
    }
}

#[test]
fn winograd_is_nearly_as_exact_as_direct() {
    let s = square(2, 16, 64, 33);
    let (x, dy) = (values(s.input_len(), 1), values(s.output_len(), 3));
    let weight = values(s.weight_len(), 2);
    let mut want = [s.output_len(), s.input_len(), s.weight_len()].map(|len| vec![0.0; len]);
    products(&s, |xi, wi, yi| {
        want[0][yi] += x[xi] as f64 * weight[wi] as f64;
        want[1][xi] += dy[yi] as f64 * weight[wi] as f64;
        want[2][wi] += dy[yi] as f64 * x[xi] as f64;
    });
    let errors = [Algorithm::Direct, Algorithm::Winograd].map(|algorithm| {
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), weight.clone());
        let packed = PackedWeight::with(algorithm, &s, &weight);
        conv::forward(&s, &x, &packed, &mut y, &Epilogue::default());
        backward_input_with(algorithm, &s, &weight, &dy, &mut dx);
        backward_filter_with(algorithm, &s, &x, &dy, &mut dw);
        [(&y, &want[0]), (&dx, &want[1]), (&dw, &want[2])].map(|(got, want)| error(got, want))
    });
    println!("largest error over largest value, y dx dw: {errors:?}");
    for (direct, winograd) in errors[0].into_iter().zip(errors[1]) {
        assert!(direct < 2e-6 && winograd < 3e-6, "direct {direct}, winograd {winograd}");
    }
}
