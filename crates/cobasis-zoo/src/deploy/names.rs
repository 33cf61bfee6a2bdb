//! The tensors of a deployed model by the names that files have: those of its source where they
//! mean the same.

use std::collections::HashMap;

use burn::tensor::Device;

use super::{Deployed, DeployedConfig};
use crate::graph::Op;
use crate::state::{self, State, StateError};

impl DeployedConfig {
    /// The deployed model with the given tensors, by the names that [`Deployed::state`] gives them.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, not the model's, or of another shape.
    pub fn init_from(&self, state: State, device: &Device) -> Result<Deployed, StateError> {
        let deployed = self.skeleton(device);
        let names = deployed.names();
        state::write(deployed, state, |path| names.get(&path).cloned().unwrap_or(path))
    }
}

impl Deployed {
    /// All tensors by name, each basis once: `stages.0.bases.0.weight`, and of each layer `unique`
    /// or `weight`, `scale`, `shift` and `bias` after its path in the source.
    pub fn state(&self) -> State {
        let names = self.names();
        state::read(self, |path| names.get(&path).cloned().unwrap_or(path))
    }

    /// The names of tensors by their path in this module.
    pub(super) fn names(&self) -> HashMap<String, String> {
        let mut names = HashMap::new();
        for (index, path) in self.plan.bases.iter().enumerate() {
            names.insert(format!("bases.{index}.weight"), format!("{path}.weight"));
        }
        for node in &self.plan.nodes {
            let mut name = |list: &str, index: usize, field: &str, name: &str| {
                names.insert(format!("{list}.{index}.{field}"), format!("{}.{name}", node.path));
            };
            match node.op {
                Op::Conv(conv) => {
                    let shares = !self.convs[conv].bases.is_empty();
                    let own = if shares { "unique" } else { "weight" };
                    name("convs", conv, "own", own);
                    name("convs", conv, "scale", "scale");
                    name("convs", conv, "bias", "bias");
                }
                Op::Affine(affine) => {
                    name("affines", affine, "scale", "scale");
                    name("affines", affine, "shift", "shift");
                }
                Op::Attention(attention) => {
                    name("attentions", attention, "conv.weight", "conv.weight");
                }
                _ => {}
            }
        }
        names
    }
}
