use super::*;
use crate::gram_schmidt::dot;
use crate::random::Normal;
use crate::testing::{devices, filters};
use crate::{Gram, orthonormal_seeded};
use burn::tensor::{DType, Device, TensorData};

/// Filters in `f64`, for differences.
fn exact(values: Vec<f64>, shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F64))
}

fn normal(count: usize, key: u64) -> Vec<f64> {
    let mut normal = Normal::new(key);
    (0..count).map(|_| normal.next()).collect()
}

fn values(tensors: &[Tensor<4>]) -> Vec<f64> {
    tensors.iter().flat_map(|tensor| tensor.to_data().iter::<f64>().collect::<Vec<_>>()).collect()
}

fn deviation(tensors: &[Tensor<4>]) -> f64 {
    Gram::of(Tensor::cat(tensors.to_vec(), 0)).max_deviation()
}

/// Jointly orthonormal bases of these shapes.
fn bases(shapes: &[[usize; 4]], key: u64, device: &Device) -> Vec<Tensor<4>> {
    let length = shapes[0][1..].iter().product();
    let filters: usize = shapes.iter().map(|shape| shape[0]).sum();
    let all = exact(orthonormal_seeded(filters, length, key), [filters, length, 1, 1], device);
    let joint = Joint::of(&random(shapes, key, device)).expect("shapes");
    let rows = crate::rows::rows(all);
    joint.split(if joint.tall { rows.transpose() } else { rows })
}

fn random(shapes: &[[usize; 4]], key: u64, device: &Device) -> Vec<Tensor<4>> {
    let tensor = |(i, &shape): (usize, &[usize; 4])| {
        exact(normal(shape.iter().product(), key + i as u64), shape, device)
    };
    shapes.iter().enumerate().map(tensor).collect()
}

/// One basis, two of a stage, and one with more filters than numbers in each.
const SHAPES: [&[[usize; 4]]; 3] =
    [&[[3, 2, 2, 2]], &[[3, 2, 2, 2], [2, 2, 2, 2]], &[[4, 2, 1, 1], [3, 2, 1, 1]]];

#[test]
fn a_qr_is_that_of_the_books() {
    for device in devices() {
        // [[3, 0], [4, 5]] by columns, which are rows here.
        let rows = filters(&[3.0, 4.0, 0.0, 5.0], [2, 2, 1, 1], &device);
        let moved = Constraint::Qr.retract(&[], vec![rows]).expect("independent rows");
        for (got, expected) in values(&moved).into_iter().zip([0.6, 0.8, -0.8, 0.6]) {
            assert!((got - expected).abs() < 1e-7, "{got} {expected}");
        }
    }
}

