//! Densely connected networks, as data.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What distinguishes one DenseNet from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DenseNetSpec {
    /// Layers in each stage, which is a "dense block".
    pub layers: Cow<'static, [usize]>,
    /// The channels that a layer adds.
    pub growth: usize,
}

impl DenseNetSpec {
    /// `layers` layers in each stage, each of which adds `growth` channels.
    pub fn new(layers: impl Into<Vec<usize>>, growth: usize) -> Self {
        Self { layers: layers.into().into(), growth }
    }

    /// Channels after the last stage; `None` if they are too many for a number.
    pub(crate) fn channels(&self) -> Option<usize> {
        let mut channels = self.growth.checked_mul(2)?;
        for (stage, layers) in self.layers.iter().enumerate() {
            let halved = if stage == 0 { channels } else { channels / 2 };
            channels = halved.checked_add(layers.checked_mul(self.growth)?)?;
        }
        Some(channels)
    }
}
