//! Shared and unique filters in groups, a ResNeXt's: filters of the dense layers, chosen.
//!
//! Between the filters and the block's last convolution is a ReLU, so that filters stand for themselves only:
//! a layer keeps those of its channels whose filters are among its shared or unique ones, and the others are
//! lost. A dense filter fits into a wider group, with zeros for the channels beside its own. So a layer is
//! exact if its filters are all there: as the shared ones, in a stage where a single block shares, with
//! `s128`, whose groups are the dense ones; or as unique ones, in the first stage with `u128`. No rank
//! has room for all filters of several blocks in a later stage: there are at most as many shared filters as
//! one layer has, and `u128` divides the channels of later stages into groups that are narrower than the
//! filters.
//!
//! The shared filters are means over the blocks, once groups and channels are matched; of those that fall
//! into one of the wider groups, the ones that the blocks have most in common where it matters most. A
//! layer's unique filters are those of its own that the shared ones serve worst.

#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;

use cobasis::ortho::{DenseFilters, LayerScales, SharedMean, shared_mean};

use super::block::HiddenBlock;
use super::borrowers::{Borrower, Borrowers};
use super::channels::Filters;
use super::whole::{Blocks, matched_blocks, moved};
use super::{FactoriseError, LayerError, Moments, Weighting, tensor};
use crate::model::Model;

/// The network whose layers have some filters of a dense one's.
pub(super) fn factorise(
    dense: &Model,
    skeleton: Model,
    moments: &Moments,
    weighting: Weighting,
) -> Result<(Model, Vec<LayerError>), FactoriseError> {
    let shapes: HashMap<String, [usize; 4]> = skeleton
        .tensors()
        .into_iter()
        .filter_map(|tensor| Some((tensor.path, tensor.shape.try_into().ok()?)))
        .collect();
    let borrowers = Borrowers::of(&skeleton);
    let mut state = dense.state();
    let mut blocks = matched_blocks(dense, &state, &borrowers)?;
    let mut errors = Vec::new();
    for layers in borrowers.grouped(|layer| &layer.bank) {
        let first = layers[0];
        let conv = &blocks[first.block()].convs[1];
        let (filters, groups) = (conv.shape[0], blocks[first.block()].groups());
        let unique_path = |layer: &Borrower| format!("{}.unique.weight", layer.path);
        let wide = |shape: [usize; 4]| Wide::of(shape, conv.shape, groups, &first.path);
        let shared = wide(shapes[&first.bank])?;
        let unique = wide(shapes[&unique_path(first)])?;
        let means = means(&layers, &blocks, moments, groups, weighting)?;
        let channels: Vec<Vec<Channel>> = (0..layers.len())
            .map(|layer| means.channels(layer, &blocks[layers[layer].block()]))
            .collect();
        // What sharing a channel saves, in all layers.
        let saved = (0..filters).map(|channel| -> f64 {
            channels.iter().map(|layer| layer[channel].weight * (1.0 - layer[channel].lost)).sum()
        });
        let kept = shared.choose(&saved.collect::<Vec<_>>());
        let bank = shared.filters(&means.shared, conv, &kept);
        state.insert(first.bank.clone(), tensor(&bank, shapes[&first.bank]));
        for (index, layer) in layers.iter().enumerate() {
            let channels = &channels[index];
            let lost =
                |channel: usize| if kept.contains(&channel) { channels[channel].lost } else { 1.0 };
            let losses = (0..filters).map(|channel| channels[channel].weight * lost(channel));
            let own = unique.choose(&losses.collect::<Vec<_>>());
            let block = blocks.get_mut(layer.block()).expect("a block of each layer");
            let path = unique_path(layer);
            let values = unique.filters(&block.convs[1].values, &block.convs[1], &own);
            state.insert(path.clone(), tensor(&values, shapes[&path]));
            errors.push(error(layer, channels, &own, &kept));
            keep(block, channels, &own, &kept);
        }
    }
    blocks.values().for_each(|block| block.write(&mut state));
    for layer in &borrowers.layers {
        state.remove(&format!("{}.weight", layer.path));
    }
    errors.sort_by_key(|error| borrowers.place(&error.path));
    Ok((skeleton.with_state(state)?, errors))
}

