//! Plain loops, compiled for the vectors of the machine that runs them.

use pulp::{Arch, NullaryFnOnce};

/// Runs the job as it was compiled for this machine's widest vectors.
pub(crate) fn vectorised<J: NullaryFnOnce>(job: J) -> J::Output {
    Arch::new().dispatch(job)
}
