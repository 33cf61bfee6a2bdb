//! From a plan and a file to a graph, or to what is wrong with them.

mod conv;

use std::collections::BTreeMap;

use cobasis_kernels::Activation;

use super::{Conv, Graph, Node, Op};
use crate::error::{Error, short};
use crate::plan::{self, Plan, Then, Windows};
use crate::safetensors::{File, Tensor};

/// Nodes of a network; the largest have a thousand.
const MAX_NODES: usize = 20_000;
/// Channels of maps, classes, and sides of filters and windows.
const MAX_SIDE: usize = 1 << 16;
/// The graph of a plan with the tensors of its file.
///
/// # Errors
///
/// The first node or tensor that does not fit.
pub(crate) fn check(plan: Plan, file: &File) -> Result<Graph, Error> {
    let count = plan.nodes.len();
    if !(2..=MAX_NODES).contains(&count) {
        let problem = format!("expected from 2 to {MAX_NODES} nodes, got {count}");
        return Err(Error::Plan(problem));
    }
    let mut checker = Checker {
        file,
        nodes: Vec::with_capacity(count),
        used: vec![false; count],
        tensors: Vec::new(),
        numbers: BTreeMap::new(),
        weights: 0,
        channels: plan.channels,
        count,
    };
    for (number, node) in plan.nodes.into_iter().enumerate() {
        let at = node.at.clone();
        let checked = checker.node(number, node).map_err(|problem| problem.of(number, at))?;
        checker.nodes.push(checked);
    }
    if let Some(number) = checker.used[..count - 1].iter().position(|used| !used) {
        let at = checker.nodes[number].at.clone();
        let problem = "expected a node that takes its output, got none".to_string();
        return Err(Error::Node { node: number, at, problem });
    }
    if let Some(name) = file.names().find(|name| !checker.numbers.contains_key(*name)) {
        let problem = "expected a node that uses it, got none".to_string();
        return Err(Error::Tensor { name: name.to_string(), problem });
    }
    let Checker { nodes, mut tensors, .. } = checker;
    check_boxes(plan.boxes.as_ref(), &nodes)?;
    transpose_classifier(&nodes, &mut tensors);
    Ok(Graph { nodes, tensors, boxes: plan.boxes })
}

/// What is wrong with a node.
enum Problem {
    Node(String),
    Tensor { name: String, problem: String },
}

impl Problem {
    fn of(self, node: usize, at: String) -> Error {
        match self {
            Problem::Node(problem) => Error::Node { node, at, problem },
            Problem::Tensor { name, problem } => Error::Tensor { name, problem },
        }
    }
}

fn wrong<T>(problem: String) -> Result<T, Problem> {
    Err(Problem::Node(problem))
}

struct Checker<'a> {
    file: &'a File<'a>,
    nodes: Vec<Node>,
    /// Whether a node takes the output of each.
    used: Vec<bool>,
    tensors: Vec<Tensor>,
    /// The numbers of tensors by their names.
    numbers: BTreeMap<String, usize>,
    weights: usize,
    /// The images' channels.
    channels: usize,
    count: usize,
}

