//! The scales of a network's maps.

use cobasis::CostTable;

use crate::banks::{Scope, Shared};
use crate::network::Network;
use crate::spec::Architecture;
use crate::stage_maps::StageMaps;

/// Maps of a network of one size, the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// The stage that they come from; of the coarsest, they are the network's last maps.
    pub(crate) stage: usize,
    /// Channels of the maps.
    pub(crate) channels: usize,
    /// Pixels of the image from one of theirs to the next.
    pub(crate) stride: usize,
}

/// The scales of a network, the finest first.
pub(crate) fn scales(
    network: &Network,
    shared: Shared,
    architecture: &Architecture,
    in_channels: usize,
) -> Vec<Scale> {
    let strides = architecture.strides();
    let coarsest = strides.iter().copied().max().unwrap_or(1);
    let image = [in_channels, 8 * coarsest, 8 * coarsest];
    let (mut table, mut outputs) = (CostTable::default(), StageMaps::kept());
    shared.enter(Scope::Network, &mut table);
    let [last, ..] = network.pass(&mut table, shared, image, &mut outputs);
    let channels = outputs.into_all().into_iter().map(|[channels, ..]| channels);
    let stages = channels.zip(strides).enumerate();
    let mut scales: Vec<Scale> = Vec::new();
    for (stage, (channels, stride)) in stages {
        scales.retain(|finer| finer.stride != stride);
        scales.push(Scale { stage, channels, stride });
    }
    if let Some(coarsest) = scales.last_mut() {
        coarsest.channels = last;
    }
    scales
}
