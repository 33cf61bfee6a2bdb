//! Inner filters of factorised layers that do nothing, taken out.

use super::compose::factorised;
use super::{Conv, Filters, Graph};

/// Which inner filters of factorised layers stay.
pub(crate) enum Stay<'a> {
    /// Those that do something: neither all weights are zero nor all coefficients. A layer keeps one.
    Live,
    /// So many of each layer, the first ones.
    First(&'a [usize]),
}

/// Takes inner filters out of the factorised layers that have filters of their own only. How many are
/// left in each, in the order of the layers.
pub(crate) fn strip(graph: &mut Graph, stay: &Stay) -> Vec<usize> {
    let uses = graph.uses();
    let mut left = Vec::new();
    for index in 0..graph.nodes.len() {
        let Some(chain) = factorised(graph, &uses, index) else { continue };
        let &[(_, first), (_, second)] = chain.as_slice() else { continue };
        let (Some(filters), Some(matrix)) = (own(&graph.convs[first]), own(&graph.convs[second]))
        else {
            continue;
        };
        let inner = filters.shape[0];
        let keep: Vec<usize> = match stay {
            Stay::Live => live(filters, matrix),
            Stay::First(counts) => {
                (0..counts.get(left.len()).copied().unwrap_or(inner).min(inner)).collect()
            }
        };
        left.push(keep.len());
        if keep.len() < inner {
            let (filters, matrix) = (rows(filters, &keep), columns(matrix, &keep));
            let cut = |numbers: &Vec<f64>| keep.iter().map(|&row| numbers[row]).collect();
            let conv = &mut graph.convs[first];
            (conv.own, conv.bias) = (Some(filters), conv.bias.as_ref().map(cut));
            graph.convs[second].own = Some(matrix);
        }
    }
    left
}

/// Filters that are all of a convolution's.
fn own(conv: &Conv) -> Option<&Filters> {
    conv.own.as_ref().filter(|_| conv.bases.is_empty() && conv.scale.is_none())
}

fn live(filters: &Filters, matrix: &Filters) -> Vec<usize> {
    let inner = filters.shape[0];
    let does = |row: &usize| {
        let column = || matrix.values.iter().skip(*row).step_by(inner);
        let filter = filters.values.chunks_exact(filters.size()).nth(*row);
        filter.is_some_and(|filter| filter.iter().any(|&value| value != 0.0))
            && column().any(|&value| value != 0.0)
    };
    let live: Vec<usize> = (0..inner).filter(does).collect();
    if live.is_empty() { vec![0] } else { live }
}

fn rows(filters: &Filters, keep: &[usize]) -> Filters {
    let size = filters.size();
    let values = keep.iter().flat_map(|&row| &filters.values[row * size..(row + 1) * size]);
    let [_, channels, height, width] = filters.shape;
    let shape = [keep.len(), channels, height, width];
    Filters { shape, values: values.copied().collect() }
}

fn columns(matrix: &Filters, keep: &[usize]) -> Filters {
    let [outputs, inner, ..] = matrix.shape;
    let rows = matrix.values.chunks_exact(inner);
    let values = rows.flat_map(|row| keep.iter().map(|&column| row[column]));
    Filters { shape: [outputs, keep.len(), 1, 1], values: values.collect() }
}
