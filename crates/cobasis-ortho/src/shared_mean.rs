//! One bank of filters in the place of several layers' own: their mean, weighted by the layers' inputs.
//!
//! A layer that borrows whole filters has no coefficients, but what follows it scales each of its
//! outputs, a batch norm: layer `l` has `diag(s_l) B` for its own filters `W_l`. With second moments `M_l`
//! of the layers' inputs, `B = (Σ W_l M_l) (Σ M_l)⁻¹` makes `Σ ‖(W_l − B) M_l½‖²` small, without it is the
//! plain mean. Its filters are then given length one, and the scales are the least squares.

#[cfg(test)]
mod tests;

use crate::cholesky::Cholesky;
use crate::gram_schmidt::dot;
use crate::joint::{DenseFilters, JointError, Weighting};
use crate::product::{View, product};

/// The part of a moment's mean diagonal that is added to all of it.
const DAMPING: f64 = 1e-4;

/// The smallest scale of a filter, in parts of the one that keeps the length of the layer's own: a batch
/// norm can't take back a scale of zero, nor a sign that a ReLU follows.
const LEAST_SCALE: f64 = 0.1;

/// Filters in the place of those of several layers.
#[derive(Clone, Debug)]
pub struct SharedMean {
    /// The filters, each of length one, `[filters, length]`.
    pub shared: Vec<f64>,
    /// What becomes of each layer.
    pub layers: Vec<LayerScales>,
}

/// A layer's part of a [`SharedMean`].
#[derive(Clone, Debug)]
pub struct LayerScales {
    /// The positive number that each shared filter is to be multiplied by, `[filters]`.
    pub scales: Vec<f64>,
    /// The squared error of each filter, `‖w − s b‖²`, or of its outputs where there is a second moment.
    pub squared_errors: Vec<f64>,
    /// The square of each of the layer's own filters, or of its outputs where there is a second moment.
    pub squares: Vec<f64>,
    /// `‖W − diag(s) B‖ / ‖W‖`.
    pub filter_error: f64,
    /// `‖(W − diag(s) B) M½‖ / ‖W M½‖`, where there is a second moment.
    pub output_error: Option<f64>,
}

