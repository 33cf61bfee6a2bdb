use super::*;
use crate::testing::{devices, filters};
use burn::tensor::Device;

/// The penalty of one stage with one basis, and the gradient of the basis.
fn on(
    formula: &dyn Formula,
    values: &[f32],
    shape: [usize; 4],
    device: &Device,
) -> (f32, Vec<f32>) {
    let basis = filters(values, shape, &device.clone().autodiff()).require_grad();
    let family = vec![FilterGroup::shared([basis.clone()])];
    let penalty = formula.of_family(&family, Counted::Shared, 0).expect("there is a basis");
    let gradient = basis.grad(&penalty.backward()).expect("the basis takes part");
    let gradient = gradient.into_data().try_to_vec::<f32>().expect("f32 data");
    (penalty.into_scalar::<f32>(), gradient)
}

/// The same on all devices.
fn value_and_gradient(formula: Penalty, values: &[f32], shape: [usize; 4]) -> (f32, Vec<f32>) {
    let [first, second] = devices().map(|device| on(formula.method(), values, shape, &device));
    let both = first.1.iter().zip(&second.1).chain([(&first.0, &second.0)]);
    for (a, b) in both {
        assert!((a - b).abs() <= 2e-6 * a.abs().max(1.0), "{formula}: {a} {b}");
    }
    first
}

