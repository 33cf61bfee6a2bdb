//! Results computed ahead by threads and handed over in order.

use std::ops::Range;
use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Iterator over `job(i)` for every `i` of a range, in order.
///
/// Worker `w` of `n` computes the results `w`, `w + n`, … of the range and sends them through a
/// queue of its own, so that reading the queues in turn restores the order, without any lock.
pub struct Prefetch<T> {
    left: Range<usize>,
    source: Source<T>,
}

/// Where the results come from.
enum Source<T> {
    /// Computed by the caller, when asked for.
    Inline(Box<dyn Fn(usize) -> T + Send>),
    /// Computed ahead; `turn` is the worker that has the next result.
    Threads { workers: Vec<Worker<T>>, turn: usize },
}

/// A thread and the results that it has ready.
struct Worker<T> {
    ready: Receiver<T>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts to compute `job(i)` for every `i` of `range` on `workers` threads. Beside the result
    /// that it works on or holds, a worker may have `queue` finished ones waiting.
    ///
    /// 0 workers start no thread: the caller computes each result when it asks for it.
    ///
    /// # Panics
    ///
    /// Where the operating system cannot start a thread.
    pub fn new(
        range: Range<usize>,
        workers: usize,
        queue: usize,
        job: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Self {
        let workers = workers.min(range.len());
        if workers == 0 {
            return Self { left: range, source: Source::Inline(Box::new(job)) };
        }
        let job = Arc::new(job);
        let start = |worker| {
            let (results, ready) = sync_channel(queue);
            let share = range.clone().skip(worker).step_by(workers);
            let job = Arc::clone(&job);
            Worker { ready, thread: thread::spawn(move || compute(share, &*job, &results)) }
        };
        let workers = (0..workers).map(start).collect();
        Self { left: range, source: Source::Threads { workers, turn: 0 } }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// # Panics
    ///
    /// With the panic of the worker, where a worker has panicked.
    fn next(&mut self) -> Option<T> {
        let index = self.left.next()?;
        let (workers, turn) = match &mut self.source {
            Source::Inline(job) => return Some(job(index)),
            Source::Threads { workers, turn } => (workers, turn),
        };
        if let Ok(result) = workers[*turn].ready.recv() {
            *turn = (*turn + 1) % workers.len();
            return Some(result);
        }
        // A worker leaves before its last result only by a panic, which goes on in the caller.
        self.left = 0..0;
        match workers.swap_remove(*turn).thread.join() {
            Err(payload) => panic::resume_unwind(payload),
            Ok(()) => unreachable!("a worker left without result {index}"),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl<T> ExactSizeIterator for Prefetch<T> {}

impl<T> Drop for Prefetch<T> {
    /// Stops the threads and waits for them.
    fn drop(&mut self) {
        let Source::Threads { workers, .. } = &mut self.source else {
            return;
        };
        // All queues close before the first wait: a worker that is blocked on a full queue wakes,
        // finds it closed and leaves.
        let threads: Vec<_> = workers.drain(..).map(|worker| worker.thread).collect();
        for thread in threads {
            // The panic of a worker whose result nobody asked for is of no interest any more.
            drop(thread.join());
        }
    }
}

/// The life of a worker: its share of the results, until done or until nobody listens.
fn compute<T>(
    share: impl Iterator<Item = usize>,
    job: &impl Fn(usize) -> T,
    queue: &SyncSender<T>,
) {
    for index in share {
        if queue.send(job(index)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Runs `test` and fails, rather than hangs, where it takes longer than any machine needs.
    fn without_hanging<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
        let (done, result) = sync_channel(1);
        thread::spawn(move || done.send(test()));
        result.recv_timeout(Duration::from_secs(60)).expect("the test hangs or has panicked")
    }

    #[test]
    fn results_come_in_order_from_any_number_of_workers() {
        for workers in [0, 1, 2, 5, 100] {
            let slow_when_even = |index: usize| {
                thread::sleep(Duration::from_micros(if index.is_multiple_of(2) { 300 } else { 0 }));
                index * index
            };
            let results = Prefetch::new(3..40, workers, workers % 3, slow_when_even);
            assert_eq!(results.len(), 37);
            let expected: Vec<usize> = (3..40).map(|index| index * index).collect();
            assert_eq!(results.collect::<Vec<_>>(), expected, "{workers} workers");
        }
    }

    #[test]
    fn an_empty_range_ends_at_once() {
        assert_eq!(Prefetch::new(4..4, 3, 2, |index| index).next(), None);
    }

    #[test]
    fn dropping_early_joins_every_thread() {
        without_hanging(|| {
            let alive = Arc::new(());
            for taken in [0, 1, 2, 9] {
                let held = Arc::clone(&alive);
                let mut results = Prefetch::new(0..1000, 4, 2, move |_| Arc::clone(&held));
                assert_eq!(results.by_ref().take(taken).count(), taken);
                drop(results);
                // The threads owned the job and the job owned `held`.
                assert_eq!(Arc::strong_count(&alive), 1, "after {taken} results");
            }
        });
    }

    #[test]
    fn workers_do_not_run_far_ahead() {
        for queue in [0, 2] {
            let started = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&started);
            let job = move |_| counter.fetch_add(1, Ordering::SeqCst);
            let results = Prefetch::new(0..1000, 2, queue, job);
            thread::sleep(Duration::from_millis(50));
            drop(results);
            // Each worker may have a full queue and one more result in its hands.
            assert!(started.load(Ordering::SeqCst) <= 2 * (queue + 1));
        }
    }

    #[test]
    fn the_panic_of_a_worker_reaches_the_caller() {
        for workers in [0, 1, 3] {
            let (count, message) = without_hanging(move || {
                let mut results = Prefetch::new(0..50, workers, 2, |index| {
                    assert_ne!(index, 7, "job 7 is broken");
                });
                let mut count = 0;
                let drain = panic::AssertUnwindSafe(|| results.by_ref().for_each(|()| count += 1));
                let payload = panic::catch_unwind(drain).expect_err("job 7 panics");
                assert!(workers == 0 || results.next().is_none(), "goes on after a panic");
                (count, payload.downcast_ref::<String>().cloned().unwrap_or_default())
            });
            assert_eq!(count, 7, "{workers} workers");
            assert!(message.contains("job 7 is broken"), "{message}");
        }
    }

    #[test]
    fn a_panic_that_nobody_asked_for_does_not_disturb_the_drop() {
        without_hanging(|| {
            let mut results = Prefetch::new(0..50, 2, 2, |index| assert_ne!(index, 1, "broken"));
            assert_eq!(results.next(), Some(()));
        });
    }
}
