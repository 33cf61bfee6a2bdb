//! Whole convolutions in the place of a stage's own: after channels are matched, their mean.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn::tensor::TensorData;
use cobasis::ortho::{DenseFilters, SharedMean, shared_mean};

use super::block::HiddenBlock;
use super::borrowers::{Borrower, Borrowers};
use super::form::is_in_groups;
use super::matching::{Between, match_blocks, match_groups};
use super::{FactoriseError, LayerError, Moments, Weighting, tensor};
use crate::model::Model;
use crate::spec::{Architecture, Variant};
use crate::state::State;

/// Blocks by their paths.
pub(super) type Blocks = BTreeMap<String, HiddenBlock>;

/// The blocks of a dense network that share convolutions in another one, matched stage by stage.
pub(super) fn matched_blocks(
    dense: &Model,
    state: &State,
    borrowers: &Borrowers,
) -> Result<Blocks, FactoriseError> {
    let device = dense.head.device();
    let mut all = Blocks::new();
    for stage in borrowers.grouped(Borrower::stage) {
        let mut paths: Vec<&str> = stage.iter().map(|layer| layer.block()).collect();
        paths.dedup();
        let blocks = paths.iter().map(|path| HiddenBlock::read(state, path, &borrowers.epsilons));
        let mut blocks: Vec<HiddenBlock> = blocks.collect::<Result<_, _>>()?;
        let first = stage.iter().filter(|layer| layer.block() == paths[0]);
        let shared: Vec<usize> = first.map(|layer| layer.conv()).collect();
        match is_in_groups(dense.config.name.entry()) {
            true => match_groups(&mut blocks, &device),
            false => match_blocks(&mut blocks, &shared, between(dense), &device),
        }
        all.extend(blocks.into_iter().map(|block| (block.path.clone(), block)));
    }
    Ok(all)
}

/// What follows the first two convolutions of a network's blocks.
fn between(dense: &Model) -> Between {
    match (&dense.config.name.entry().architecture, dense.config.variant) {
        (Architecture::MobileNetV2(_), Variant::Torchvision) => Between::Relu6,
        _ => Between::Relu,
    }
}

/// The network whose layers borrow the mean of a dense one's filters.
pub(super) fn factorise(
    dense: &Model,
    skeleton: Model,
    moments: &Moments,
    weighting: Weighting,
) -> Result<(Model, Vec<LayerError>), FactoriseError> {
    let borrowers = Borrowers::of(&skeleton);
    let mut state = dense.state();
    let mut blocks = matched_blocks(dense, &state, &borrowers)?;
    let mut errors = Vec::new();
    for layers in borrowers.grouped(|layer| &layer.bank) {
        let own = layers.iter().map(|layer| dense_filters(layer, &blocks[layer.block()], moments));
        let own: Vec<DenseFilters> = own.collect();
        let first = layers[0];
        let conv = &blocks[first.block()].convs[first.conv()];
        let (shape, length) = (conv.shape, conv.length());
        let mean = shared_mean(&own, length, weighting);
        let path = first.path.clone();
        let SharedMean { shared, layers: scales } =
            mean.map_err(|source| FactoriseError::Ranks { path, source })?;
        state.insert(first.bank.clone(), tensor(&shared, shape));
        for (layer, scales) in layers.into_iter().zip(scales) {
            let inverse: Vec<f64> = scales.scales.iter().map(|scale| 1.0 / scale).collect();
            let block = blocks.get_mut(layer.block()).expect("a block of each layer");
            // The norm's input is the layer's own divided by the scale.
            block.norms[layer.conv()].scale_input(&inverse);
            errors.push(LayerError {
                path: layer.path.clone(),
                filters: scales.filter_error,
                outputs: scales.output_error,
            });
        }
    }
    start_attention(&skeleton, &mut blocks, &mut state);
    blocks.values().for_each(|block| block.write(&mut state));
    for layer in &borrowers.layers {
        state.remove(&format!("{}.weight", layer.path));
    }
    errors.sort_by_key(|error| borrowers.place(&error.path));
    Ok((skeleton.with_state(state)?, errors))
}

/// A layer's filters, and what they see, both in the order and to the scale of the matched block.
fn dense_filters<'a>(
    layer: &Borrower,
    block: &HiddenBlock,
    moments: &'a Moments,
) -> DenseFilters<'a> {
    let conv = &block.convs[layer.conv()];
    let second_moment = moments.get(&layer.path).map(|moment| match layer.conv() {
        0 => Cow::Borrowed(moment.as_slice()),
        conv_after => moved(moment, &block.hidden[conv_after - 1], conv.area()).into(),
    });
    DenseFilters { filters: conv.values.clone(), second_moment }
}

/// The moment of channels that came from others: from which, and what they were multiplied by.
pub(super) fn moved(moment: &[f64], channels: &[(usize, f64)], area: usize) -> Vec<f64> {
    let length = channels.len() * area;
    let entries = channels
        .iter()
        .flat_map(|&(channel, scale)| (0..area).map(move |tap| (channel * area + tap, scale)));
    let entries: Vec<(usize, f64)> = entries.collect();
    let rows = entries.iter().flat_map(|&(row, row_scale)| {
        let values = &moment[row * length..(row + 1) * length];
        entries.iter().map(move |&(column, scale)| row_scale * scale * values[column])
    });
    rows.collect()
}

/// Attention has no counterpart in a dense network: with a filter of zeros it halves every channel, which
/// the scale and the shift of the norm before it make good.
fn start_attention(skeleton: &Model, blocks: &mut Blocks, state: &mut State) {
    for found in skeleton.tensors() {
        let Some(path) = found.path.strip_suffix(".attention.conv.weight") else { continue };
        let zeros = vec![0.0f32; found.shape.iter().product()];
        state.insert(found.path.clone(), TensorData::new(zeros, found.shape));
        if let Some(block) = blocks.get_mut(path) {
            let channels = block.norms[2].gamma.len();
            block.norms[2].scale_output(&vec![2.0; channels]);
        }
    }
}
