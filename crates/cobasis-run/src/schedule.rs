//! All that is decided before a batch of a size is computed for the first time.

use std::sync::Arc;

use cobasis_kernels::conv::{ConvShape, PackedWeight, Room};

use crate::boxes::{Point, points};
use crate::error::Error;
use crate::graph::{Conv, Graph, Op};
use crate::packed::Packed;
use crate::places::Places;
use crate::sizes::sizes;

/// Numbers of the buffers for one image; maps of larger networks would not fit machines.
const MAX_NUMBERS: usize = 1 << 31;

/// A convolution's sizes and filters.
pub(crate) type Packing = (ConvShape, Arc<PackedWeight>);

/// How batches of a size are computed.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) batch: usize,
    /// Height and width of the images, and of each node's output.
    pub(crate) image: [usize; 2],
    pub(crate) sizes: Vec<[usize; 2]>,
    pub(crate) places: Places,
    /// The convolutions, by their nodes.
    pub(crate) convs: Vec<Option<Packing>>,
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
        let (sizes, places) = layout(graph, batch, image)?;
        let mut convs = vec![None; graph.nodes.len()];
        for (number, node) in graph.nodes.iter().enumerate() {
            let (Op::Conv(conv) | Op::Linear { weight: conv }) = &node.op else { continue };
            let (size, mut channels) =
                (sizes[node.inputs[0]], graph.nodes[node.inputs[0]].channels);
            let mut add = |number: usize, conv: &Conv, channels: usize| {
                let shape = conv.shape(batch, size, [channels, node.channels]);
                convs[number] = Some((shape, packed.of(graph, number, conv, &shape)));
            };
            if let Some(expansion) = &conv.expansion {
                add(expansion.node, &expansion.conv, channels);
                channels = node.channels;
            }
            add(number, conv, channels);
        }
        let points = points(graph, &sizes);
        Ok(Self { batch, image, sizes, places, convs, points })
    }

    /// The memory that threads need for the convolutions.
    pub(crate) fn rooms(&self, graph: &Graph) -> impl Iterator<Item = Room> {
        self.convs.iter().zip(&graph.nodes).filter_map(|(conv, node)| {
            let (shape, weight) = conv.as_ref()?;
            match &node.op {
                Op::Gone => None,
                Op::Conv(conv) if conv.expansion.is_some() => Some(Room::of_expanded(shape)),
                _ => Some(Room::of(shape, weight)),
            }
        })
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

/// How large maps are for so many images of a height and width, and where they lie.
///
/// # Errors
///
/// If the images do not fit the network, or take more numbers than there can be.
fn layout(
    graph: &Graph,
    batch: usize,
    image: [usize; 2],
) -> Result<(Vec<[usize; 2]>, Places), Error> {
    let sizes = sizes(graph, image)?;
    let numbers = |node: usize| {
        let [height, width] = sizes[node];
        height.checked_mul(width)?.checked_mul(graph.nodes[node].channels)
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
    total.checked_mul(batch).filter(|&all| all < isize::MAX as usize / 4).ok_or_else(too_large)?;
    Ok((sizes, places))
}

/// Bytes of the buffers for one image of a height and width.
///
/// # Errors
///
/// If the image does not fit the network.
pub(crate) fn bytes_of_image(graph: &Graph, image: [usize; 2]) -> Result<usize, Error> {
    let (_, places) = layout(graph, 1, image)?;
    Ok(places.buffers.iter().sum::<usize>().saturating_mul(4))
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
