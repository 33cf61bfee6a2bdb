//! The memory of a network, which grows to what its schedules need and is used again.

use cobasis_kernels::Aligned;

use crate::error::Error;
use crate::graph::{Graph, Op};
use crate::schedule::Schedule;

/// Memory for maps, for what is in between, and for the output.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The buffers of [`Places`](crate::places::Places).
    pub(crate) buffers: Vec<Aligned>,
    /// Means and weights of channels.
    pub(crate) channels: Aligned,
    pub(crate) output: Vec<f32>,
}

impl Memory {
    /// Makes room for a schedule's maps.
    ///
    /// # Errors
    ///
    /// If there is too little memory.
    pub(crate) fn grow(&mut self, graph: &Graph, schedule: &Schedule) -> Result<(), Error> {
        let Schedule { batch, places, .. } = schedule;
        let sizes = || places.buffers.iter().map(|size| size * batch);
        let bytes = sizes().sum::<usize>().saturating_mul(4);
        let memory = |_| Error::Memory { bytes, batch: *batch };
        if self.buffers.len() < places.buffers.len() {
            self.buffers.resize_with(places.buffers.len(), Default::default);
        }
        for (buffer, size) in self.buffers.iter_mut().zip(sizes()) {
            buffer.grow(size).map_err(memory)?;
        }
        let attends = graph.nodes.iter().filter(|node| matches!(node.op, Op::Attention { .. }));
        let channels = attends.map(|node| node.channels).max().unwrap_or(0);
        self.channels.grow(batch.saturating_mul(2 * channels)).map_err(memory)
    }
}
