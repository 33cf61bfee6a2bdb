//! Independent tasks, done by whoever computes here: a [`Team`](crate::Team), one thread, or rayon.

use std::cell::Cell;

#[cfg(feature = "gradients")]
use rayon::prelude::*;

use crate::shared::Shared;
use crate::team::Board;

/// Who computes what a thread asks for.
#[derive(Clone, Copy)]
pub(crate) enum Here {
    /// The threads of rayon's current pool; without the feature `gradients` one thread.
    Rayon,
    /// The thread itself.
    Alone,
    /// A team, which outlives what is run in it.
    Team(*const Board),
}

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here::Rayon) };
}

/// Runs the job with these to compute.
pub(crate) fn within<T>(here: Here, job: impl FnOnce() -> T) -> T {
    struct Restore(Here);

    impl Drop for Restore {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }

    let _restore = Restore(HERE.replace(here));
    job()
}

/// How many threads do tasks.
pub fn threads() -> usize {
    match HERE.get() {
        #[cfg(feature = "gradients")]
        Here::Rayon => rayon::current_num_threads(),
        // Whoever only runs networks has a team; rayon would be a part of their build, and a tenth of a
        // WebAssembly module.
        #[cfg(not(feature = "gradients"))]
        Here::Rayon => 1,
        Here::Alone => 1,
        // SAFETY: `Team::run` keeps its board until the job is done, and sets this only meanwhile.
        Here::Team(board) => unsafe { &*board }.threads(),
    }
}

/// Does tasks with the numbers below `count`, in any order, and returns when all are done.
pub fn tasks(count: usize, task: impl Fn(usize) + Sync) {
    match HERE.get() {
        #[cfg(feature = "gradients")]
        Here::Rayon => (0..count).into_par_iter().for_each(&task),
        Here::Team(board) if count > 1 => {
            // SAFETY: the board as above. Only `Team::run` sets it, which takes the team for itself, and
            // on its own thread; tasks are done alone.
            unsafe { (&*board).tasks(count, &task) }
        }
        _ => (0..count).for_each(task),
    }
}

/// Calls the job with the chunks of this size of the values, and their numbers.
pub fn chunks_mut(values: &mut [f32], size: usize, job: impl Fn(usize, &mut [f32]) + Sync) {
    let (len, start) = (values.len(), Shared(values.as_mut_ptr()));
    tasks(len.div_ceil(size), |index| {
        let first = index * size;
        // SAFETY: within the slice, which is borrowed for this call; chunks don't overlap.
        let chunk =
            unsafe { std::slice::from_raw_parts_mut(start.at(first), size.min(len - first)) };
        job(index, chunk);
    });
}
