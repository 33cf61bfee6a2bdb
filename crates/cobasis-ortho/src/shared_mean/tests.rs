use super::*;
use crate::random::Normal;

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut normal = Normal::new(seed);
    (0..count).map(|_| normal.next()).collect()
}

/// `X Xᵀ` of inputs that lie mostly in a few directions.
fn moment(length: usize, seed: u64) -> Vec<f64> {
    let rows = numbers(length * length, seed);
    let scaled: Vec<f64> =
        rows.iter().enumerate().map(|(at, x)| x / (1 + at % length) as f64).collect();
    let rows: Vec<&[f64]> = scaled.chunks_exact(length).collect();
    rows.iter().flat_map(|a| rows.iter().map(|b| dot(a, b))).collect()
}

#[test]
fn scaled_copies_are_shared_without_an_error() {
    let filters = numbers(4 * 6, 1);
    let scaled: Vec<f64> =
        filters.iter().enumerate().map(|(at, w)| w * (1 + at / 6) as f64).collect();
    for moments in [[None, None], [Some(moment(6, 2)), Some(moment(6, 3))]] {
        let layers: Vec<DenseFilters> = [filters.clone(), scaled.clone()]
            .into_iter()
            .zip(moments)
            .map(|(filters, second_moment)| DenseFilters {
                filters,
                second_moment: second_moment.map(Into::into),
            })
            .collect();
        let SharedMean { shared, layers } =
            shared_mean(&layers, 6, Weighting::Inputs).expect("a mean");
        assert!(shared.chunks_exact(6).all(|row| (dot(row, row) - 1.0).abs() < 1e-12));
        for (row, ratio) in
            layers[1].scales.iter().zip(&layers[0].scales).map(|(b, a)| b / a).enumerate()
        {
            assert!((ratio - (row + 1) as f64).abs() < 1e-9);
        }
        assert!(layers.iter().all(|layer| layer.filter_error < 1e-6));
    }
}

#[test]
fn inputs_weigh() {
    // The first layer sees the first number only, the second one the second: nothing is lost.
    let layer = |filter: [f64; 2], seen: [f64; 2]| DenseFilters {
        filters: filter.to_vec(),
        second_moment: Some(vec![seen[0], 0.0, 0.0, seen[1]].into()),
    };
    let layers = [layer([3.0, -5.0], [1.0, 0.0]), layer([-5.0, 4.0], [0.0, 1.0])];
    let SharedMean { shared, layers } = shared_mean(&layers, 2, Weighting::Inputs).expect("a mean");
    assert!((shared[0] - 0.6).abs() < 1e-3 && (shared[1] - 0.8).abs() < 1e-3, "{shared:?}");
    for layer in layers {
        assert!(layer.output_error.expect("moments") < 1e-3 && layer.filter_error > 0.5);
    }
}

#[test]
fn weights_never_make_it_worse() {
    for seed in 0..20 {
        let layers: Vec<DenseFilters> = (0..3)
            .map(|layer| DenseFilters {
                filters: numbers(5 * 8, 10 * seed + layer),
                second_moment: Some(moment(8, 1000 + 10 * seed + layer).into()),
            })
            .collect();
        let weighed: Vec<Weighed> = layers.iter().map(|layer| Weighed::of(layer, 8)).collect();
        let mut mean = vec![0.0; 5 * 8];
        layers.iter().for_each(|layer| add(&mut mean, &layer.filters));
        let plain = Candidate::of(mean, &layers, &weighed, 8, Weighting::Inputs);
        let best = shared_mean(&layers, 8, Weighting::Inputs).expect("a mean");
        let plainly = shared_mean(&layers, 8, Weighting::Plain).expect("a mean");
        let outputs = |mean: &SharedMean| -> f64 {
            mean.layers.iter().flat_map(|layer| &layer.squared_errors).sum()
        };
        assert!(outputs(&best) <= outputs(&plainly));
        let error: f64 = best.layers.iter().flat_map(|layer| &layer.squared_errors).sum();
        assert!(error < plain.error, "{error} {}", plain.error);
        for (layer, dense) in best.layers.iter().zip(&layers) {
            let rows = dense.filters.chunks_exact(8).zip(best.shared.chunks_exact(8));
            let rest: f64 = rows
                .zip(&layer.scales)
                .flat_map(|((w, b), s)| w.iter().zip(b).map(move |(w, b)| (w - s * b).powi(2)))
                .sum();
            let whole = dot(&dense.filters, &dense.filters);
            assert!((layer.filter_error - (rest / whole).sqrt()).abs() < 1e-12);
            assert!(layer.scales.iter().all(|&scale| scale > 0.0));
        }
    }
}

#[test]
fn filters_that_cancel_have_a_mean() {
    let layer = |sign: f64| DenseFilters { filters: vec![sign, sign], second_moment: None };
    let mean = shared_mean(&[layer(1.0), layer(-1.0)], 2, Weighting::Plain).expect("a mean");
    assert!((mean.shared[0] - 0.5f64.sqrt()).abs() < 1e-12);
    assert!(mean.layers[0].filter_error < 1e-12 && mean.layers[1].filter_error > 1.0);
    let infinite = DenseFilters { filters: vec![f64::NAN, 0.0], second_moment: None };
    assert!(matches!(
        shared_mean(&[layer(1.0), infinite], 2, Weighting::Plain),
        Err(JointError::NotFinite { layer: 1 })
    ));
}
