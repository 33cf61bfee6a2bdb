//! Groups of few filters, computed as fewer groups of more: a vector that would hold the filters of one group
//! holds those of several, each with zeros for the inputs of the others.

use super::ConvShape;
use super::panels::DOTS;

/// How many groups are merged into one, for vectors of so many values.
pub fn factor(shape: &ConvShape, lanes: usize) -> usize {
    let (inputs, outputs) = (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
    // Sums along many inputs leave no part of a vector empty.
    if outputs <= DOTS && inputs >= lanes {
        return 1;
    }
    let most = (lanes / outputs).max(1);
    (1..=most).rev().find(|factor| shape.groups.is_multiple_of(*factor)).unwrap_or(1)
}

/// A weight `[filters, inputs, area]` of groups of so many filters, with so many groups merged.
pub fn merge(weight: &[f32], [outputs, inputs, area]: [usize; 3], factor: usize) -> Vec<f32> {
    let size = inputs * area;
    let mut merged = vec![0.0; weight.len() * factor];
    let filters = weight.chunks_exact(size).zip(merged.chunks_exact_mut(factor * size));
    for (index, (filter, to)) in filters.enumerate() {
        let part = index / outputs % factor;
        to[part * size..][..size].copy_from_slice(filter);
    }
    merged
}

/// The weight that [`merge`] was given.
pub fn part(merged: &[f32], [outputs, inputs, area]: [usize; 3], factor: usize) -> Vec<f32> {
    let size = inputs * area;
    let filters = merged.chunks_exact(factor * size).enumerate();
    filters
        .flat_map(|(index, filter)| &filter[index / outputs % factor * size..][..size])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_fill_vectors_and_part_again() {
        let shape = |channels_in, channels_out, groups| ConvShape {
            batch: 1,
            size: [4, 4],
            channels_in,
            channels_out,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            groups,
        };
        for (channels_in, channels_out, groups, expected) in [
            (128, 128, 32, 4),
            (128, 64, 16, 4),
            (256, 256, 32, 2),
            (512, 512, 32, 1),
            (1024, 32, 8, 1),
            (12, 18, 6, 3),
            (35, 35, 7, 1),
        ] {
            assert_eq!(factor(&shape(channels_in, channels_out, groups), 16), expected);
        }
        // Four filters of two inputs and one tap, in groups of one.
        let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let merged = merge(&weight, [1, 2, 1], 2);
        let expected =
            [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0, 7.0, 8.0];
        assert_eq!(merged, expected);
        assert_eq!(part(&merged, [1, 2, 1], 2), weight);
    }
}