#[test]
fn values_are_those_computed_by_hand() {
    let (wide, square) = ([2.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]);
    // The first matrix lying on its side.
    let tall = [2.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let root = f32::sqrt;
    for (formula, of_wide, of_square, of_tall) in [
        (Penalty::Mean, 2.25, 0.75, (9.0 + 1.0) / 9.0),
        (Penalty::So, 9.0, 3.0, 9.0),
        (Penalty::Dso, 19.0, 6.0, 19.0),
        (Penalty::Mc, 3.0, 1.0, 3.0),
        (Penalty::McRows, 3.0, 2.0, 3.0),
        (Penalty::OcnnColumns, 3.0, root(3.0), 3.0),
        // Without shifts, the rows by themselves.
        (Penalty::OcnnRows, 3.0, root(3.0), root(10.0)),
    ] {
        let value = |values: &[f32], [rows, columns]: [usize; 2]| {
            value_and_gradient(formula, values, [rows, columns, 1, 1]).0
        };
        let near = |got: f32, expected: f32| (got - expected).abs() < 1e-6;
        assert!(near(value(&wide, [2, 3]), of_wide), "{formula}");
        assert!(near(value(&square, [2, 2]), of_square), "{formula}");
        assert!(near(value(&tall, [3, 2]), of_tall), "{formula}");
    }
    // The golden ratio squared, after enough steps.
    let exact = Srip { steps: 100 };
    for device in devices() {
        let value = |values, rows, columns| on(&exact, values, [rows, columns, 1, 1], &device).0;
        let golden = 0.5 * (1.0 + root(5.0));
        assert!((value(&square, 2, 2) - golden * golden).abs() < 1e-5);
        assert!((value(&wide, 2, 3) - 9.0).abs() < 1e-5);
        assert!((value(&tall, 3, 2) - 9.0).abs() < 1e-5);
    }
}

#[test]
fn convolutions_have_the_values_computed_by_hand() {
    let value = |values: &[f32], shape| value_and_gradient(Penalty::OcnnRows, values, shape);
    // A mean over 3×3: the products at 25 shifts less the one in place are 280/81 squared.
    let mean = value(&[1.0 / 3.0; 9], [1, 1, 3, 3]).0;
    assert!((mean - 1.859_245).abs() < 1e-6, "{mean}");
    // One pixel of nine: orthogonal at every shift, and the slope is 0 there, not undefined.
    let pixel = |place: usize| (0..9).map(|i| f32::from(u8::from(i == place))).collect::<Vec<_>>();
    for place in [0, 4] {
        let (delta, slope) = value(&pixel(place), [1, 1, 3, 3]);
        assert!(delta < 1e-6 && slope.iter().all(|&slope| slope == 0.0), "{delta} {slope:?}");
    }
    // Two filters that are each other's shift: orthonormal as rows, and not as a convolution.
    let two = [pixel(0), pixel(4)].concat();
    assert!((value(&two, [2, 1, 3, 3]).0 - 2f32.sqrt()).abs() < 1e-6);
    assert_eq!(value_and_gradient(Penalty::So, &two, [2, 1, 3, 3]).0, 0.0);
}

/// Against the convolution of a kernel with itself, which is padded by what shifts it takes.
#[test]
fn products_at_all_shifts_are_a_convolution_of_the_kernel_with_itself() {
    use burn::tensor::{module::conv2d, ops::ConvOptions};
    for (shape, key) in [([3, 2, 3, 3], 1), ([2, 3, 2, 3], 2), ([4, 5, 1, 1], 3)] {
        let [count, channels, height, width] = shape;
        let values: Vec<f32> = crate::orthonormal_seeded(count, channels * height * width, key)
            .iter()
            .enumerate()
            .map(|(i, value)| (value * (1.0 + 0.1 * i as f64)) as f32)
            .collect();
        let (got, _) = value_and_gradient(Penalty::OcnnRows, &values, shape);
        let kernel = filters(&values, shape, &Device::flex());
        let padding = [height - 1, width - 1];
        let options = ConvOptions::new([1, 1], padding, [1, 1], 1);
        let all = conv2d(kernel.clone(), kernel, None, options);
        let [_, _, rows, columns] = all.dims();
        let all: Vec<f64> = all.into_data().iter::<f64>().collect();
        let centre = (rows / 2) * columns + columns / 2;
        let sum = all.iter().enumerate().map(|(i, value)| {
            let (pair, pixel) = (i / (rows * columns), i % (rows * columns));
            let is_one = pair / count == pair % count && pixel == centre;
            (value - f64::from(u8::from(is_one))).powi(2)
        });
        let expected = sum.sum::<f64>().sqrt();
        assert!((f64::from(got) - expected).abs() < 1e-5, "{shape:?}: {got} {expected}");
    }
}

#[test]
fn gradients_are_those_computed_by_hand() {
    let gradient = |formula| value_and_gradient(formula, &[1.0, 1.0, 0.0, 1.0], [2, 2, 1, 1]).1;
    assert_eq!(gradient(Penalty::So), [4.0, 8.0, 4.0, 4.0]);
    assert_eq!(gradient(Penalty::Mean), [1.0, 2.0, 1.0, 1.0]);
    // That of the columns is 4 B (Bᵀ B − I) = 4 [[1, 2], [1, 1]] here.
    assert_eq!(gradient(Penalty::Dso), [8.0, 16.0, 8.0, 8.0]);
    // D = [[1, 1], [1, 0]]: the first entry is the first of the largest, and its slope 2 b₀.
    assert_eq!(gradient(Penalty::Mc), [2.0, 2.0, 0.0, 0.0]);
    // Of the first row's sum: 2 b₀ + b₁, and b₀.
    assert_eq!(gradient(Penalty::McRows), [2.0, 3.0, 1.0, 1.0]);
    // Half of soft orthogonality's over the root of 3.
    let root = 3f32.sqrt();
    for formula in [Penalty::OcnnColumns, Penalty::OcnnRows] {
        for (got, expected) in gradient(formula).into_iter().zip([2.0, 4.0, 2.0, 2.0]) {
            assert!((got - expected / root).abs() < 1e-6, "{formula}: {got}");
        }
    }
}

/// Against central differences, at points that are in no table.
#[test]
fn gradients_are_the_slopes() {
    for shape in [[3, 5, 1, 1], [5, 3, 1, 1], [3, 2, 3, 2]] {
        let length = shape[1] * shape[2] * shape[3];
        let values = crate::orthonormal_seeded(shape[0], length, 7);
        let values: Vec<f32> = values
            .iter()
            .enumerate()
            .map(|(i, v)| (v * 1.2 + 0.1 * (i % 3) as f64) as f32)
            .collect();
        // What is a number to SRIP's gradient is none to its value before the steps have arrived.
        let exact = Srip { steps: 200 };
        let method = |formula: Penalty| match formula {
            Penalty::Srip => &exact as &dyn Formula,
            other => other.method(),
        };
        for (&formula, device) in
            Penalty::ALL.iter().flat_map(|formula| devices().map(|device| (formula, device)))
        {
            let of = |values: &[f32]| on(method(formula), values, shape, &device);
            let (_, gradient) = of(&values);
            // Where something is the largest of several, the slope jumps here and there or bends.
            let step = match formula {
                Penalty::Mc | Penalty::McRows | Penalty::Srip => 1e-3,
                _ => 1e-2,
            };
            for (i, gradient) in gradient.into_iter().enumerate() {
                let at = |step: f32| {
                    let mut moved = values.clone();
                    moved[i] += step;
                    of(&moved).0
                };
                let slope = (at(step) - at(-step)) / (2.0 * step);
                let close = (slope - gradient).abs() < 2e-3 * gradient.abs().max(1.0);
                assert!(close, "{formula} {shape:?}: {slope} {gradient}");
            }
        }
    }
}

#[test]
fn names_parse_back_and_others_are_refused() {
    for &formula in Penalty::ALL {
        assert_eq!(formula.to_string().parse(), Ok(formula));
    }
    let refused = "sso".parse::<Penalty>().expect_err("no such formula");
    assert_eq!(
        refused.to_string(),
        "expected mean | so | dso | mc | mc-rows | srip | ocnn-rows | ocnn-columns, got \"sso\""
    );
}

#[test]
fn with_unique_filters_every_layer_is_a_matrix_of_its_own() {
    for device in devices() {
        let one = |values: &[f32]| filters(values, [1, 2, 1, 1], &device);
        let unique = vec![one(&[0.6, 0.8]), one(&[0.0, 2.0])];
        let families = [vec![FilterGroup { shared: vec![one(&[1.0, 0.0])], unique }]];
        let of = |counted| -> f32 {
            let penalty = Penalty::So.of(&families, counted, 0);
            penalty.expect("there are shared filters").into_scalar()
        };
        assert_eq!(of(Counted::Shared), 0.0);
        // [[1, .6], [.6, 1]] and [[1, 0], [0, 4]], less the identity.
        let expected = 2.0 * 0.36 + 9.0;
        assert!((of(Counted::SharedAndUnique) - expected).abs() < 1e-6);
    }
}
#[test]
fn two_bases_of_a_stage_are_one_matrix() {
    for device in devices() {
        let a = filters(&[1.0, 0.0], [1, 2, 1, 1], &device);
        let b = filters(&[0.6, 0.8], [1, 2, 1, 1], &device);
        let families = [vec![FilterGroup::shared([a, b])]];
        // D = [[0, .6], [.6, 0]].
        for (formula, expected) in [
            (Penalty::Mc, 0.6),
            (Penalty::McRows, 0.6),
            (Penalty::Srip, 0.36),
            (Penalty::OcnnRows, 0.6 * 2f32.sqrt()),
            (Penalty::OcnnColumns, 0.6 * 2f32.sqrt()),
        ] {
            let got = formula.of(&families, Counted::Shared, 5).expect("there are bases");
            let got = got.into_scalar::<f32>();
            assert!((got - expected).abs() < 1e-6, "{formula}: {got}");
        }
    }
}
