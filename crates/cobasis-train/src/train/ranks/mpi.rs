//! Processes that an MPI launcher has started.

use std::ops::Range;

use cobasis_mpi::{LIBRARY, MpiError, World};

use super::{Link, LinkError};

/// The processes that an MPI launcher has started with this one.
pub(super) struct Mpi(World);

impl Mpi {
    pub(super) fn start(size: usize) -> Result<Self, LinkError> {
        let world = World::start()?;
        if world.size() != size {
            return Err(LinkError(format!(
                "the launcher has started {size} processes, and the MPI library knows of {} ({}): give the \
                 library of the launcher in {LIBRARY}",
                world.size(),
                world.version()
            )));
        }
        Ok(Self(world))
    }
}

impl From<MpiError> for LinkError {
    fn from(error: MpiError) -> Self {
        Self(error.to_string())
    }
}

impl Link for Mpi {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn all_gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, LinkError> {
        Ok(self.0.all_gather(own)?)
    }

    fn exchange(
        &self,
        all: &[f32],
        parts: &[Range<usize>],
        senders: usize,
    ) -> Result<Vec<f32>, LinkError> {
        Ok(self.0.exchange(all, parts, senders)?)
    }

    fn collect(&self, own: &[f32], parts: &[Range<usize>]) -> Result<Vec<f32>, LinkError> {
        Ok(self.0.collect(own, parts)?)
    }

    fn end(&self) {
        // What there was to say is said: a launcher that is in trouble tells of it.
        let _ = self.0.end();
    }

    fn abort(&self, code: u8) {
        self.0.abort(code)
    }
}