/// What becomes of a layer of which some channels have filters of its own, and others shared ones.
fn error(layer: &Borrower, channels: &[Channel], own: &[usize], kept: &[usize]) -> LayerError {
    let part = |rest: &dyn Fn(&Channel) -> f64, whole: &dyn Fn(&Channel) -> f64| {
        let sum = channels.iter().enumerate().map(|(index, channel)| match index {
            index if own.contains(&index) => 0.0,
            index if kept.contains(&index) => rest(channel),
            _ => whole(channel),
        });
        let all: f64 = channels.iter().map(whole).sum();
        if all > 0.0 { (sum.sum::<f64>() / all).sqrt() } else { 0.0 }
    };
    let outputs = channels.iter().all(|channel| channel.output.is_some());
    LayerError {
        path: layer.path.clone(),
        filters: part(&|channel| channel.filter, &|_| 1.0),
        outputs: outputs.then(|| {
            let square = |channel: &Channel| channel.output.unwrap_or_default();
            part(&|channel| square(channel) * channel.lost, &square)
        }),
    }
}

/// Leaves a block the channels that have filters, first the unique ones. Of a channel that has both kinds, the
/// last convolution takes the unique one.
fn keep(block: &mut HiddenBlock, channels: &[Channel], own: &[usize], kept: &[usize]) {
    let order = [own, kept].concat();
    block.norms[1].reorder(&order);
    let inverse: Vec<f64> = order
        .iter()
        .enumerate()
        .map(|(at, &channel)| if at < own.len() { 1.0 } else { 1.0 / channels[channel].scale })
        .collect();
    block.norms[1].scale_input(&inverse);
    let last = &mut block.convs[2];
    let columns = last.rows().flat_map(|row| {
        let both = |at: usize| at >= own.len() && own.contains(&order[at]);
        let columns = order.iter().enumerate();
        columns
            .map(move |(at, &channel)| if both(at) { 0.0 } else { row[channel] })
            .collect::<Vec<_>>()
    });
    last.values = columns.collect();
    last.shape[1] = order.len();
}

/// A channel after the second convolution of a block.
struct Channel {
    /// How much it matters: what it adds to the block's output, after batch norm.
    weight: f64,
    /// The part of it that is lost with the shared filter, of its square.
    lost: f64,
    /// The squared error of the shared filter; the layer's own has length one.
    filter: f64,
    /// The square of what its own filter gives, where images are known.
    output: Option<f64>,
    /// What the shared filter is to be multiplied by.
    scale: f64,
}

/// The mean filters of a stage, of length one, `[filters, length]`, and what they are to each layer, group by
/// group.
struct Means {
    shared: Vec<f64>,
    layers: Vec<Vec<LayerScales>>,
}

/// The means of each group.
fn means(
    layers: &[&Borrower],
    blocks: &Blocks,
    moments: &Moments,
    groups: usize,
    weighting: Weighting,
) -> Result<Means, FactoriseError> {
    let mut means = Means { shared: Vec::new(), layers: Vec::new() };
    means.layers.resize_with(layers.len(), Vec::new);
    for group in 0..groups {
        let own = layers.iter().map(|layer| {
            let block = &blocks[layer.block()];
            let conv = &block.convs[1];
            let size = conv.values.len() / groups;
            DenseFilters {
                filters: conv.values[group * size..(group + 1) * size].to_vec(),
                second_moment: moments
                    .get(&layer.path)
                    .map(|moment| moment_of(block, moment, group).into()),
            }
        });
        let own: Vec<DenseFilters> = own.collect();
        let path = layers[0].path.clone();
        let mean = shared_mean(&own, blocks[layers[0].block()].convs[1].length(), weighting);
        let SharedMean { shared, layers } =
            mean.map_err(|source| FactoriseError::Ranks { path, source })?;
        means.shared.extend(shared);
        means.layers.iter_mut().zip(layers).for_each(|(all, layer)| all.push(layer));
    }
    Ok(means)
}

