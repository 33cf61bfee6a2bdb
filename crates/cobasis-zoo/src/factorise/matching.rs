//! Channels inside the blocks of a stage, brought into the order and to the scale in which the filters that
//! the blocks are to share are most alike, while each block's function stays as it is.
//!
//! A batch norm takes back any factor of a filter before it, also a negative one; a convolution any
//! positive one of the channels before it, if a ReLU is between; and both any order. Blocks are matched
//! one after the other with the sum of the others, which makes the distance of all from their mean
//! smaller. The orders of two spaces that meet in a convolution are found by turns.
//!
//! Source: the turns are those of *Git Re-Basin* (Ainsworth et al. 2022).

mod groups;

use burn::tensor::{Device, Tensor, TensorData};

use super::assignment::assignment;
use super::block::HiddenBlock;
pub(super) use groups::match_groups;

/// Turns for one block, and rounds through all: they end earlier as a rule.
const TURNS: usize = 20;
const ROUNDS: usize = 8;
/// A gain of a smaller part than this is rounding.
const LEAST_GAIN: f64 = 1e-6;

/// What is after the first two convolutions of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// ReLU: channels can be scaled.
    Relu,
    /// ReLU6: they can't.
    Relu6,
}

/// Matches the blocks of a stage, which share these of their convolutions.
pub(super) fn match_blocks(
    blocks: &mut [HiddenBlock],
    shared: &[usize],
    between: Between,
    device: &Device,
) {
    blocks.iter_mut().for_each(|block| normalise(block, shared, between));
    let sharing = Sharing { convs: shared, device };
    for index in 1..blocks.len() {
        let target = sharing.sum(&blocks[..index]);
        // From two starts: as the channels are, and by what no order changes.
        let mut other = blocks[index].clone();
        sharing.start(&mut other, &target);
        let alike = sharing.improve(&mut blocks[index], &target);
        if sharing.improve(&mut other, &target) > alike {
            blocks[index] = other;
        }
    }
    // Two are matched already.
    let rounds = if blocks.len() > 2 { ROUNDS } else { 0 };
    for _ in 0..rounds {
        let mut gained = false;
        for index in 0..blocks.len() {
            let (before, rest) = blocks.split_at_mut(index);
            let Some((block, after)) = rest.split_first_mut() else { continue };
            let others: Vec<HiddenBlock> = before.iter().chain(&*after).cloned().collect();
            let target = sharing.sum(&others);
            let alike = sharing.alike(block, &target);
            gained |= sharing.improve(block, &target) > alike * (1.0 + LEAST_GAIN);
        }
        if !gained {
            break;
        }
    }
}

/// Brings the filters of a block to a scale: channels to the same size where that is free, and the filters
/// that are shared to length one.
fn normalise(block: &mut HiddenBlock, shared: &[usize], between: Between) {
    for hidden in [0, 1] {
        let free = between == Between::Relu && !(hidden == 0 && block.is_depthwise());
        if free && shared.contains(&(hidden + 1)) {
            let factors = block.norms[hidden].to_unit_after_relu();
            block.scale_hidden(hidden, &factors);
        }
    }
    for &conv in shared {
        let factors = block.convs[conv].to_unit();
        block.scale_filters(conv, &factors);
    }
}

/// The convolutions that blocks share, and where scores are computed.
struct Sharing<'a> {
    convs: &'a [usize],
    device: &'a Device,
}

