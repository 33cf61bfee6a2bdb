//! The layers.

mod basis_conv;
mod depthwise_basis_conv;
mod forward;
mod partly_shared_conv;
mod shared_conv;

pub use basis_conv::{BasisConv2d, BasisConv2dConfig};
pub use depthwise_basis_conv::{DepthwiseBasisConv2d, DepthwiseBasisConv2dConfig};
pub use partly_shared_conv::{PartlySharedConv2d, PartlySharedConv2dConfig};
pub use shared_conv::{SharedConv2d, SharedConv2dConfig};
