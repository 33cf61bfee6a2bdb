use super::layer::subtract_product;
use super::metric::Metric;
use super::shared::right_singular;
use super::*;
use crate::cholesky::Cholesky;
use crate::gram::Gram;
use crate::gram_schmidt::{dot, transpose};
use crate::random::Normal;

fn random(count: usize, key: u64) -> Vec<f64> {
    let mut draw = Normal::new(key);
    (0..count).map(|_| draw.next()).collect()
}

fn layers(counts: &[usize], length: usize) -> Vec<DenseFilters<'static>> {
    let filters = |(key, count): (usize, &usize)| random(count * length, key as u64 + 1);
    let dense = |filters| DenseFilters { filters, second_moment: None };
    counts.iter().enumerate().map(filters).map(dense).collect()
}

/// The mean of `x xᵀ` over random inputs of very different sizes.
fn moment(length: usize, inputs: usize, key: u64) -> Vec<f64> {
    let x = random(inputs * length, key);
    let scaled = |(i, v): (usize, &f64)| v * 2.0_f64.powi(-((i % length) as i32));
    let x: Vec<f64> = x.iter().enumerate().map(scaled).collect();
    let columns = transpose(&x, inputs, length);
    let gram = Gram::of_rows(&columns, inputs).into_entries();
    gram.into_iter().map(|v| v / inputs as f64).collect()
}

/// `x M xᵀ`.
fn quadratic(x: &[f64], moment: &[f64]) -> f64 {
    moment.chunks_exact(x.len()).zip(x).map(|(row, x_row)| x_row * dot(row, x)).sum()
}

fn is_orthonormal(rows: &[f64], length: usize) -> bool {
    Gram::of_rows(rows, length).max_deviation() < 1e-10
}

#[test]
fn the_toy_of_joint_svd_is_solved() {
    // diag(3, 1) and diag(4, 1), stacked: singular values 5 and √2, first vector e1.
    let dense = |filters: [f64; 4]| DenseFilters { filters: filters.to_vec(), second_moment: None };
    let layers = [dense([3.0, 0.0, 0.0, 1.0]), dense([4.0, 0.0, 0.0, 1.0])];
    let JointBasis { shared, singular_values, layers } =
        joint_basis(&layers, 2, 1, 0, Weighting::Inputs).expect("a basis");
    assert!((singular_values[0] - 5.0).abs() < 1e-12);
    assert!((singular_values[1] - 2.0_f64.sqrt()).abs() < 1e-12);
    assert!((shared[0].abs() - 1.0).abs() < 1e-12 && shared[1].abs() < 1e-12);
    let sign = shared[0];
    for (layer, first) in layers.iter().zip([3.0, 4.0]) {
        assert!((layer.coefficients[0] - sign * first).abs() < 1e-12);
        assert!(layer.coefficients[1].abs() < 1e-12);
        let error = 1.0 / (first * first + 1.0_f64).sqrt();
        assert!((layer.filter_error - error).abs() < 1e-12);
    }
}

#[test]
fn the_error_is_that_of_the_singular_values_left_out() {
    let layers = layers(&[7, 9], 12);
    let joint = joint_basis(&layers, 12, 5, 0, Weighting::Inputs).expect("a basis");
    assert!(is_orthonormal(&joint.shared, 12));
    let squares = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
    let whole = |dense: &DenseFilters<'_>| dot(&dense.filters, &dense.filters);
    let errors = layers.iter().zip(&joint.layers);
    let left: f64 = errors.map(|(dense, f)| f.filter_error.powi(2) * whole(dense)).sum();
    assert!((left - squares(&joint.singular_values[5..])).abs() < 1e-9);
    assert!((layers.iter().map(whole).sum::<f64>() - squares(&joint.singular_values)).abs() < 1e-9);
}

#[test]
fn unique_filters_are_orthogonal_to_shared_ones_and_take_the_most_of_the_rest() {
    let layers = layers(&[6, 6, 6], 20);
    let shared_only = joint_basis(&layers, 20, 4, 0, Weighting::Inputs).expect("a basis");
    let with_unique = joint_basis(&layers, 20, 4, 2, Weighting::Inputs).expect("a basis");
    for (index, factors) in with_unique.layers.iter().enumerate() {
        assert!(is_orthonormal(&[&factors.unique[..], &with_unique.shared].concat(), 20));
        assert_eq!(factors.coefficients.len(), 6 * 6);
        assert!(factors.filter_error < shared_only.layers[index].filter_error);
    }
}