/// One bank of filters, of `length` numbers each, for layers that all have as many: filter by filter
/// their mean. If `weighting` says so and all layers have second moments, it is weighted by inputs, where that
/// makes less of an error than the plain one.
///
/// # Errors
///
/// Where a number is not finite.
///
/// # Panics
///
/// Panics without layers, or if filters or second moments are not as many as expected.
pub fn shared_mean(
    layers: &[DenseFilters<'_>],
    length: usize,
    weighting: Weighting,
) -> Result<SharedMean, JointError> {
    let size = layers.first().expect("layers that share").filters.len();
    for (layer, dense) in layers.iter().enumerate() {
        assert!(
            dense.filters.len() == size && size.is_multiple_of(length),
            "layers of as many filters"
        );
        let moment = dense.second_moment.as_deref().unwrap_or_default();
        assert!([0, length * length].contains(&moment.len()), "a moment of [{length}, {length}]");
        if !dense.filters.iter().chain(moment).all(|number| number.is_finite()) {
            return Err(JointError::NotFinite { layer });
        }
    }
    let weighed: Vec<Weighed> = layers.iter().map(|layer| Weighed::of(layer, length)).collect();
    let mut mean = vec![0.0; size];
    for layer in layers {
        add(&mut mean, &layer.filters);
    }
    let plain = Candidate::of(mean, layers, &weighed, length, weighting);
    if weighting == Weighting::Plain
        || layers.len() == 1
        || layers.iter().any(|layer| layer.second_moment.is_none())
    {
        return Ok(plain.mean);
    }
    let weighted = weighted(layers, &weighed, length);
    let weighted = Candidate::of(weighted, layers, &weighed, length, weighting);
    Ok(if weighted.error <= plain.error { weighted.mean } else { plain.mean })
}

/// `(Σ W M) (Σ M)⁻¹`, damped.
fn weighted(layers: &[DenseFilters<'_>], weighed: &[Weighed], length: usize) -> Vec<f64> {
    let mut moments = vec![0.0; length * length];
    let mut products = vec![0.0; layers[0].filters.len()];
    for (layer, weighed) in layers.iter().zip(weighed) {
        let moment = layer.second_moment.as_deref().unwrap_or_default();
        add(&mut moments, moment);
        add(&mut products, &weighed.products);
    }
    // Inputs that few images had are not taken for inputs that never occur: there the plain mean counts.
    let trace: f64 = moments.iter().step_by(length + 1).sum();
    let added = if trace > 0.0 { DAMPING * trace / length as f64 } else { 1.0 };
    moments.iter_mut().step_by(length + 1).for_each(|entry| *entry += added);
    for layer in layers {
        let part = added / layers.len() as f64;
        products.iter_mut().zip(&layer.filters).for_each(|(sum, w)| *sum += part * w);
    }
    let root = Cholesky::of(moments, length);
    root.solve(&mut products);
    products
}

/// A layer's filters times its second moment, or as they are.
struct Weighed {
    products: Vec<f64>,
}

impl Weighed {
    fn of(layer: &DenseFilters<'_>, length: usize) -> Self {
        let products = match &layer.second_moment {
            Some(moment) => product(View::of(&layer.filters, length), View::of(moment, length)),
            None => layer.filters.clone(),
        };
        Self { products }
    }
}

/// A bank, and the sum of its squared errors.
struct Candidate {
    mean: SharedMean,
    error: f64,
}

impl Candidate {
    fn of(
        mut shared: Vec<f64>,
        layers: &[DenseFilters<'_>],
        weighed: &[Weighed],
        length: usize,
        weighting: Weighting,
    ) -> Self {
        for (index, row) in shared.chunks_exact_mut(length).enumerate() {
            // Filters that cancel have no mean: the first layer's stands for them.
            if dot(row, row) <= f64::MIN_POSITIVE {
                row.copy_from_slice(&layers[0].filters[index * length..(index + 1) * length]);
            }
            let norm = dot(row, row).sqrt();
            if norm > 0.0 {
                row.iter_mut().for_each(|number| *number /= norm);
            }
        }
        let scaled = layers.iter().zip(weighed);
        let scaled: Vec<LayerScales> = scaled
            .map(|(layer, weighed)| LayerScales::of(&shared, layer, weighed, length, weighting))
            .collect();
        let error = scaled.iter().flat_map(|layer| &layer.squared_errors).sum();
        Self { mean: SharedMean { shared, layers: scaled }, error }
    }
}

impl LayerScales {
    fn of(
        shared: &[f64],
        layer: &DenseFilters<'_>,
        weighed: &Weighed,
        length: usize,
        weighting: Weighting,
    ) -> Self {
        let moment = layer.second_moment.as_deref();
        let images =
            moment.map(|moment| product(View::of(shared, length), View::of(moment, length)));
        let images = images.as_deref().unwrap_or(shared);
        let [mut scales, mut squared_errors, mut squares] = [const { Vec::new() }; 3];
        // Sums of squares: of the errors and of the layer's own, of filters and of outputs.
        let (mut of_filters, mut of_outputs) = ([0.0; 2], [0.0; 2]);
        let rows = shared.chunks_exact(length).zip(images.chunks_exact(length));
        let own = layer.filters.chunks_exact(length).zip(weighed.products.chunks_exact(length));
        for ((b, image), (w, product)) in rows.zip(own) {
            let whole = dot(product, w).max(0.0);
            let (bb, wb, ww) = match weighting {
                Weighting::Inputs => (dot(image, b).max(0.0), dot(product, b), whole),
                Weighting::Plain => (dot(b, b), dot(w, b), dot(w, w)),
            };
            let keeps = if bb > 0.0 && ww > 0.0 { (ww / bb).sqrt() } else { 1.0 };
            let scale = if bb > 0.0 { wb / bb } else { keeps }.max(LEAST_SCALE * keeps);
            let difference: Vec<f64> = w.iter().zip(b).map(|(w, b)| w - scale * b).collect();
            let image = product.iter().zip(image).map(|(product, image)| product - scale * image);
            let image: Vec<f64> = image.collect();
            let squared = dot(&difference, &image).max(0.0);
            of_filters[0] += dot(&difference, &difference);
            of_filters[1] += dot(w, w);
            of_outputs[0] += squared;
            of_outputs[1] += whole;
            scales.push(scale);
            squared_errors.push(squared);
            squares.push(whole);
        }
        let part = |[rest, whole]: [f64; 2]| if whole > 0.0 { (rest / whole).sqrt() } else { 0.0 };
        let output_error = moment.map(|_| part(of_outputs));
        let filter_error = part(of_filters);
        Self { scales, squared_errors, squares, filter_error, output_error }
    }
}

fn add(sum: &mut [f64], added: &[f64]) {
    sum.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
}