impl Sharing<'_> {
    /// The first block's tensors with the sum of all in the convolutions that are shared.
    fn sum(&self, blocks: &[HiddenBlock]) -> HiddenBlock {
        let mut sum = blocks[0].clone();
        for block in &blocks[1..] {
            for &conv in self.convs {
                let added = &block.convs[conv].values;
                sum.convs[conv].values.iter_mut().zip(added).for_each(|(sum, value)| *sum += value);
            }
        }
        sum
    }

    fn shares(&self, conv: usize) -> bool {
        self.convs.contains(&conv)
    }

    /// The inner product of what is shared.
    fn alike(&self, block: &HiddenBlock, target: &HiddenBlock) -> f64 {
        let convs = self.convs.iter().map(|&conv| (&block.convs[conv], &target.convs[conv]));
        convs.map(|(a, b)| dot(&a.values, &b.values)).sum()
    }

    /// Puts the first channels of a bottleneck in an order by what no order of the second ones changes: how
    /// large the filters' numbers are, tap by tap.
    fn start(&self, block: &mut HiddenBlock, target: &HiddenBlock) {
        if block.is_depthwise() || !self.shares(1) {
            return;
        }
        let profiles = |block: &HiddenBlock| {
            let conv = &block.convs[1];
            let (area, filters) = (conv.area(), conv.shape[0]);
            let rows = conv.by_inputs();
            let profiles = rows.chunks_exact(area * filters).flat_map(|row| {
                let mut taps: Vec<f64> = Vec::with_capacity(row.len());
                for tap in 0..area {
                    let mut sizes: Vec<f64> =
                        row[tap..].iter().step_by(area).map(|number| number.abs()).collect();
                    sizes.sort_unstable_by(f64::total_cmp);
                    taps.extend(sizes);
                }
                taps
            });
            profiles.collect::<Vec<f64>>()
        };
        let channels = block.convs[1].shape[1];
        let [a, b] = [profiles(target), profiles(block)];
        let length = a.len() / channels;
        let mut scores = self.products(&a, &b, length);
        // Nearest profiles, not those of the largest product.
        let squares: Vec<f64> = b.chunks_exact(length).map(|row| 0.5 * dot(row, row)).collect();
        for row in scores.chunks_exact_mut(channels) {
            row.iter_mut().zip(&squares).for_each(|(score, square)| *score -= square);
        }
        block.reorder(0, &assignment(&scores, channels));
    }

    /// Puts a block's channels in order by turns, until what is shared is no more like the target's. The
    /// inner product of both.
    fn improve(&self, block: &mut HiddenBlock, target: &HiddenBlock) -> f64 {
        let mut alike = f64::NEG_INFINITY;
        for _ in 0..TURNS {
            if block.is_depthwise() {
                self.reorder_outputs(block, target, 0, 2);
            } else {
                // Before the orders of the first channels come those of the second: a start by profiles
                // knows the first ones only.
                self.reorder_outputs(block, target, 1, 2);
                let (a, b) = (&target.convs[1], &block.convs[1]);
                let length = a.shape[0] * a.area();
                let scores = self.products(&a.by_inputs(), &b.by_inputs(), length);
                block.reorder(0, &assignment(&scores, a.shape[1]));
            }
            self.turn_signs(block, target);
            let now = self.alike(block, target);
            if now <= alike + LEAST_GAIN * alike.abs() {
                return now;
            }
            alike = now;
        }
        alike
    }

    /// Puts the filters of a convolution in order, and the channels of the one that they go into.
    fn reorder_outputs(
        &self,
        block: &mut HiddenBlock,
        target: &HiddenBlock,
        conv: usize,
        next: usize,
    ) {
        let (a, b) = (&target.convs[conv], &block.convs[conv]);
        // Signs are free: the norm after the convolution takes them back.
        let mut scores: Vec<f64> = self.products(&a.values, &b.values, a.length());
        scores.iter_mut().for_each(|score| *score = score.abs());
        if self.shares(next) {
            let (a, b) = (&target.convs[next], &block.convs[next]);
            let length = a.shape[0] * a.area();
            let added = self.products(&a.by_inputs(), &b.by_inputs(), length);
            scores.iter_mut().zip(added).for_each(|(score, added)| *score += added);
        }
        let hidden = if block.is_depthwise() { 0 } else { conv };
        block.reorder(hidden, &assignment(&scores, a.shape[0]));
        self.turn_signs(block, target);
    }

    /// Turns filters over that point away from the target's.
    fn turn_signs(&self, block: &mut HiddenBlock, target: &HiddenBlock) {
        for &conv in self.convs {
            let rows = block.convs[conv].rows().zip(target.convs[conv].rows());
            let signs: Vec<f64> =
                rows.map(|(a, b)| if dot(a, b) < 0.0 { -1.0 } else { 1.0 }).collect();
            block.scale_filters(conv, &signs);
        }
    }

    /// The inner products of rows of one list with those of another, in 32 bits: they decide an order only.
    fn products(&self, a: &[f64], b: &[f64], length: usize) -> Vec<f64> {
        let rows = |values: &[f64]| {
            let numbers: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            let shape = [numbers.len() / length, length];
            Tensor::<2>::from_data(TensorData::new(numbers, shape), self.device)
        };
        rows(a).matmul(rows(b).transpose()).into_data().iter::<f64>().collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
