//! The outputs of a network's stages, where somebody wants them.

/// The outputs of stages, in their order; those of a pass that nobody wants them of are let go.
pub(crate) struct StageMaps<M>(Option<Vec<M>>);

impl<M: Clone> StageMaps<M> {
    /// Keeps all.
    pub(crate) fn kept() -> Self {
        Self(Some(Vec::new()))
    }

    /// Keeps none, so that memory is used again.
    pub(crate) fn let_go() -> Self {
        Self(None)
    }

    /// The output of the next stage.
    pub(crate) fn push(&mut self, maps: &M) {
        if let Self(Some(all)) = self {
            all.push(maps.clone());
        }
    }

    /// Those that were kept.
    pub(crate) fn into_all(self) -> Vec<M> {
        self.0.unwrap_or_default()
    }
}
