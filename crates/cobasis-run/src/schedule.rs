//! All that is decided before a batch of a size is computed for the first time.

use std::sync::Arc;

use cobasis_kernels::conv::{ConvShape, PackedWeight};

use crate::boxes::{Point, points};
use crate::error::Error;
use crate::graph::{Conv, Graph, Op};
use crate::packed::Packed;
use crate::places::Places;
use crate::sizes::sizes;

/// Numbers of the buffers for one image; maps of larger networks would not fit machines.
const MAX_NUMBERS: usize = 1 << 31;

/// How batches of a size are computed.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) batch: usize,
    /// Height and width of the images, and of each node's output.
    pub(crate) image: [usize; 2],
    pub(crate) sizes: Vec<[usize; 2]>,
    pub(crate) places: Places,
    /// The convolutions, by their nodes.
    pub(crate) convs: Vec<Option<(ConvShape, Arc<PackedWeight>)>>,
    /// A detector's points.
    pub(crate) points: Vec<Point>,
}

impl Schedule {
    /// The schedule for so many images of a height and width.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network, or take more numbers than there can be.
    pub(crate) fn new(
        graph: &Graph,
        packed: &mut Packed,
        batch: usize,
        image: [usize; 2],
    ) -> Result<Self, Error> {
        let sizes = sizes(graph, image)?;
        let numbers = |node: usize| {
            let [height, width] = sizes[node];
            (height * width).checked_mul(graph.nodes[node].channels)
        };
        let too_large = || {
            let [height, width] = image;
            Error::Images(format!(
                "expected less than {MAX_NUMBERS} numbers for an image, which {batch} of {height} × {width} \
                 pixels take more of"
            ))
        };
        for node in 0..graph.nodes.len() {
            numbers(node).filter(|&numbers| numbers < MAX_NUMBERS).ok_or_else(too_large)?;
        }
        let places = Places::new(graph, &sizes);
        let total = places.buffers.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        let total = total.filter(|&total| total < MAX_NUMBERS).ok_or_else(too_large)?;
        total
            .checked_mul(batch)
            .filter(|&all| all < isize::MAX as usize / 4)
            .ok_or_else(too_large)?;
        let mut convs = Vec::with_capacity(graph.nodes.len());
        for (number, node) in graph.nodes.iter().enumerate() {
            convs.push(match &node.op {
                Op::Conv(conv) | Op::Linear { weight: conv } => {
                    let input = node.inputs[0];
                    let channels = [graph.nodes[input].channels, node.channels];
                    let shape = conv.shape(batch, sizes[input], channels);
                    Some((shape, packed.of(graph, number, conv, &shape)))
                }
                _ => None,
            });
        }
        let points = points(graph, &sizes);
        Ok(Self { batch, image, sizes, places, convs, points })
    }

    /// Numbers of the output for one image.
    pub(crate) fn outputs(&self, graph: &Graph) -> usize {
        outputs(graph, &self.sizes)
    }

    /// The pixels of a node's output in the whole batch.
    pub(crate) fn pixels(&self, node: usize) -> usize {
        let [height, width] = self.sizes[node];
        self.batch * height * width
    }
}

/// Numbers of the output for one image, for maps of these sizes.
pub(crate) fn outputs(graph: &Graph, sizes: &[[usize; 2]]) -> usize {
    let last = graph.nodes.len() - 1;
    sizes[last][0] * sizes[last][1] * graph.nodes[last].channels
}

impl Conv {
    fn shape(&self, batch: usize, size: [usize; 2], channels: [usize; 2]) -> ConvShape {
        let Self { kernel, stride, padding, groups, .. } = *self;
        let [channels_in, channels_out] = channels;
        ConvShape { batch, size, channels_in, channels_out, kernel, stride, padding, groups }
    }
}