#[test]
fn a_complete_basis_reproduces_the_filters() {
    // Fewer filters than numbers: the basis is completed beyond their span.
    for (counts, length, shared, unique) in [
        (vec![3, 2], 9, 9, 0),
        (vec![3, 2], 9, 8, 1),
        (vec![30, 30], 9, 9, 0),
        (vec![2, 3], 9, 5, 2),
    ] {
        let joint =
            joint_basis(&layers(&counts, length), length, shared, unique, Weighting::Inputs)
                .expect("a basis");
        for factors in &joint.layers {
            let all = [&factors.unique[..], &joint.shared].concat();
            assert!(is_orthonormal(&all, length), "{counts:?}");
            assert!(factors.filter_error < 1e-10, "{counts:?}: {}", factors.filter_error);
        }
    }
}

#[test]
fn weights_make_the_error_of_the_outputs_smaller() {
    let mut dense = layers(&[8, 8], 10);
    let moments = [moment(10, 200, 5), moment(10, 200, 6)];
    for (layer, moment) in dense.iter_mut().zip(&moments) {
        layer.second_moment = Some(moment.into());
    }
    let unweighted = joint_basis(&dense, 10, 3, 1, Weighting::Plain).expect("a basis");
    let weighted = joint_basis(&dense, 10, 3, 1, Weighting::Inputs).expect("a basis");
    for (index, moment) in moments.iter().enumerate() {
        let filters = &dense[index].filters;
        let of = |joint: &JointBasis| {
            let factors = &joint.layers[index];
            let basis = [&factors.unique[..], &joint.shared].concat();
            let rest = subtract_product(filters, &factors.coefficients, &basis, 10);
            rest.chunks(10).map(|row| quadratic(row, moment)).sum::<f64>()
        };
        assert!(of(&weighted) < 0.5 * of(&unweighted));
        let whole: f64 = filters.chunks(10).map(|row| quadratic(row, moment)).sum();
        for joint in [&weighted, &unweighted] {
            let error = joint.layers[index].output_error.expect("a moment").powi(2);
            assert!((error * whole - of(joint)).abs() < 1e-9 * whole);
        }
    }
}

#[test]
fn one_layer_has_the_smallest_output_error_there_is() {
    // In the metric of its inputs, the singular values left out of W L.
    let moment = moment(6, 100, 3);
    let dense =
        DenseFilters { filters: random(24, 8), second_moment: Some(moment.as_slice().into()) };
    let root = Cholesky::of(Metric::of(&moment, 6).matrix(), 6);
    let whitened: Vec<f64> =
        dense.filters.chunks(6).flat_map(|row| root.times_lower(row)).collect();
    let (values, _) = right_singular(&whitened, 6, 0);
    let left: f64 = values[2..].iter().map(|v| v * v).sum();
    let whole: f64 = values.iter().map(|v| v * v).sum();
    let joint = joint_basis(&[dense], 6, 2, 0, Weighting::Inputs).expect("a basis");
    let error = joint.layers[0].output_error.expect("a moment");
    assert!((error - (left / whole).sqrt()).abs() < 1e-3, "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    let two = layers(&[3, 3], 4);
    let error = joint_basis(&two, 4, 4, 1, Weighting::Inputs).expect_err("five of four");
    assert_eq!(error, JointError::TooMany { shared: 4, unique: 1, length: 4 });
    let mut bad = two;
    bad[1].filters[2] = f64::NAN;
    assert_eq!(
        joint_basis(&bad, 4, 1, 0, Weighting::Inputs).expect_err("NaN"),
        JointError::NotFinite { layer: 1 }
    );
}

#[test]
fn filters_of_zero_have_no_error() {
    let dense = DenseFilters { filters: vec![0.0; 8], second_moment: None };
    let joint = joint_basis(&[dense], 4, 2, 1, Weighting::Inputs).expect("a basis");
    assert!(is_orthonormal(&joint.shared, 4));
    assert_eq!(joint.layers[0].filter_error, 0.0);
}
