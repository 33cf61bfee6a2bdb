//! The tensors of a model, by their names in files.

use super::Model;
use crate::adapter::Adapter;
use crate::state::{self, State, StateError, TensorInfo};

impl Model {
    /// All tensors by their names in files: parameters and running statistics, each basis once.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let config = ModelConfig::new("digits/resnet14-s8u1".parse()?);
    /// let state = config.init(&Device::flex()).state();
    /// assert_eq!(state["stages.0.bases.0.weight"].shape().to_vec(), [8, 16, 3, 3]);
    /// let same = config.init_from(state.clone(), &Device::flex())?;
    /// assert_eq!(same.state(), state);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(&self) -> State {
        state::read(self, |path| self.file_name(path))
    }

    /// The model with other tensors.
    pub(crate) fn with_state(self, state: State) -> Result<Self, StateError> {
        let banks = self.banks.clone();
        let adapter = self.adapter.as_ref().map(|adapter| adapter.names().clone());
        let of_adapter = |path: &str| adapter.as_ref().and_then(|names| names.file_name(path));
        state::write(self, state, |path| of_adapter(&path).unwrap_or_else(|| banks.file_name(path)))
    }

    /// The tensors of [`state`](Self::state), without reading any, in an order of their own: from the
    /// images to the logits, the banks of a stage before its layers.
    pub fn tensors(&self) -> Vec<TensorInfo> {
        self.banks.in_order(state::tensors(self, |path| self.file_name(path)))
    }

    /// The name in files of what is at a path in the module tree.
    pub(crate) fn file_name(&self, path: String) -> String {
        let adapter = self.adapter.as_ref().map(Adapter::names);
        let of_adapter = adapter.and_then(|names| names.file_name(&path));
        of_adapter.unwrap_or_else(|| self.banks.file_name(path))
    }
}
