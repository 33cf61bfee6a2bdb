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

const PLAIN: Settings = Settings { rate: 0.1, band: 0.1, attraction: 1.0 };

/// One basis, two of a stage, and one with more filters than numbers in each.
const SHAPES: [&[[usize; 4]]; 3] =
    [&[[3, 2, 2, 2]], &[[3, 2, 2, 2], [2, 2, 2, 2]], &[[4, 2, 1, 1], [3, 2, 1, 1]]];

#[test]
fn square_matrices_are_those_of_the_books() {
    for device in devices() {
        let moved = |constraint: Constraint, before: Option<[f32; 4]>, after: [f32; 4]| {
            let tensor = |values: &[f32; 4]| filters(values, [2, 2, 1, 1], &device);
            let before: Vec<_> = before.iter().map(tensor).collect();
            let moved = constraint.retract(&before, vec![tensor(&after)], &PLAIN);
            values(&moved.expect("independent rows"))
        };
        let still = Some([1.0, 0.0, 0.0, 1.0]);
        for (constraint, before, after, expected) in [
            // [[3, 0], [4, 5]] by columns, which are rows here.
            (Constraint::Qr, None, [3.0, 4.0, 0.0, 5.0], [0.6, 0.8, -0.8, 0.6]),
            (
                Constraint::Polar,
                None,
                [3.0, 0.0, 4.0, 5.0],
                [0.894_427, -0.447_214, 0.447_214, 0.894_427],
            ),
            (
                Constraint::Polar,
                None,
                [1.0, 1.0, 0.0, 1.0],
                [0.894_427, 0.447_214, -0.447_214, 0.894_427],
            ),
            // A = [[0, -1], [1, 0]] and twice that, from I to I + A, by columns.
            (Constraint::Cayley, still, [1.0, 1.0, -1.0, 1.0], [0.6, 0.8, -0.8, 0.6]),
            (Constraint::Cayley, still, [1.0, 2.0, -2.0, 1.0], [0.0, 1.0, -1.0, 0.0]),
            // What lies across the manifold has no part in it.
            (Constraint::Cayley, still, [1.5, 1.25, -0.75, 1.0], [0.6, 0.8, -0.8, 0.6]),
        ] {
            for (got, expected) in moved(constraint, before, after).into_iter().zip(expected) {
                assert!((got - expected).abs() < 1e-6, "{constraint} {after:?}: {got} {expected}");
            }
        }
    }
}

