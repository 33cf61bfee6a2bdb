//! From a detector's numbers to boxes.

use crate::graph::{Graph, Op};
use crate::plan::{Boxes, Coding};

/// A place at which a detector predicts: the middle of a pixel of one of its levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Pixels of the image from its left edge.
    pub x: f32,
    /// Pixels of the image from its upper edge.
    pub y: f32,
    /// Pixels of the image from a point of the level to the next.
    pub stride: f32,
}

/// The points of a detector, row by row, level after level; none in a classifier.
pub(crate) fn points(graph: &Graph, sizes: &[[usize; 2]]) -> Vec<Point> {
    let (Some(Boxes { strides, .. }), Some(last)) = (&graph.boxes, graph.nodes.last()) else {
        return Vec::new();
    };
    if !matches!(last.op, Op::Pixels) {
        return Vec::new();
    }
    let levels = strides.iter().zip(&last.inputs).flat_map(|(&stride, &input)| {
        let ([height, width], stride) = (sizes[input], stride as f32);
        let at = move |index: usize| (index as f32 + 0.5) * stride;
        (0..height).flat_map(move |row| {
            (0..width).map(move |column| Point { x: at(column), y: at(row), stride })
        })
    });
    levels.collect()
}

/// Writes the edges of boxes (left, upper, right, lower, in pixels of the image) in the place of the numbers
/// of each point of an image.
pub(crate) fn decode(coding: Coding, points: &[Point], numbers: &mut [f32]) {
    let each = numbers.len() / points.len().max(1);
    for (numbers, &Point { x, y, stride }) in numbers.chunks_exact_mut(each).zip(points) {
        let &mut [first, second, third, fourth, ..] = numbers else { return };
        let edges = match coding {
            Coding::Centre => {
                // Predictions count from the upper left corner of the pixel.
                let centre = [(first - 0.5) * stride + x, (second - 0.5) * stride + y];
                let half = [third, fourth].map(|log| log.exp() * stride * 0.5);
                [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]]
            }
            Coding::Sides => {
                let [left, above, right, below] =
                    [first, second, third, fourth].map(|log| log.exp() * stride);
                [x - left, y - above, x + right, y + below]
            }
        };
        numbers[..4].copy_from_slice(&edges);
    }
}
