//! The way between the processes of a run.

use std::ops::Range;

use crate::error::Error;

/// Why processes could not reach each other, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LinkError(pub String);

impl From<LinkError> for Error {
    fn from(LinkError(problem): LinkError) -> Self {
        Self::Link(problem)
    }
}

/// The way between the processes of a run, as one of them has it. All call the same methods in the same order, and
/// each call waits for the others.
pub trait Link {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn size(&self) -> usize;

    /// The messages of all, in the order of their ranks.
    ///
    /// # Errors
    ///
    /// Where the others can't be reached, as of all methods here.
    fn all_gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, LinkError>;

    /// Gives part `i` of `all` to rank `i`. Got are the own parts of the first `senders` ranks, one after the other;
    /// the `all` of others is not looked at.
    ///
    /// # Errors
    ///
    /// Where the others can't be reached.
    fn exchange(
        &self,
        all: &[f32],
        parts: &[Range<usize>],
        senders: usize,
    ) -> Result<Vec<f32>, LinkError>;

    /// The parts of all, one after the other.
    ///
    /// # Errors
    ///
    /// Where the others can't be reached.
    fn collect(&self, own: &[f32], parts: &[Range<usize>]) -> Result<Vec<f32>, LinkError>;

    /// Leaves the others, all of which do so too.
    fn end(&self);

    /// Ends all processes.
    fn abort(&self, code: u8);
}