/// The slope of a function along the manifold is its gradient's tangent part: against central
/// differences along the retraction, in directions that are tangent and from weights that are not
/// in any table.
#[test]
fn the_tangent_is_the_slope_along_the_manifold() {
    let device = Device::flex();
    // Landing's field has another metric; its tests are its own.
    let all = Constraint::ALL.iter().filter(|&&constraint| constraint != Constraint::Landing);
    for &constraint in all {
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
                    f(&constraint.retract(&at, stepped, &PLAIN).expect("independent rows"))
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
            let joint = Joint::of(&at).expect("shapes");
            let is_tangent = |direction: &[Tensor<4>]| {
                let [x, v] = [&at[..], direction].map(|all| joint.matrix(all).expect("shapes"));
                let products = v.matmul(x.transpose());
                let symmetric = products.clone() + products.transpose();
                symmetric.abs().max().into_scalar::<f64>() < 1e-12
            };
            for &constraint in Constraint::ALL {
                let given = random(shapes, 40, &device);
                let once = constraint.tangent(&at, given.clone()).expect("shapes");
                assert_eq!(is_tangent(&once), constraint != Constraint::Band, "{constraint}");
                // In the middle of the band all directions are open, and of none of no width.
                let settings = Settings { band: 0.0, ..PLAIN };
                let taken = constraint.transport(&at, given, &settings).expect("shapes");
                assert!(is_tangent(&taken), "{constraint}");
                let again = constraint.transport(&at, taken.clone(), &settings).expect("shapes");
                let differences = values(&taken).into_iter().zip(values(&again));
                assert!(differences.into_iter().all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }
}

/// A step along the tangent gets nowhere that retraction can't come back from, and to first order
/// retraction leaves it as it is.
#[test]
fn retraction_is_the_identity_to_first_order() {
    let device = Device::flex();
    // Landing does not move back, and in the band there is nothing to be moved.
    for constraint in [Constraint::Qr, Constraint::Polar, Constraint::Cayley] {
        for (shapes, key) in SHAPES.into_iter().zip([5, 6, 7]) {
            let at = bases(shapes, key, &device);
            let direction = constraint.tangent(&at, random(shapes, 8, &device)).expect("shapes");
            let error = |step: f64| {
                let moved: Vec<_> =
                    at.iter().zip(&direction).map(|(x, v)| x.clone() + v.clone() * step).collect();
                let back = constraint.retract(&at, moved.clone(), &PLAIN).expect("independent");
                let differences = values(&moved).into_iter().zip(values(&back));
                differences.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            let ratio = error(1e-3) / error(5e-4);
            assert!((ratio - 4.0).abs() < 0.05, "{constraint}: {ratio}");
        }
    }
}

/// How far filters are from where a constraint keeps them.
fn off(constraint: Constraint, bases: &[Tensor<4>], settings: &Settings) -> f64 {
    let joint = Joint::of(bases).expect("shapes");
    let rows = joint.matrix(bases).expect("shapes");
    let [count, length] = rows.dims();
    let rows = rows.reshape([count, length, 1, 1]);
    match constraint {
        Constraint::Band => {
            let report = crate::Orthonormality::of(rows);
            let ends = [report.min_singular_value, report.max_singular_value];
            ends.map(|value| (value - 1.0).abs() - settings.band).into_iter().fold(0.0, f64::max)
        }
        // Landing's steps keep this distance.
        Constraint::Landing => (crate::Orthonormality::of(rows).frobenius - 0.5).max(0.0),
        _ => Gram::of(rows).max_deviation(),
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
                at = constraint.retract(&at, stepped, &PLAIN).expect("independent rows");
                momentum = Some(constraint.transport(&at, velocity, &PLAIN).expect("shapes"));
                let off = off(constraint, &at, &PLAIN);
                assert!(off <= 1e-5, "{constraint} {shapes:?}: {off} after step {step}");
            }
            if !constraint.is_exact() {
                at = constraint.retract(&[], at, &PLAIN).expect("independent rows");
                let off = off(Constraint::Polar, &at, &PLAIN);
                assert!(off <= 1e-5, "{constraint} {shapes:?}: {off} in the end");
            }
        }
    }
}

#[test]
fn two_bases_become_orthonormal_to_one_another() {
    for device in devices() {
        let shapes = [[3, 2, 2, 2], [2, 2, 2, 2]];
        let settings = Settings { band: 0.0, ..PLAIN };
        for &constraint in Constraint::ALL {
            let retracted = |bases| constraint.retract(&[], bases, &settings).expect("rows");
            let moved = retracted(random(&shapes, 1, &device));
            assert_eq!([moved[0].dims(), moved[1].dims()], shapes);
            assert!(deviation(&moved) < 1e-12, "{constraint}: {}", deviation(&moved));
            let apart = random(&shapes, 1, &device).into_iter();
            let apart: Vec<_> = apart.flat_map(|basis| retracted(vec![basis])).collect();
            assert!(deviation(&apart) > 0.01, "{constraint}");
        }
    }
}

#[test]
fn the_same_step_gives_the_same_bits_on_every_device() {
    let shapes = [[5, 3, 3, 3], [4, 3, 3, 3]];
    for &constraint in Constraint::ALL {
        let moved = |device: &Device| {
            let single = |key| -> Vec<Tensor<4>> {
                let tensors = random(&shapes, key, device).into_iter();
                tensors.map(|tensor| tensor.cast(DType::F32)).collect()
            };
            let first = constraint.retract(&[], single(3), &PLAIN).expect("rows");
            let second = constraint.retract(&first, single(5), &PLAIN).expect("rows");
            [values(&first), values(&second)]
        };
        let [flex, ndarray] = devices().map(|device| moved(&device));
        assert_eq!(flex, ndarray, "{constraint}");
        assert_eq!(flex, moved(&Device::flex()), "{constraint}");
    }
}

#[test]
fn what_can_not_be_kept_is_refused() {
    let device = Device::flex();
    let one = |values: &[f32], shape| filters(values, shape, &device);
    for &constraint in Constraint::ALL {
        let retract = |after| constraint.retract(&[], after, &PLAIN).expect_err("refused");
        assert_eq!(retract(Vec::new()), ConstraintError::NoFilters);
        let dependent = one(&[1.0, 2.0, 2.0, 4.0], [2, 2, 1, 1]);
        assert_eq!(retract(vec![dependent]), ConstraintError::Dependent { index: 1, count: 2 });
        let random: Vec<f32> = normal(40, 4).into_iter().map(|value| value as f32).collect();
        let twice = one(&[&random[..], &random[..20]].concat(), [3, 20, 1, 1]);
        assert_eq!(retract(vec![twice]), ConstraintError::Dependent { index: 2, count: 3 });
        let zero = one(&[0.0, 0.0], [1, 2, 1, 1]);
        assert_eq!(retract(vec![zero]), ConstraintError::Dependent { index: 0, count: 1 });
        for wrong in [f32::NAN, f32::INFINITY] {
            let refused = retract(vec![one(&[1.0, wrong], [1, 2, 1, 1])]);
            assert_eq!(refused, ConstraintError::NotFinite);
        }
    }
    let retract = |after| Constraint::Qr.retract(&[], after, &PLAIN).expect_err("refused");
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