impl Checker<'_> {
    fn node(&mut self, number: usize, node: plan::Node) -> Result<Node, Problem> {
        let plan::Node { at, op, inputs, then } = node;
        for &input in &inputs {
            if input >= number {
                return wrong(format!("expected inputs before it, got node {input}"));
            }
            if matches!(self.nodes[input].op, Op::Linear { .. } | Op::Pixels) {
                return wrong(format!("expected maps as inputs, got the output of node {input}"));
            }
            self.used[input] = true;
        }
        let expected = match op {
            plan::Op::Input => 0..=0,
            plan::Op::Conv(_) => 1..=2,
            plan::Op::Add | plan::Op::Upsample => 2..=2,
            plan::Op::Concat | plan::Op::Pixels => 1..=self.count,
            _ => 1..=1,
        };
        if !expected.contains(&inputs.len()) {
            let (least, most) = (expected.start(), expected.end());
            return wrong(format!("expected from {least} to {most} inputs, got {}", inputs.len()));
        }
        let is_first = matches!(op, plan::Op::Input);
        if is_first != (number == 0) {
            return wrong("expected the images as the first node, and nowhere else".to_string());
        }
        let is_last = matches!(op, plan::Op::Linear { .. } | plan::Op::Pixels);
        if is_last != (number + 1 == self.count) {
            let problem =
                "expected a classifier or a detector's pixels as the last node, and nowhere else";
            return wrong(problem.to_string());
        }
        let activates = matches!(op, plan::Op::Conv(_) | plan::Op::Affine { .. } | plan::Op::Add);
        if then != Then::None && !activates {
            return wrong(format!("expected nothing applied to its output, got {then:?}"));
        }
        let channels: Vec<usize> = inputs.iter().map(|&input| self.nodes[input].channels).collect();
        let (op, channels) = self.op(op, &channels)?;
        if !(1..=MAX_SIDE).contains(&channels) {
            return wrong(format!("expected from 1 to {MAX_SIDE} channels, got {channels}"));
        }
        let then = match then {
            Then::None => Activation::None,
            Then::Relu => Activation::Relu,
            Then::Relu6 => Activation::Relu6,
        };
        Ok(Node { at, op, inputs, then, channels })
    }

    /// The operation and the channels of its output, for inputs of these channels.
    fn op(&mut self, op: plan::Op, inputs: &[usize]) -> Result<(Op, usize), Problem> {
        let first = inputs.first().copied().unwrap_or(0);
        Ok(match op {
            plan::Op::Input => (Op::Input, self.channels),
            plan::Op::Conv(conv) => self.conv(conv, inputs)?,
            plan::Op::Affine { scale, shift } => {
                let scale = self.tensor(&scale, &[first])?;
                (Op::Affine { scale, shift: self.tensor(&shift, &[first])? }, first)
            }
            plan::Op::Add => {
                same(inputs)?;
                (Op::Add, first)
            }
            plan::Op::Concat => {
                let sum = inputs.iter().try_fold(0usize, |sum, &one| sum.checked_add(one));
                (Op::Concat, sum.unwrap_or(usize::MAX))
            }
            plan::Op::MaxPool(windows) => (Op::MaxPool(checked(windows)?), first),
            plan::Op::AvgPool(windows) => (Op::AvgPool(checked(windows)?), first),
            plan::Op::Pad { stride, before, after } => {
                side("a stride", stride)?;
                let sum = first.checked_add(before).and_then(|sum| sum.checked_add(after));
                (Op::Pad { stride, before }, sum.unwrap_or(usize::MAX))
            }
            plan::Op::Attention { filter } => {
                let name = filter;
                let shape = self.shape(&name)?;
                let &[1, 1, taps] = shape.as_slice() else {
                    return wrong_shape(name, "[1, 1, neighbours]", &shape);
                };
                if taps % 2 == 0 || taps > MAX_SIDE {
                    return wrong_shape(name, "an odd number of neighbours", &shape);
                }
                (Op::Attention { filter: self.tensor(&name, &shape)? }, first)
            }
            plan::Op::Upsample => {
                same(inputs)?;
                (Op::Upsample, first)
            }
            plan::Op::GlobalAverage => (Op::GlobalAverage, first),
            plan::Op::Linear { weight, bias } => {
                let shape = self.shape(&weight)?;
                let &[channels, outputs] = shape.as_slice() else {
                    return wrong_shape(weight, "[inputs, outputs]", &shape);
                };
                if channels != first || !(1..=MAX_SIDE).contains(&outputs) {
                    let expected = format!("[{first}, from 1 to {MAX_SIDE}]");
                    return wrong_shape(weight, &expected, &shape);
                }
                let weight = Conv {
                    banks: vec![self.tensor(&weight, &shape)?],
                    scale: None,
                    bias: Some(self.tensor(&bias, &[outputs])?),
                    kernel: [1, 1],
                    stride: [1, 1],
                    padding: [0, 0],
                    groups: 1,
                    before: None,
                    expansion: None,
                };
                (Op::Linear { weight }, outputs)
            }
            plan::Op::Pixels => {
                same(inputs)?;
                (Op::Pixels, first)
            }
        })
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>, Problem> {
        let missing = || Problem::Tensor {
            name: name.to_string(),
            problem: "expected in the file, which has no such tensor".to_string(),
        };
        self.file.shape(name).map(<[usize]>::to_vec).ok_or_else(missing)
    }

    /// The number of the tensor of this name, which is to have this shape.
    fn tensor(&mut self, name: &str, expected: &[usize]) -> Result<usize, Problem> {
        let shape = self.shape(name)?;
        if shape != expected {
            return wrong_shape(name.to_string(), &format!("{expected:?}"), &shape);
        }
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        let tensor = self.file.tensor(name);
        let unreadable = |error: Error| {
            let (name, problem) = (name.to_string(), error.to_string());
            Problem::Tensor { name, problem }
        };
        self.tensors.push(tensor.map_err(unreadable)?);
        self.numbers.insert(name.to_string(), self.tensors.len() - 1);
        Ok(self.tensors.len() - 1)
    }
}

