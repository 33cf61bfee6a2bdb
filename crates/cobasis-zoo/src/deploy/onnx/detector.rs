//! What only detectors have.

use super::proto::{Attribute, Value};
use super::writer::Writer;
use crate::detector::{BoxCoding, Point};

/// Each pixel twice down and across, cut to `[height, width]`.
pub(super) fn write_upsampling(
    to: &mut Writer,
    name: &str,
    [height, width]: [usize; 2],
    inputs: Vec<String>,
) -> String {
    let scales = to.floats("doubled", &[4], &[1.0, 1.0, 2.0, 2.0]);
    // No region of interest. The nearest pixel is the operator's default.
    let operands = vec![inputs[0].clone(), String::new(), scales];
    let x = to.apply("Resize", format!("{name}/Resize"), operands, vec![]);
    if height.is_multiple_of(2) && width.is_multiple_of(2) {
        return x;
    }
    let ranges = [[0, 0], [height as i64, width as i64], [2, 3]];
    let mut operands = vec![x];
    operands.extend(ranges.map(|numbers| to.integers(&numbers)));
    to.apply("Slice", format!("{name}/Slice"), operands, vec![])
}

/// The predictions of levels, of `classes` classes each, as two outputs of the graph: `boxes` and
/// `scores`.
pub(super) fn write(
    to: &mut Writer,
    coding: BoxCoding,
    classes: usize,
    points: &[Point],
    levels: Vec<String>,
) {
    let level = |to: &mut Writer, (index, x): (usize, String)| {
        let at = |what: &str| format!("head/levels.{index}/{what}");
        let last = vec![Attribute::ints("perm", &[0, 2, 3, 1])];
        let x = to.apply("Transpose", at("ChannelsLast"), vec![x], last);
        let shape = to.integers(&[0, -1, 5 + classes as i64]);
        to.apply("Reshape", at("Points"), vec![x, shape], vec![])
    };
    let levels = levels.into_iter().enumerate().map(|one| level(to, one)).collect();
    let all = join(to, "Points", 1, levels);

    let constants = |of: fn(&Point) -> Vec<f32>| points.iter().flat_map(of).collect::<Vec<f32>>();
    let strides = constants(|point| vec![point.stride]);
    let centres = constants(|point| vec![point.x, point.y]);
    // Predicted centres count from the upper left corner of the pixel.
    let corners =
        constants(|point| vec![point.x - point.stride / 2.0, point.y - point.stride / 2.0]);
    let count = points.len();
    let strides = to.floats("head/strides", &[count, 1], &strides);
    let [first, second] = [("first", [0, 2]), ("second", [2, 4])].map(|(name, range)| {
        let x = cut(to, name, &all, range);
        (name, x)
    });
    let edges = match coding {
        BoxCoding::Centre => {
            let corners = to.floats("head/corners", &[count, 2], &corners);
            let half = to.floats("head/half", &[], &[0.5]);
            let centre = apply(to, "Mul", "CentreInPixels", [&first.1, &strides]);
            let centre = apply(to, "Add", "Centre", [&centre, &corners]);
            let size = one(to, "Exp", "Size", &second.1);
            let size = apply(to, "Mul", "SizeInPixels", [&size, &strides]);
            let half = apply(to, "Mul", "HalfSize", [&size, &half]);
            let from = apply(to, "Sub", "From", [&centre, &half]);
            vec![from, apply(to, "Add", "To", [&centre, &half])]
        }
        BoxCoding::Sides => {
            let centres = to.floats("head/centres", &[count, 2], &centres);
            let [before, after] = [&first, &second].map(|(name, x)| {
                let x = one(to, "Exp", &format!("{name}Distance"), x);
                apply(to, "Mul", &format!("{name}InPixels"), [&x, &strides])
            });
            let from = apply(to, "Sub", "From", [&centres, &before]);
            vec![from, apply(to, "Add", "To", [&centres, &after])]
        }
    };
    let axis = vec![Attribute::int("axis", 2)];
    let boxes = to.apply("Concat", "boxes".to_string(), edges, axis);
    let quality = cut(to, "quality", &all, [4, 5]);
    let quality = one(to, "Sigmoid", "Quality", &quality);
    let of_classes = cut(to, "classes", &all, [5, 5 + classes as i64]);
    let of_classes = one(to, "Sigmoid", "Classes", &of_classes);
    let scores = to.apply("Mul", "scores".to_string(), vec![quality, of_classes], vec![]);
    to.graph.output.push(Value::batch_of(&boxes, &[count, 4]));
    to.graph.output.push(Value::batch_of(&scores, &[count, classes]));
}

fn at(name: &str) -> String {
    format!("head/{name}")
}

fn one(to: &mut Writer, operator: &str, name: &str, x: &str) -> String {
    to.apply(operator, at(name), vec![x.to_string()], vec![])
}

fn apply(to: &mut Writer, operator: &str, name: &str, operands: [&String; 2]) -> String {
    to.apply(operator, at(name), operands.map(String::clone).to_vec(), vec![])
}

fn join(to: &mut Writer, name: &str, axis: usize, operands: Vec<String>) -> String {
    to.apply("Concat", at(name), operands, vec![Attribute::int("axis", axis)])
}

/// These numbers of each point.
fn cut(to: &mut Writer, name: &str, x: &str, [from, until]: [i64; 2]) -> String {
    let mut operands = vec![x.to_string()];
    operands.extend([[from], [until], [2]].map(|numbers| to.integers(&numbers)));
    to.apply("Slice", at(name), operands, vec![])
}