/// The slope of a function along the manifold is its gradient's tangent part: against central
/// differences along the retraction, in directions that are tangent and from weights that are not
/// in any table.
#[test]
fn the_tangent_is_the_slope_along_the_manifold() {
    let device = Device::flex();
    for &constraint in Constraint::ALL {
        for (shapes, key) in SHAPES.into_iter().zip([10, 20, 30]) {
            let at = bases(shapes, key, &device);
            // f(X) = ½ Σ c x², whose gradient is c x.
            let weights = random(shapes, key + 4, &device);
            let f = |moved: &[Tensor<4>]| {
                let terms = moved.iter().zip(&weights);
                let terms = terms.map(|(x, c)| (x.clone().square() * c.clone()).sum());
                0.5 * terms.map(|term| term.into_scalar::<f64>()).sum::<f64>()
            };
            let gradients = at.iter().zip(&weights).map(|(x, c)| x.clone() * c.clone()).collect();
            let tangent = values(&constraint.tangent(&at, gradients).expect("shapes"));
            for direction in 0..4 {
                let direction = random(shapes, key + 100 + 10 * direction, &device);
                let direction = constraint.tangent(&at, direction).expect("shapes");
                let moved = |step: f64| {
                    let stepped = at.iter().zip(&direction);
                    let stepped = stepped.map(|(x, v)| x.clone() + v.clone() * step).collect();
                    f(&constraint.retract(&at, stepped).expect("independent rows"))
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let expected = dot(&tangent, &values(&direction));
                assert!((slope - expected).abs() < 1e-8, "{constraint}: {slope} {expected}");
            }
        }
    }
}

#[test]
fn a_tangent_changes_no_inner_products_and_is_its_own_tangent() {
    for device in devices() {
        for (shapes, key) in SHAPES.into_iter().zip([1, 2, 3]) {
            let at = bases(shapes, key, &device);
            let constraint = Constraint::Qr;
            let once = constraint.tangent(&at, random(shapes, 40, &device)).expect("shapes");
            let twice = constraint.tangent(&at, once.clone()).expect("shapes");
            let taken = constraint.transport(&at, once.clone()).expect("shapes");
            for (once, (twice, taken)) in
                values(&once).into_iter().zip(values(&twice).into_iter().zip(values(&taken)))
            {
                assert!((once - twice).abs() < 1e-12 && (once - taken).abs() < 1e-12);
            }
            let joint = Joint::of(&at).expect("shapes");
            let [x, v] = [&at, &once].map(|tensors| joint.matrix(tensors).expect("shapes"));
            let products = v.matmul(x.transpose());
            let symmetric = products.clone() + products.transpose();
            assert!(symmetric.abs().max().into_scalar::<f64>() < 1e-12);
        }
    }
}

/// A step along the tangent gets nowhere that retraction can't come back from, and to first order
/// retraction leaves it as it is.
#[test]
fn retraction_is_the_identity_to_first_order() {
    let device = Device::flex();
    for (shapes, key) in SHAPES.into_iter().zip([5, 6, 7]) {
        let at = bases(shapes, key, &device);
        let direction = Constraint::Qr.tangent(&at, random(shapes, 8, &device)).expect("shapes");
        let error = |step: f64| {
            let moved: Vec<_> =
                at.iter().zip(&direction).map(|(x, v)| x.clone() + v.clone() * step).collect();
            let back = Constraint::Qr.retract(&at, moved.clone()).expect("independent rows");
            let differences = values(&moved).into_iter().zip(values(&back));
            differences.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let ratio = error(1e-3) / error(5e-4);
        assert!((ratio - 4.0).abs() < 0.05, "{ratio}");
    }
}

/// SGD with momentum and weight decay, 200 steps at a large rate, in the precision of training.
#[test]
fn random_steps_with_momentum_stay_orthonormal() {
    let shapes: [&[[usize; 4]]; 3] =
        [&[[16, 8, 3, 3]], &[[16, 8, 3, 3], [16, 8, 3, 3]], &[[12, 8, 1, 1]]];
    for device in devices() {
        for (&constraint, shapes) in
            Constraint::ALL.iter().flat_map(|constraint| shapes.map(|shapes| (constraint, shapes)))
        {
            let single = |tensors: Vec<Tensor<4>>| -> Vec<Tensor<4>> {
                tensors.into_iter().map(|tensor| tensor.cast(DType::F32)).collect()
            };
            let mut at = single(bases(shapes, 9, &device));
            let mut momentum: Option<Vec<Tensor<4>>> = None;
            for step in 0..200 {
                let gradients = single(random(shapes, 1000 + 10 * step, &device));
                let gradients = constraint.tangent(&at, gradients).expect("shapes");
                let velocity: Vec<_> = match momentum.take() {
                    Some(before) => {
                        let both = before.into_iter().zip(gradients);
                        both.map(|(before, gradient)| before * 0.9 + gradient).collect()
                    }
                    None => gradients,
                };
                let decayed = velocity.iter().zip(&at).map(|(v, x)| v.clone() + x.clone() * 5e-4);
                let stepped = at.iter().zip(decayed).map(|(x, v)| x.clone() - v * 0.1).collect();
                at = constraint.retract(&at, stepped).expect("independent rows");
                momentum = Some(constraint.transport(&at, velocity).expect("shapes"));
                let joint = Tensor::cat(at.clone(), 0);
                let [filters, channels, height, width] = joint.dims();
                let off = match filters <= channels * height * width {
                    true => Gram::of(joint).max_deviation(),
                    false => {
                        let columns = joint.reshape([filters, channels]).transpose();
                        Gram::of(columns.reshape([channels, filters, 1, 1])).max_deviation()
                    }
                };
                assert!(off <= 1e-5, "{constraint} {shapes:?}: {off} after step {step}");
            }
        }
    }
}

#[test]
fn two_bases_become_orthonormal_to_one_another() {
    for device in devices() {
        let shapes = [[3, 2, 2, 2], [2, 2, 2, 2]];
        let moved = Constraint::Qr.retract(&[], random(&shapes, 1, &device)).expect("rows");
        assert_eq!([moved[0].dims(), moved[1].dims()], shapes);
        assert!(deviation(&moved) < 1e-14);
        let apart = random(&shapes, 1, &device).into_iter();
        let apart: Vec<_> = apart
            .flat_map(|basis| Constraint::Qr.retract(&[], vec![basis]).expect("rows"))
            .collect();
        assert!(deviation(&apart) > 0.01);
    }
}

#[test]
fn the_same_step_gives_the_same_bits_on_every_device() {
    let shapes = [[5, 3, 3, 3], [4, 3, 3, 3]];
    let retracted = |device: &Device| {
        let single = random(&shapes, 3, device).into_iter().map(|tensor| tensor.cast(DType::F32));
        values(&Constraint::Qr.retract(&[], single.collect()).expect("rows"))
    };
    let [flex, ndarray] = devices().map(|device| retracted(&device));
    assert_eq!(flex, ndarray);
    assert_eq!(flex, retracted(&Device::flex()));
}

#[test]
fn what_can_not_be_kept_is_refused() {
    let device = Device::flex();
    let one = |values: &[f32], shape| filters(values, shape, &device);
    let retract = |after| Constraint::Qr.retract(&[], after).expect_err("refused");
    assert_eq!(retract(Vec::new()), ConstraintError::NoFilters);
    let dependent = one(&[1.0, 2.0, 2.0, 4.0], [2, 2, 1, 1]);
    assert_eq!(retract(vec![dependent]), ConstraintError::Dependent { index: 1, count: 2 });
    let zero = one(&[0.0, 0.0], [1, 2, 1, 1]);
    assert_eq!(retract(vec![zero]), ConstraintError::Dependent { index: 0, count: 1 });
    for wrong in [f32::NAN, f32::INFINITY] {
        let refused = retract(vec![one(&[1.0, wrong], [1, 2, 1, 1])]);
        assert_eq!(refused, ConstraintError::NotFinite);
    }
    let (small, large) = (one(&[1.0, 0.0], [1, 2, 1, 1]), one(&[1.0, 0.0, 0.0], [1, 3, 1, 1]));
    assert_eq!(
        retract(vec![small.clone(), large.clone()]).to_string(),
        "expected jointly constrained filters of 2 numbers each, got shape [1, 3, 1, 1]"
    );
    let tangent = |gradients| Constraint::Qr.tangent(std::slice::from_ref(&small), gradients);
    let shape = ConstraintError::Shape { expected: [1, 2, 1, 1], got: [1, 3, 1, 1] };
    assert_eq!(tangent(vec![large]).expect_err("refused"), shape);
    let count = ConstraintError::Count { expected: 1, got: 0 };
    assert_eq!(tangent(Vec::new()).expect_err("refused"), count);
}
