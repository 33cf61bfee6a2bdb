//! Which filters stay where too many weights are.

use burn::tensor::Tensor;
use cobasis_zoo::InnerLayer;
use cobasis_zoo::cobasis::{InnerFilters, PlainFilters};

/// The inner filters of a layer.
pub(super) struct Candidates {
    /// What each is worth, compared with all of its layer.
    pub(super) worth: Vec<f64>,
    /// Weights that one takes.
    pub(super) weights: usize,
}

impl Candidates {
    /// A plain filter is worth `‖filter‖ · ‖column of its coefficients‖`, the norm of what it adds to the
    /// layer's composed kernel, divided by the root mean square of the layer's: a batch norm follows, so
    /// that the scale of a layer says nothing.
    ///
    /// A coded filter is worth the share of its layer's filters whose masks are no larger, and nothing
    /// where it is masked: all layers lose the same share then, but for what training masked.
    pub(super) fn of(layer: &InnerLayer) -> Self {
        let worth = match &layer.inner {
            InnerFilters::Plain(PlainFilters { filters, coefficients }) => {
                let filters = squares(filters.val(), 0);
                let columns = squares(coefficients.val(), 1);
                relative(filters.iter().zip(&columns).map(|(a, b)| (a * b).sqrt()).collect())
            }
            InnerFilters::Coded(coded) => {
                let sizes = coded.mask.val().into_data();
                let sizes: Vec<f64> = sizes.iter::<f64>().map(f64::abs).collect();
                let shares = shares(&sizes).into_iter().zip(layer.inner.live());
                shares.map(|(share, live)| if live { share } else { 0.0 }).collect()
            }
        };
        Self { worth, weights: layer.inner.weights_of_one() }
    }
}

/// The sum of squares of each slice along a dimension.
fn squares(tensor: Tensor<4>, dim: usize) -> Vec<f64> {
    let dims = tensor.dims();
    let below: usize = dims[dim + 1..].iter().product();
    let mut squares = vec![0.0; dims[dim]];
    for (index, value) in tensor.into_data().iter::<f64>().enumerate() {
        squares[index / below % dims[dim]] += value * value;
    }
    squares
}

/// Numbers divided by the root of the mean of their squares.
fn relative(numbers: Vec<f64>) -> Vec<f64> {
    let mean = numbers.iter().map(|number| number * number).sum::<f64>() / numbers.len() as f64;
    match mean > 0.0 {
        true => numbers.into_iter().map(|number| number / mean.sqrt()).collect(),
        false => numbers,
    }
}

/// The place of each number among all, from the smallest one, as a share of them; of equals the first one
/// comes last.
fn shares(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).rev().collect();
    // The sort keeps the order of equals.
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut shares = vec![0.0; numbers.len()];
    for (place, index) in order.into_iter().enumerate() {
        shares[index] = (place + 1) as f64 / numbers.len() as f64;
    }
    shares
}

/// Which filters of each layer stay, so that at most `limit` weights are left, or one filter in each
/// layer: the most worthy of each layer; then, of all others, whatever still fits, the most worthy
/// first, and of equals the one of the earlier layer. What is worth nothing goes.
pub(super) fn keep(layers: &[Candidates], limit: usize) -> Vec<Vec<bool>> {
    let mut stays: Vec<Vec<bool>> =
        layers.iter().map(|layer| vec![false; layer.worth.len()]).collect();
    let mut all: Vec<(f64, usize, usize)> = Vec::new();
    let mut left = 0;
    for (number, layer) in layers.iter().enumerate() {
        let mut order: Vec<usize> = (0..layer.worth.len()).collect();
        // The sort keeps the order of equals.
        order.sort_by(|&a, &b| layer.worth[b].total_cmp(&layer.worth[a]));
        let mut order = order.into_iter();
        if let Some(best) = order.next() {
            stays[number][best] = true;
            left += layer.weights;
        }
        let others = order.filter(|&filter| layer.worth[filter] > 0.0);
        all.extend(others.map(|filter| (layer.worth[filter], number, filter)));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, number, filter) in all {
        if left + layers[number].weights <= limit {
            stays[number][filter] = true;
            left += layers[number].weights;
        }
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(worth: &[f64], weights: usize) -> Candidates {
        Candidates { worth: worth.to_vec(), weights }
    }

    #[test]
    fn the_most_worthy_stay_and_each_layer_keeps_one() {
        let layers = [layer(&[0.1, 0.2], 10), layer(&[3.0, 1.0, 2.0], 30)];
        assert_eq!(keep(&layers, 40), [vec![false, true], vec![true, false, false]]);
        // 2.0 would take 30 more, 0.1 takes the 10 that are left.
        assert_eq!(keep(&layers, 69), [vec![true, true], vec![true, false, false]]);
        assert_eq!(keep(&layers, 70), [vec![false, true], vec![true, false, true]]);
        assert_eq!(keep(&layers, 110), [vec![true, true], vec![true, true, true]]);
        // There is no network of less.
        assert_eq!(keep(&layers, 0), [vec![false, true], vec![true, false, false]]);
    }

    #[test]
    fn what_is_worth_nothing_goes_and_the_first_of_equals_stays() {
        assert_eq!(keep(&[layer(&[0.0, 0.0], 1)], 9), [[true, false]]);
        let layers = [layer(&[2.0, 1.0], 1), layer(&[2.0, 1.0], 1)];
        assert_eq!(keep(&layers, 3), [[true, true], [true, false]]);
    }

    #[test]
    fn places_are_shares_of_the_layer() {
        assert_eq!(shares(&[0.3, 9.0, 0.1, 0.3]), [0.75, 1.0, 0.25, 0.5]);
    }

    #[test]
    fn the_scale_of_a_layer_says_nothing() {
        assert_eq!(relative(vec![3.0, 4.0]), relative(vec![300.0, 400.0]));
        assert_eq!(relative(vec![0.0, 0.0]), [0.0, 0.0]);
    }
}
