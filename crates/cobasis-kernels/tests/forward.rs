//! Forward passes into larger maps, after affine maps, and by teams, against plain ones.

use cobasis_kernels::Team;
use cobasis_kernels::conv::{
    self, Activation, Before, ConvShape, Epilogue, Expansion, PackedWeight, Residual, Room,
    forward_after, forward_expanded, forward_into, takes_expansion,
};

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

fn square(batch: usize, size: usize, kernel: usize, channels: [usize; 2]) -> ConvShape {
    ConvShape {
        batch,
        size: [size, size + 3],
        channels_in: channels[0],
        channels_out: channels[1],
        kernel: [kernel; 2],
        stride: [1; 2],
        padding: [kernel / 2; 2],
        groups: 1,
    }
}

/// Direct ones, Winograd's in both forms, depthwise ones, with and without groups and strides.
fn shapes() -> Vec<ConvShape> {
    vec![
        square(1, 4, 1, [64, 40]),
        square(3, 15, 1, [20, 33]),
        square(2, 9, 3, [3, 16]),
        square(2, 16, 3, [32, 33]),
        square(1, 7, 3, [512, 129]),
        ConvShape { stride: [2, 2], ..square(2, 9, 3, [24, 24]) },
        ConvShape { groups: 4, ..square(2, 9, 3, [24, 16]) },
        ConvShape { groups: 24, ..square(2, 9, 3, [24, 24]) },
    ]
}

fn error(got: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(1e-3, |most: f32, value| most.max(value.abs()));
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    differences.fold(0.0, f32::max) / largest
}

#[test]
fn outputs_lie_among_other_channels_and_depend_on_no_team() {
    for shape in shapes() {
        let (x, weight) = (values(shape.input_len(), 1), values(shape.weight_len(), 2));
        let (numbers, added) = (values(shape.channels_out, 3), values(shape.output_len(), 4));
        let epilogue = Epilogue {
            scale: Some(&numbers),
            bias: Some(&numbers),
            residual: Residual::Values(&added),
            activation: Activation::Relu,
        };
        let weight = PackedWeight::new(&shape, &weight);
        let mut expected = vec![0.0; shape.output_len()];
        conv::forward(&shape, &x, &weight, &mut expected, &epilogue);
        for threads in [1, 2, 5] {
            let mut team = Team::new(threads);
            team.reserve([Room::of(&shape, &weight)].into_iter());
            let mut y = vec![0.0; shape.output_len()];
            team.run(|| conv::forward(&shape, &x, &weight, &mut y, &epilogue));
            assert!(error(&y, &expected) < 1e-6, "{shape:?} on {threads}");
            // Added to what is there.
            y.copy_from_slice(&added);
            let onto = Epilogue { residual: Residual::Output, ..epilogue };
            team.run(|| conv::forward(&shape, &x, &weight, &mut y, &onto));
            assert!(error(&y, &expected) < 1e-6, "{shape:?} on {threads}, added");
            // Two channels before, three after.
            let (filters, pixel) = (shape.channels_out, shape.channels_out + 5);
            let pixels = shape.output_len() / filters;
            let mut larger = vec![7.0; pixels * pixel];
            let mut residual = vec![7.0; pixels * pixel];
            for (to, from) in residual.chunks_exact_mut(pixel).zip(added.chunks_exact(filters)) {
                to[2..2 + filters].copy_from_slice(from);
            }
            let epilogue = Epilogue { residual: Residual::Values(&residual[2..]), ..epilogue };
            let to = &mut larger[2..];
            team.run(|| forward_into(&shape, &x, &weight, (to, pixel), &epilogue));
            for (got, expected) in larger.chunks_exact(pixel).zip(expected.chunks_exact(filters)) {
                assert!(error(&got[2..2 + filters], expected) < 1e-4, "{shape:?} on {threads}");
                let around = got[..2].iter().chain(&got[2 + filters..]);
                assert!(around.into_iter().all(|&number| number == 7.0), "{shape:?}");
            }
        }
    }
}