fn wrong_shape<T>(name: String, expected: &str, got: &[usize]) -> Result<T, Problem> {
    let got = short(&format!("{got:?}"));
    Err(Problem::Tensor { name, problem: format!("expected the shape {expected}, got {got}") })
}

fn same(inputs: &[usize]) -> Result<(), Problem> {
    match inputs.iter().find(|&&input| input != inputs[0]) {
        Some(other) => wrong(format!("expected inputs of {} channels, got {other}", inputs[0])),
        None => Ok(()),
    }
}

fn side(what: &str, got: usize) -> Result<(), Problem> {
    match (1..=MAX_SIDE).contains(&got) {
        true => Ok(()),
        false => wrong(format!("expected {what} from 1 to {MAX_SIDE}, got {got}")),
    }
}

fn checked(windows: Windows) -> Result<Windows, Problem> {
    let Windows { size, stride, padding } = windows;
    size.into_iter().chain(stride).try_for_each(|one| side("sides and strides of windows", one))?;
    match (0..2).any(|axis| padding[axis] >= size[axis]) {
        true => wrong(format!("expected a padding smaller than {size:?}, got {padding:?}")),
        false => Ok(windows),
    }
}

/// Whether the numbers of a detector can be boxes.
fn check_boxes(boxes: Option<&plan::Boxes>, nodes: &[Node]) -> Result<(), Error> {
    let (Some(boxes), Some((number, last))) = (boxes, nodes.iter().enumerate().next_back()) else {
        return Ok(());
    };
    let fits = matches!(last.op, Op::Pixels)
        && boxes.strides.len() == last.inputs.len()
        && last.channels > 5
        && boxes.strides.iter().all(|stride| (1..=MAX_SIDE).contains(stride));
    if fits {
        return Ok(());
    }
    let problem = format!(
        "expected, for boxes, pixels of at least 6 channels and a stride for each of its {} inputs, got {} \
         channels and {} strides",
        last.inputs.len(),
        last.channels,
        boxes.strides.len()
    );
    Err(Error::Node { node: number, at: last.at.clone(), problem })
}

/// Brings the weights of a classifier into the order of filters, `[outputs, inputs]`.
fn transpose_classifier(nodes: &[Node], tensors: &mut [Tensor]) {
    let Some(Node { op: Op::Linear { weight }, .. }) = nodes.last() else { return };
    let Tensor { shape, values, .. } = &mut tensors[weight.banks[0]];
    let [inputs, outputs] = [shape[0], shape[1]];
    *shape = vec![outputs, inputs, 1, 1];
    let from = |place: usize| values[place % inputs * outputs + place / inputs];
    *values = (0..inputs * outputs).map(from).collect();
}
