//! What networks consist of.

pub(crate) mod attention;
pub(crate) mod block;
pub(crate) mod shortcut;
pub(crate) mod stage;