#[test]
fn what_comes_before_is_done_on_the_way() {
    for shape in [
        square(1, 1, 1, [7, 5]),
        square(3, 15, 1, [20, 33]),
        square(2, 4, 1, [200, 64]),
        square(1, 30, 1, [16, 3]),
    ] {
        assert!(conv::takes_before(&shape));
        let channels = shape.channels_in;
        let pixel = channels + 3;
        let pixels = shape.input_len() / channels;
        let x = values(pixels * pixel, 1);
        let (scale, shift) = (values(channels, 5), values(channels, 6));
        for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
            let made: Vec<f32> = x
                .chunks_exact(pixel)
                .flat_map(|x| x[2..2 + channels].iter().zip(&scale).zip(&shift))
                .map(|((x, scale), shift)| {
                    let value = 4.0 * x * scale + shift;
                    match activation {
                        Activation::None => value,
                        Activation::Relu => value.max(0.0),
                        Activation::Relu6 => value.clamp(0.0, 6.0),
                    }
                })
                .collect();
            let scale: Vec<f32> = scale.iter().map(|scale| 4.0 * scale).collect();
            let weight = PackedWeight::new(&shape, &values(shape.weight_len(), 2));
            let [mut expected, mut got] = [(); 2].map(|()| vec![0.0; shape.output_len()]);
            conv::forward(&shape, &made, &weight, &mut expected, &Epilogue::default());
            let before = Before { scale: &scale, shift: &shift, activation };
            for threads in [1, 3] {
                let mut team = Team::new(threads);
                let to = (&mut got[..], shape.channels_out);
                team.run(|| {
                    let x = (&x[2..], pixel);
                    forward_after(&shape, x, before, &weight, to, &Epilogue::default());
                });
                assert!(error(&got, &expected) < 1e-6, "{shape:?} {activation:?} on {threads}");
            }
        }
    }
    assert!(!conv::takes_before(&square(1, 4, 3, [8, 8])));
    assert!(!conv::takes_before(&square(1, 4, 1, [1, 1])));
}

#[test]
fn depthwise_convolutions_are_computed_with_the_ones_before_them() {
    // Blocks of two vectors, of one, of a few channels; images of several strips; odd sizes and strides.
    let cases = [
        (1, 7, [5, 960], 1, 1),
        (2, 9, [24, 145], 1, 1),
        (2, 12, [16, 99], 2, 1),
        (1, 112, [3, 40], 2, 1),
        (1, 90, [3, 33], 1, 0),
        (3, 4, [40, 17], 2, 2),
        (1, 1, [8, 20], 1, 1),
    ];
    for (batch, size, [channels_in, channels], stride, padding) in cases {
        let first = square(batch, size, 1, [channels_in, channels]);
        let second = ConvShape {
            stride: [stride; 2],
            padding: [padding; 2],
            groups: channels,
            ..square(batch, size, 3, [channels; 2])
        };
        assert!(takes_expansion(&first, &second));
        let x = values(first.input_len(), 1);
        let weights = [&first, &second].map(|shape| {
            PackedWeight::new(shape, &values(shape.weight_len(), shape.kernel[0] as u64))
        });
        let numbers = values(channels, 3);
        let between =
            Epilogue { bias: Some(&numbers), activation: Activation::Relu6, ..Epilogue::default() };
        let residual = values(second.output_len(), 4);
        let last = Epilogue {
            scale: Some(&numbers),
            bias: Some(&numbers),
            residual: Residual::Values(&residual),
            activation: Activation::Relu,
        };
        let mut middle = vec![0.0; first.output_len()];
        conv::forward(&first, &x, &weights[0], &mut middle, &between);
        let mut expected = vec![0.0; second.output_len()];
        conv::forward(&second, &middle, &weights[1], &mut expected, &last);
        let expansion = Expansion { shape: &first, weight: &weights[0], epilogue: between };
        for threads in [1, 3] {
            let mut team = Team::new(threads);
            team.reserve([Room::of_expanded(&second)].into_iter());
            let mut y = vec![0.0; second.output_len()];
            team.run(|| {
                let y = (&mut y[..], channels);
                forward_expanded(&x, &expansion, &second, &weights[1], y, &last);
            });
            assert!(error(&y, &expected) < 1e-6, "{second:?} on {threads}");
        }
    }
    let first = square(1, 8, 1, [8, 16]);
    let second = ConvShape { groups: 16, ..square(1, 8, 5, [16; 2]) };
    assert!(!takes_expansion(&first, &second));
    assert!(!takes_expansion(&first, &ConvShape { groups: 8, ..square(1, 8, 3, [16; 2]) }));
}

#[test]
fn weights_come_out_as_they_were_packed() {
    let mut kept = 0;
    for shape in shapes().into_iter().chain([
        ConvShape { groups: 8, ..square(1, 9, 3, [32, 32]) },
        ConvShape { groups: 4, ..square(1, 9, 3, [32, 16]) },
        square(8, 16, 3, [256, 255]),
        square(16, 4, 3, [256, 131]),
    ]) {
        let weight = values(shape.weight_len(), 2);
        let packed = PackedWeight::new(&shape, &weight);
        assert_eq!(packed.unpack().is_some(), packed.holds_weight());
        if let Some(unpacked) = packed.unpack() {
            assert!(unpacked == weight, "{shape:?}");
            kept += 1;
        }
    }
    // All but the transformed ones and the depthwise one.
    assert_eq!(kept, 9);
}
