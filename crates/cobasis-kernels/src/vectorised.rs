//! Plain loops, compiled for the vectors of the machine that runs them.

use pulp::NullaryFnOnce;

use crate::isa::{Simd, Task, dispatch};

/// Runs the job as it was compiled for the vector unit in use.
pub(crate) fn vectorised<J: NullaryFnOnce>(job: J) -> J::Output {
    struct Loops<J>(J);

    impl<J: NullaryFnOnce> Task for Loops<J> {
        type Output = J::Output;

        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> J::Output {
            self.0.call()
        }
    }

    dispatch(Loops(job))
}
