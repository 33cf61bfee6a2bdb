//! Where an adapter has something to change.

use burn::nn::{BatchNorm, BatchNormConfig};
use cobasis::{Convolution, Filters, Place};

use super::kind::AdapterKind;
use super::unique::Unique;
use crate::visit::Visit;

/// The layers that an adapter of a kind changes, in the order of the computation, by their places.
pub(super) struct Sites {
    kind: AdapterKind,
    /// Convolutions, with the shape of what is changed: all filters, or the unique ones.
    pub(super) convs: Vec<(String, [usize; 4])>,
    pub(super) norms: Vec<(String, BatchNormConfig)>,
}

impl Sites {
    pub(super) fn of(kind: AdapterKind) -> Self {
        Self { kind, convs: Vec::new(), norms: Vec::new() }
    }
}

impl Visit for Sites {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        if self.kind.modulates() {
            let shapes = part_shapes(conv);
            let several = shapes.len() > 1;
            for (index, shape) in shapes.into_iter().enumerate() {
                let place = if several { part(at, index).to_string() } else { at.to_string() };
                self.convs.push((place, shape));
            }
        }
        if self.kind.has_unique_in(at.index_in("stages"))
            && let Some(unique) = Unique::of(conv)
        {
            self.convs.push((at.to_string(), unique.lazy_shape().dims()));
        }
    }

    fn norm(&mut self, at: &Place, norm: &BatchNorm) {
        if self.kind.has_norms() {
            let config = BatchNormConfig::new(norm.gamma.lazy_shape()[0])
                .with_epsilon(norm.epsilon)
                .with_momentum(norm.momentum);
            self.norms.push((at.to_string(), config));
        }
    }
}

/// The place of one of the convolutions that [a grouped one](Convolution::parts) with several banks is.
pub(super) fn part<'a>(at: &'a Place<'a>, index: usize) -> Place<'a> {
    at.item("parts", index)
}

/// The shapes of the filters of the [parts](Convolution::parts) of a convolution.
fn part_shapes(conv: &Convolution<'_>) -> Vec<[usize; 4]> {
    match &conv.filters {
        Filters::Stacked { own, shared } if conv.geometry.groups > 1 => {
            let own = own.iter().map(|weight| weight.lazy_shape().dims());
            own.chain(shared.iter().map(|basis| basis.weight.lazy_shape().dims())).collect()
        }
        filters => vec![filters.shape()],
    }
}
