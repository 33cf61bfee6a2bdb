//! A plan that was checked against its tensors: every node has inputs that come before it, of channels
//! that it takes.

mod check;
mod join;

pub(crate) use check::check;
pub(crate) use join::join;

use cobasis_kernels::Activation;

use crate::plan::{Boxes, Windows};
use crate::safetensors::Tensor;

/// A network that can be computed, but for the size of images.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) boxes: Option<Boxes>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: String,
    pub(crate) op: Op,
    pub(crate) inputs: Vec<usize>,
    pub(crate) then: Activation,
    /// Channels of its output.
    pub(crate) channels: usize,
}

/// What a node computes; tensors are numbers in the graph's list.
#[derive(Debug)]
pub(crate) enum Op {
    Input,
    Conv(Conv),
    Affine {
        scale: usize,
        shift: usize,
    },
    Add,
    Concat,
    MaxPool(Windows),
    AvgPool(Windows),
    Pad {
        stride: usize,
        before: usize,
    },
    Attention {
        filter: usize,
    },
    Upsample,
    GlobalAverage,
    Linear {
        weight: Conv,
    },
    Pixels,
    /// Nothing: another node does it.
    Gone,
}

/// A convolution, or a classifier as one.
#[derive(Debug)]
pub(crate) struct Conv {
    /// The filters, `[filters, channels / groups, height, width]`.
    pub(crate) banks: Vec<usize>,
    pub(crate) scale: Option<usize>,
    pub(crate) bias: Option<usize>,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) groups: usize,
    /// What is made of the first input on the way.
    pub(crate) before: Option<Before>,
    /// The convolution of single pixels whose output it takes, if both are computed together.
    pub(crate) expansion: Option<Box<Expansion>>,
}

/// A convolution of single pixels before a depthwise one.
#[derive(Debug)]
pub(crate) struct Expansion {
    /// Its node, which does nothing.
    pub(crate) node: usize,
    pub(crate) conv: Conv,
    pub(crate) then: Activation,
}

/// An affine map of each channel, and what is applied to its output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    pub(crate) scale: usize,
    pub(crate) shift: usize,
    pub(crate) then: Activation,
}

impl Graph {
    /// The numbers of a tensor.
    pub(crate) fn values(&self, tensor: usize) -> &[f32] {
        &self.tensors[tensor].values
    }

    /// The channels of the images.
    pub(crate) fn channels(&self) -> usize {
        self.nodes[0].channels
    }
}