/// The moment of a group's channels, which all come from one group of the dense block.
fn moment_of(block: &HiddenBlock, moment: &[f64], group: usize) -> Vec<f64> {
    let (width, length) = (block.convs[1].shape[1], block.convs[1].length());
    let channels = &block.hidden[0][group * width..(group + 1) * width];
    let from = channels[0].0 / width;
    let inside: Vec<(usize, f64)> =
        channels.iter().map(|&(channel, scale)| (channel % width, scale)).collect();
    let size = length * length;
    moved(&moment[from * size..(from + 1) * size], &inside, block.convs[1].area())
}

impl Means {
    /// What sharing is to the channels of a layer.
    fn channels(&self, layer: usize, block: &HiddenBlock) -> Vec<Channel> {
        let length = block.convs[1].length();
        let slopes = block.norms[2].slopes();
        let groups = &self.layers[layer];
        let numbers = groups.iter().flat_map(|group| {
            let squares = group.squared_errors.iter().zip(&group.squares);
            let known = group.output_error.is_some();
            group
                .scales
                .iter()
                .zip(squares)
                .map(move |(&scale, (&rest, &whole))| (scale, rest, whole, known))
        });
        let rows = block.convs[1].rows().zip(self.shared.chunks_exact(length));
        let channels = numbers.zip(rows).enumerate().map(
            |(index, ((scale, rest, whole, known), (own, shared)))| {
                let taken = block.convs[2].rows().zip(&slopes);
                Channel {
                    weight: taken.map(|(row, slope)| (row[index] * slope).powi(2)).sum(),
                    lost: if whole > 0.0 { (rest / whole).min(1.0) } else { 0.0 },
                    filter: own.iter().zip(shared).map(|(w, b)| (w - scale * b).powi(2)).sum(),
                    output: known.then_some(whole),
                    scale,
                }
            },
        );
        channels.collect()
    }
}

/// Filters whose groups are as wide as the dense ones, or span several of them.
struct Wide {
    /// Their groups.
    groups: usize,
    /// The filters of a group.
    filters: usize,
    /// The channels of a group.
    channels: usize,
    /// The dense filters that fit into a group.
    candidates: usize,
}

impl Wide {
    /// Filters of this shape in the place of dense ones in so many groups.
    fn of(
        shape: [usize; 4],
        dense: [usize; 4],
        dense_groups: usize,
        path: &str,
    ) -> Result<Self, FactoriseError> {
        let [filters, channels, ..] = shape;
        let groups = dense_groups * dense[1] / channels;
        let candidates = dense[0] / groups;
        if channels < dense[1] || filters / groups > candidates {
            let path = path.to_string();
            return Err(FactoriseError::Groups { path, filters, channels, dense: dense[1] });
        }
        Ok(Self { groups, filters: filters / groups, channels, candidates })
    }

    /// The dense filters that matter most, group by group, each with as many as there is room for.
    fn choose(&self, scores: &[f64]) -> Vec<usize> {
        let groups = (0..self.groups).flat_map(|group| {
            let mut all: Vec<usize> =
                (group * self.candidates..(group + 1) * self.candidates).collect();
            all.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            all.truncate(self.filters);
            all.sort_unstable();
            all
        });
        groups.collect()
    }

    /// Some of the filters of a dense convolution, with zeros for the channels beside theirs.
    fn filters(&self, values: &[f64], dense: &Filters, chosen: &[usize]) -> Vec<f64> {
        let (length, area, width) = (dense.length(), dense.area(), dense.shape[1]);
        let filters = dense.shape[0];
        let dense_groups = self.groups * self.channels / width;
        let wide = chosen.iter().flat_map(|&filter| {
            let first = filter * dense_groups / filters * width;
            let start = first % self.channels * area;
            let mut row = vec![0.0; self.channels * area];
            let own = &values[filter * length..(filter + 1) * length];
            row[start..start + length].copy_from_slice(own);
            row
        });
        wide.collect()
    }
}
