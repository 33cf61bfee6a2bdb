//! Residual blocks of three convolutions, whose channels inside are free: their order, and what a batch
//! norm before or a convolution after them takes back.

use std::collections::HashMap;

use super::FactoriseError;
use super::channels::{Filters, Norm};
use crate::state::State;

/// A bottleneck or an inverted residual block.
#[derive(Clone, Debug)]
pub(super) struct HiddenBlock {
    /// Its path, such as `stages.0.blocks.1`.
    pub(super) path: String,
    /// `conv1` to `conv3`.
    pub(super) convs: [Filters; 3],
    /// `norm1` to `norm3`.
    pub(super) norms: [Norm; 3],
    /// Where the channels after the first two activations came from: the channel, and what it was
    /// multiplied by.
    pub(super) hidden: [Vec<(usize, f64)>; 2],
}

impl HiddenBlock {
    /// The block at a path of a dense network, whose norms have these summands of the variance.
    pub(super) fn read(
        state: &State,
        path: &str,
        epsilons: &HashMap<String, f64>,
    ) -> Result<Self, FactoriseError> {
        let conv = |number: usize| Filters::read(state, &format!("{path}.conv{number}"));
        let norm = |number: usize| {
            let norm = format!("{path}.norm{number}");
            let epsilon = epsilons.get(&norm);
            let missing = || FactoriseError::NotThere { path: format!("{norm}.gamma") };
            Norm::read(state, &norm, *epsilon.ok_or_else(missing)?)
        };
        let convs = [conv(1)?, conv(2)?, conv(3)?];
        let norms = [norm(1)?, norm(2)?, norm(3)?];
        let hidden = [0, 1].map(|conv| (0..convs[conv].shape[0]).map(|at| (at, 1.0)).collect());
        Ok(Self { path: path.to_string(), convs, norms, hidden })
    }

    /// Puts the block's tensors into a state.
    pub(super) fn write(&self, state: &mut State) {
        let Self { path, convs, norms, .. } = self;
        for (index, (conv, norm)) in convs.iter().zip(norms).enumerate() {
            conv.write(state, &format!("{path}.conv{}", index + 1));
            norm.write(state, &format!("{path}.norm{}", index + 1));
        }
    }

    /// Whether each channel after the first convolution has a filter of its own in the second one, so that
    /// both have the same order.
    pub(super) fn is_depthwise(&self) -> bool {
        self.convs[1].shape[1] == 1
    }

    /// Puts the channels after an activation in another order, the first one (0) or the second (1): of a
    /// convolution that is depthwise or has one group.
    pub(super) fn reorder(&mut self, hidden: usize, order: &[usize]) {
        let depthwise = self.is_depthwise();
        let spaces = if depthwise { 0..=1 } else { hidden..=hidden };
        for space in spaces {
            self.convs[space].reorder(order);
            self.norms[space].reorder(order);
            self.hidden[space] = order.iter().map(|&at| self.hidden[space][at]).collect();
        }
        let next = if depthwise { 2 } else { hidden + 1 };
        self.convs[next].reorder_inputs(order);
    }

    /// The groups of the second convolution.
    pub(super) fn groups(&self) -> usize {
        self.convs[0].shape[0] / self.convs[1].shape[1]
    }

    /// Puts the groups of the second convolution, which has as many filters as channels, in another order,
    /// and in each group of the result the channels before and after it.
    pub(super) fn reorder_groups(&mut self, groups: &[usize], channels: &[&[Vec<usize>; 2]]) {
        let width = self.convs[1].shape[1];
        let orders = [0, 1].map(|space| -> Vec<usize> {
            let inside = groups.iter().zip(channels);
            inside
                .flat_map(|(group, channels)| {
                    channels[space].iter().map(move |channel| group * width + channel)
                })
                .collect()
        });
        for (space, order) in orders.iter().enumerate() {
            self.convs[space].reorder(order);
            self.norms[space].reorder(order);
            self.hidden[space] = order.iter().map(|&at| self.hidden[space][at]).collect();
        }
        let conv = &self.convs[1];
        let rows = conv.values.chunks_exact(width * conv.length()).zip(channels);
        let rows = rows.flat_map(|(rows, channels)| {
            let mut group = Filters { values: rows.to_vec(), ..*conv };
            group.reorder_inputs(&channels[0]);
            group.values
        });
        self.convs[1].values = rows.collect();
        self.convs[2].reorder_inputs(&orders[1]);
    }

    /// Multiplies the channels after an activation that lets numbers pass, a ReLU, by positive ones.
    pub(super) fn scale_hidden(&mut self, hidden: usize, factors: &[f64]) {
        self.norms[hidden].scale_output(factors);
        self.convs[hidden + 1].divide_inputs(factors);
        for ((_, scale), factor) in self.hidden[hidden].iter_mut().zip(factors) {
            *scale *= factor;
        }
    }

    /// Multiplies the filters of a convolution by numbers, which its norm takes back.
    pub(super) fn scale_filters(&mut self, conv: usize, factors: &[f64]) {
        self.convs[conv].scale(factors);
        self.norms[conv].scale_input(factors);
    }
}
