//! The points of a detector, and from predictions at them to boxes.

use burn::tensor::{Tensor, TensorData, s};

use super::config::BoxCoding;

/// A place at which a detector predicts: the middle of a pixel of one of its levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Pixels of the picture from its left edge.
    pub x: f32,
    /// Pixels of the picture from its upper edge.
    pub y: f32,
    /// Pixels of the picture from a point of the level to the next.
    pub stride: f32,
}

/// The points of levels of these strides and sizes, `[height, width]`: row by row, level after level.
pub(crate) fn points(strides: &[usize], sizes: impl Iterator<Item = [usize; 2]>) -> Vec<Point> {
    let levels = strides.iter().zip(sizes).flat_map(|(&stride, [height, width])| {
        let stride = stride as f32;
        let at = move |index: usize| (index as f32 + 0.5) * stride;
        (0..height).flat_map(move |row| {
            (0..width).map(move |column| Point { x: at(column), y: at(row), stride })
        })
    });
    levels.collect()
}

/// The edges of boxes in the place of predicted numbers, in predictions of shape
/// `[batch, points × (5 + classes)]`.
pub(crate) fn decode(coding: BoxCoding, predictions: Tensor<2>, points: &[Point]) -> Tensor<2> {
    let [batch, numbers] = predictions.dims();
    let device = predictions.device();
    let count = points.len();
    let constant = |of: fn(&Point) -> Vec<f32>| -> Tensor<3> {
        let values: Vec<f32> = points.iter().flat_map(of).collect();
        let columns = values.len() / count;
        Tensor::from_data(TensorData::new(values, [1, count, columns]), &device)
    };
    let centres = constant(|point| vec![point.x, point.y]);
    let strides = constant(|point| vec![point.stride]);
    let all = predictions.reshape([batch, count, numbers / count]);
    let first = all.clone().slice(s![.., .., 0..2]);
    let second = all.clone().slice(s![.., .., 2..4]);
    let rest = all.slice(s![.., .., 4..]);
    let [from, to] = match coding {
        BoxCoding::Centre => {
            // Predictions count from the upper left corner of the pixel.
            let centre = (first - 0.5) * strides.clone() + centres;
            let half = second.exp() * strides * 0.5;
            [centre.clone() - half.clone(), centre + half]
        }
        BoxCoding::Sides => {
            let before = first.exp() * strides.clone();
            let after = second.exp() * strides;
            [centres.clone() - before, centres + after]
        }
    };
    Tensor::cat(vec![from, to, rest], 2).reshape([batch, numbers])
}
