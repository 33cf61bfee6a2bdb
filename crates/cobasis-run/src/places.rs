//! Where maps lie: buffers are used again when what was in them is not needed any more, and maps that are
//! joined are written where they end up.

use crate::graph::{Graph, Node, Op};

/// Where the output of a node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The buffer.
    pub(crate) buffer: usize,
    /// Its first number there.
    pub(crate) first: usize,
    /// Numbers from a pixel to the next.
    pub(crate) stride: usize,
}

/// The places of all nodes' outputs.
#[derive(Debug)]
pub(crate) struct Places {
    /// For each node; that of the last one is not used, since outputs have memory of their own.
    pub(crate) of: Vec<Place>,
    /// Numbers of each buffer, for one image.
    pub(crate) buffers: Vec<usize>,
}

/// Whether a node can write pixels that are only some channels of larger maps.
fn writes_parts(node: &Node) -> bool {
    match node.op {
        // What is added lies as the output does.
        Op::Conv(_) => node.inputs.len() == 1,
        Op::Input
        | Op::Affine { .. }
        | Op::Concat
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::Pad { .. }
        | Op::Attention { .. }
        | Op::Upsample => true,
        Op::Add | Op::GlobalAverage | Op::Linear { .. } | Op::Pixels | Op::Gone => false,
    }
}

/// Whether it can read such pixels as the first of its inputs, or as another one.
fn reads_parts(node: &Node, is_first: bool) -> bool {
    match &node.op {
        Op::Conv(conv) => conv.before.is_some() && is_first,
        Op::Affine { .. }
        | Op::Concat
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::Pad { .. }
        | Op::Attention { .. }
        | Op::Upsample
        | Op::GlobalAverage
        | Op::Pixels => true,
        Op::Input | Op::Add | Op::Linear { .. } | Op::Gone => false,
    }
}

/// The maps of which each node's output is a part.
struct Wholes {
    /// For each node: the node of the maps, itself unless it is joined with others, and its first channel
    /// there.
    of: Vec<(usize, usize)>,
    /// Of how many nodes the maps of each consist.
    parts: Vec<usize>,
}

impl Wholes {
    fn new(graph: &Graph) -> Self {
        let nodes = &graph.nodes;
        let mut can: Vec<bool> = nodes.iter().map(writes_parts).collect();
        let mut takers = vec![Vec::new(); nodes.len()];
        for (number, node) in nodes.iter().enumerate() {
            for (place, &input) in node.inputs.iter().enumerate() {
                // What is joined with itself lies in two places.
                let twice = takers[input].last() == Some(&number);
                can[input] &= reads_parts(node, place == 0) && !twice;
                takers[input].push(number);
            }
        }
        let mut of: Vec<(usize, usize)> = (0..nodes.len()).map(|node| (node, 0)).collect();
        // What joins comes after what is joined: the largest maps first.
        for (number, node) in nodes.iter().enumerate().rev() {
            if !matches!(node.op, Op::Concat) {
                continue;
            }
            let (whole, mut channel) = of[number];
            for &part in &node.inputs {
                // No node reads from the maps that it writes to, and no part lies there twice.
                let outside = |other: &usize| *other == number || of[*other].0 != whole;
                let apart =
                    takers[part].iter().all(outside) && nodes[part].inputs.iter().all(outside);
                if can[part] && apart {
                    of[part] = (whole, channel);
                }
                can[part] = false;
                channel += nodes[part].channels;
            }
        }
        let mut parts = vec![0; nodes.len()];
        of.iter().for_each(|&(whole, _)| parts[whole] += 1);
        Self { of, parts }
    }

    /// The maps of a node's output.
    fn of(&self, node: usize) -> usize {
        self.of[node].0
    }

    /// Whether a node's output lies alone.
    fn is_alone(&self, node: usize) -> bool {
        self.of(node) == node && self.parts[node] == 1
    }
}

/// Buffers that are taken and given back.
#[derive(Default)]
struct Buffers {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Buffers {
    fn take(&mut self, size: usize) -> usize {
        // The smallest that is large enough, or the largest, which becomes larger.
        let key = |&place: &usize| self.sizes[self.free[place]];
        let places = 0..self.free.len();
        let enough = places.clone().filter(|place| key(place) >= size);
        let buffer = match enough.min_by_key(key).or(places.max_by_key(key)) {
            Some(place) => self.free.swap_remove(place),
            None => {
                self.sizes.push(0);
                self.sizes.len() - 1
            }
        };
        self.sizes[buffer] = self.sizes[buffer].max(size);
        buffer
    }
}

impl Places {
    /// Places for maps of these heights and widths.
    pub(crate) fn new(graph: &Graph, sizes: &[[usize; 2]]) -> Self {
        let nodes = &graph.nodes;
        let wholes = Wholes::new(graph);
        // Maps are there from their first part on until the last use of any.
        let mut last: Vec<usize> = vec![0; nodes.len()];
        for (number, node) in nodes.iter().enumerate() {
            for part in node.inputs.iter().copied().chain([number]) {
                last[wholes.of(part)] = number;
            }
        }
        let mut ends = vec![Vec::new(); nodes.len()];
        (0..nodes.len()).for_each(|whole| ends[last[whole]].push(whole));
        let mut buffers = Buffers::default();
        let mut held: Vec<Option<usize>> = vec![None; nodes.len()];
        let mut buffer_of = vec![usize::MAX; nodes.len()];
        for number in 0..nodes.len() - 1 {
            let whole = wholes.of(number);
            if buffer_of[whole] == usize::MAX && !matches!(nodes[number].op, Op::Gone) {
                let over = written_over(graph, number, &wholes, &last);
                let [height, width] = sizes[number];
                let size = height * width * nodes[whole].channels;
                let taken = over.and_then(|input| held[input].take());
                let buffer = taken.unwrap_or_else(|| buffers.take(size));
                (buffer_of[whole], held[whole]) = (buffer, Some(buffer));
            }
            // Only now: a node does not write where it reads, but on purpose.
            buffers.free.extend(ends[number].iter().filter_map(|&whole| held[whole].take()));
        }
        let place = |node: usize| {
            let (whole, first) = wholes.of[node];
            Place { buffer: buffer_of[whole], first, stride: nodes[whole].channels }
        };
        Self { of: (0..nodes.len()).map(place).collect(), buffers: buffers.sizes }
    }
}

/// The input that a node may write over: maps of the same size that lie alone, at their last use.
fn written_over(graph: &Graph, number: usize, wholes: &Wholes, last: &[usize]) -> Option<usize> {
    let node = &graph.nodes[number];
    if !wholes.is_alone(number) {
        return None;
    }
    let may = |input: &&usize| wholes.is_alone(**input) && last[**input] == number;
    match node.op {
        Op::Affine { .. } => node.inputs.iter().find(may).copied(),
        // What is added may become the output, what is convolved may not.
        Op::Conv(_) if node.inputs.len() == 2 && node.inputs[0] != node.inputs[1] => {
            node.inputs[1..].iter().find(may).copied()
        }
        Op::Add if node.inputs[0] != node.inputs[1] => node.inputs.iter().find(may).copied(),
        _ => None,
    }
}
