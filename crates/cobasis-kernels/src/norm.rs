//! Batch norm on slices in channels-last order: `[rows, channels]`, where the rows are all pixels of
//! all images.
//!
//! Sums go over chunks of rows whose size depends on the number of channels only, and the chunks'
//! sums are added in their order: results do not depend on the number of threads.

mod backward;
mod forward;
mod rows;
mod statistics;

pub(crate) use backward::{Backward, Destination, Gradients, backward};
pub(crate) use forward::{Normalise, normalise};
pub(crate) use statistics::{Statistics, channel_sums, statistics};
