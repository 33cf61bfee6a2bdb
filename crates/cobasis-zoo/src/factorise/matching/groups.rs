//! Matching where the second convolution of blocks is in groups, a ResNeXt's: whole groups in another order,
//! and the channels of each group before and after the convolution.

use super::super::assignment::assignment;
use super::super::block::HiddenBlock;
use super::super::channels::{Filters, Norm};
use super::{Sharing, normalise};
use crate::factorise::matching::{Between, dot};
use burn::tensor::Device;

/// Matches the second convolutions of a stage's blocks, which are in groups, each with the sum of those
/// before it. The channels after it become of one size too, so that those of the last convolution say how
/// much they matter.
pub(in super::super) fn match_groups(blocks: &mut [HiddenBlock], device: &Device) {
    blocks.iter_mut().for_each(|block| normalise(block, &[1], Between::Relu));
    for block in blocks.iter_mut() {
        let factors = block.norms[1].to_unit_after_relu();
        block.scale_hidden(1, &factors);
    }
    let sharing = Sharing { convs: &[1], device };
    for index in 1..blocks.len() {
        let (before, rest) = blocks.split_at_mut(index);
        let target = sharing.sum(before);
        let block = &mut rest[0];
        let groups = block.groups();
        let inside = |block: &HiddenBlock| -> Vec<HiddenBlock> {
            (0..groups).map(|group| inside(block, group)).collect()
        };
        let (wanted, given) = (inside(&target), inside(block));
        let mut pairs = Vec::with_capacity(groups * groups);
        for target in &wanted {
            pairs.extend(given.iter().map(|group| pair(&sharing, group, target)));
        }
        let scores: Vec<f64> = pairs.iter().map(|(score, _)| *score).collect();
        let order = assignment(&scores, groups);
        let chosen = order.iter().enumerate().map(|(at, &group)| &pairs[at * groups + group].1);
        let chosen: Vec<&[Vec<usize>; 2]> = chosen.collect();
        block.reorder_groups(&order, &chosen);
        sharing.turn_signs(block, &target);
    }
}

/// How alike a group can be made to another one, and the orders of its channels before and after the
/// convolution in which it is.
fn pair(sharing: &Sharing, group: &HiddenBlock, target: &HiddenBlock) -> (f64, [Vec<usize>; 2]) {
    if group.is_depthwise() {
        let alike = dot(&group.convs[1].values, &target.convs[1].values).abs();
        return (alike, [vec![0], vec![0]]);
    }
    let starts = [false, true].map(|by_profiles| {
        let mut group = group.clone();
        if by_profiles {
            sharing.start(&mut group, target);
        }
        (sharing.improve(&mut group, target), group)
    });
    let [first, second] = starts;
    let (alike, best) = if second.0 > first.0 { second } else { first };
    (alike, best.hidden.map(|channels| channels.into_iter().map(|(at, _)| at).collect()))
}

/// One group of a block's second convolution as a block: its channels alone matter.
fn inside(block: &HiddenBlock, group: usize) -> HiddenBlock {
    let conv = &block.convs[1];
    let (width, size) = (conv.shape[1], conv.shape[1] * conv.length());
    let filters = |shape: [usize; 4]| Filters { values: vec![0.0; shape.iter().product()], shape };
    let ones = || vec![1.0; width];
    let norm = Norm { gamma: ones(), beta: ones(), mean: ones(), variance: ones(), epsilon: 0.0 };
    let own = conv.values[group * size..(group + 1) * size].to_vec();
    let inner = Filters { values: own, shape: [width, width, conv.shape[2], conv.shape[3]] };
    let identity = || (0..width).map(|at| (at, 1.0)).collect();
    HiddenBlock {
        path: String::new(),
        convs: [filters([width, 1, 1, 1]), inner, filters([1, width, 1, 1])],
        norms: [norm.clone(), norm.clone(), norm],
        hidden: [identity(), identity()],
    }
}
