//! The most multiply-accumulates of layers whose ranks training finds.
//!
//! A layer keeps at least one inner filter, and filters are whole. How many weights may be left in all layers
//! together is known, and not in which of them: the most multiply-accumulates are left where filters stay
//! that are used at many positions.

use std::cmp::Reverse;

use cobasis::{CostRow, CostTable, Part};

/// Inner filters that take the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    /// Positions at which each weight is used.
    positions: u64,
    /// Weights of one, those of its column of coefficients with it.
    weights: u64,
    /// How many there are.
    count: u64,
}

/// What may be cut: the rows of both convolutions of each layer, the one of filters first.
pub(super) fn rows(table: &CostTable) -> impl Iterator<Item = &CostRow> {
    table.rows().iter().filter(|row| matches!(row.part, Part::Unique | Part::Coefficients))
}

/// The most multiply-accumulates of these layers with at most `limit` weights, or with one filter each
/// where that takes more.
pub(super) fn most_macs(table: &CostTable, limit: u64) -> u64 {
    let layers = layers(table);
    let [mut weights, mut macs] = [0, 0];
    let mut kinds: Vec<Kind> = Vec::new();
    for layer in layers {
        weights += layer.weights;
        macs += layer.weights * layer.positions;
        let more = layer.count - 1;
        let is_same =
            |kind: &&mut Kind| (kind.positions, kind.weights) == (layer.positions, layer.weights);
        match kinds.iter_mut().find(is_same) {
            Some(kind) => kind.count += more,
            None => kinds.push(Kind { count: more, ..layer }),
        }
    }
    kinds.sort_by_key(|kind| (Reverse(kind.positions), kind.count));
    macs + most(&kinds, limit.saturating_sub(weights))
}

/// Each layer, and how many filters it has.
fn layers(table: &CostTable) -> Vec<Kind> {
    let rows: Vec<&CostRow> = rows(table).collect();
    let mut layers = Vec::new();
    for pair in rows.chunks(2) {
        let Some([count, height, width]) = pair[0].output else { continue };
        let positions = (height * width) as u64;
        let count = count as u64;
        // Of an autoencoder, training has more parameters than are used at each position.
        let macs: u64 = pair.iter().map(|row| row.cost.macs).sum();
        layers.push(Kind { positions, weights: macs / positions / count, count });
    }
    layers
}

/// The most multiply-accumulates that filters with at most `free` weights take. The kinds come in the order
/// of their positions, the most first.
fn most(kinds: &[Kind], free: u64) -> u64 {
    let Some((kind, rest)) = kinds.split_first() else {
        return 0;
    };
    let next = rest.first().map_or(0, |kind| kind.positions);
    let mut best = 0;
    for taken in (0..=kind.count.min(free / kind.weights)).rev() {
        let (own, left) = (taken * kind.weights * kind.positions, free - taken * kind.weights);
        // With fewer of these, not even parts of filters would reach more.
        if best > 0 && own + left * next <= best {
            break;
        }
        best = best.max(own + most(rest, left));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_whole_and_those_of_many_positions_come_first() {
        let kind = |positions, weights, count| Kind { positions, weights, count };
        let chain = [kind(1024, 160, 120), kind(256, 320, 248), kind(64, 640, 504)];
        assert_eq!(most(&chain, 64_624), 1024 * 160 * 120 + 256 * 320 * 141);
        assert_eq!(most(&chain, 159), 0);
        assert_eq!(most(&chain, 319), 1024 * 160);
        // Two of the second kind are more than one of the first with nothing beside it.
        assert_eq!(most(&[kind(10, 6, 1), kind(9, 5, 2)], 10), 90);
        assert_eq!(most(&[], 10), 0);
    }
}
