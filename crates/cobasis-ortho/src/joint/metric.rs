//! What layers see, as a metric of filters.

use rayon::prelude::*;

use super::DenseFilters;
use crate::product::{View, product};

/// The part of a moment's mean diagonal that is added to all of it.
const DAMPING: f64 = 1e-4;

/// The second moment `M` of a layer's inputs, and what is added to its diagonal: inputs that few images
/// had are not taken for inputs that never occur, and the matrix has a root.
#[derive(Clone, Copy)]
pub(super) struct Metric<'a> {
    moment: &'a [f64],
    length: usize,
    added: f64,
}

impl<'a> Metric<'a> {
    pub(super) fn of(moment: &'a [f64], length: usize) -> Self {
        let trace: f64 = moment.iter().step_by(length + 1).sum();
        let added = match trace > 0.0 {
            true => DAMPING * trace / length as f64,
            false => 1.0,
        };
        Self { moment, length, added }
    }

    /// `X M` for the rows of `X`, without what is added.
    pub(super) fn images(&self, rows: &[f64]) -> Vec<f64> {
        product(View::of(rows, self.length), View::of(self.moment, self.length))
    }

    /// The images with what is added.
    pub(super) fn damped(&self, rows: &[f64], images: &[f64]) -> Vec<f64> {
        images.iter().zip(rows).map(|(image, value)| image + self.added * value).collect()
    }

    /// The damped moment.
    pub(super) fn matrix(&self) -> Vec<f64> {
        let mut matrix = self.moment.to_vec();
        matrix.iter_mut().step_by(self.length + 1).for_each(|entry| *entry += self.added);
        matrix
    }
}

/// The mean of the layers' moments, each damped; the identity for a layer without.
pub(super) fn mean_moment(layers: &[DenseFilters<'_>], length: usize) -> Vec<f64> {
    let mut mean = vec![0.0; length * length];
    let part = 1.0 / layers.len() as f64;
    for layer in layers {
        let metric = layer.second_moment.as_deref().map(|moment| Metric::of(moment, length));
        if let Some(metric) = &metric {
            let rows = mean.par_chunks_mut(length).zip(metric.moment.par_chunks(length));
            rows.for_each(|(sums, row)| {
                sums.iter_mut().zip(row).for_each(|(sum, entry)| *sum += part * entry);
            });
        }
        let added = metric.map_or(1.0, |metric| metric.added);
        mean.iter_mut().step_by(length + 1).for_each(|sum| *sum += part * added);
    }
    mean
}
