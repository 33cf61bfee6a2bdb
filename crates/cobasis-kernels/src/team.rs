//! Threads that compute together, as many as their owner asks for.
//!
//! Between two layers of a network lie microseconds: a thread that was put to sleep would miss the next
//! layer. So the threads of a team look for work for a while before they sleep, and whoever has work
//! waits for none of them to come: one that does not show up leaves its share to the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::conv::Room;
use crate::parallel::{self, Here, within};
use crate::workspace;

/// How long a thread looks for work before it sleeps.
const PATIENCE: Duration = Duration::from_micros(100);
/// The number of a task when there is none to take.
const CLOSED: u64 = u32::MAX as u64;

/// Threads that divide the work of this crate's operations among them.
///
/// ```
/// use cobasis_kernels::Team;
///
/// let mut team = Team::new(2);
/// assert_eq!(team.run(|| 6 * 7), 42); // Operations in here are done by both.
/// ```
#[derive(Debug)]
pub struct Team {
    board: Arc<Board>,
    workers: Vec<JoinHandle<()>>,
}

impl Team {
    /// A team of so many threads, one of which is whoever calls [`run`](Self::run). Zero is one, and
    /// where the system starts no threads (WebAssembly) or fewer, the team has those that there are.
    pub fn new(threads: usize) -> Self {
        let board = Arc::new(Board::default());
        let mut workers = Vec::new();
        let more = if cfg!(target_family = "wasm") { 0 } else { threads.saturating_sub(1) };
        for _ in 0..more {
            let shared = Arc::clone(&board);
            let worker = thread::Builder::new().name("cobasis".to_string());
            match worker.spawn(move || within(Here::Alone, || shared.serve())) {
                Ok(worker) => workers.push(worker),
                Err(_) => break,
            }
        }
        let threads = workers.iter().map(|worker| worker.thread().clone()).collect();
        // The board is new: nobody set them before.
        let _ = board.threads.set(threads);
        Self { board, workers }
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs the job, whose operations of this crate are divided among the team. On a team of one
    /// thread nothing is divided.
    pub fn run<T>(&mut self, job: impl FnOnce() -> T) -> T {
        match self.workers.is_empty() {
            true => within(Here::Alone, job),
            false => {
                self.board.wake();
                within(Here::Team(&raw const *self.board), job)
            }
        }
    }

    /// Sees to it that convolutions which need no more than this ask for no memory in [`run`](Self::run):
    /// each thread then has it.
    pub fn reserve(&mut self, rooms: impl Iterator<Item = Room>) {
        if let Some(Room { lines }) = self.run(|| rooms.max()) {
            self.everywhere(|| drop(workspace::take(lines)));
        }
    }

    /// Runs the job once on each thread.
    fn everywhere(&mut self, job: impl Fn() + Sync) {
        let (threads, came) = (self.threads(), AtomicUsize::new(0));
        let once = |_| {
            job();
            came.fetch_add(1, AcqRel);
            // Who waits takes no second share.
            while came.load(Acquire) < threads {
                thread::yield_now();
            }
        };
        self.run(|| parallel::tasks(threads, once));
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.board.stop.store(true, SeqCst);
        self.board.wake();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of tasks, and has none of its own.
            let _ = worker.join();
        }
    }
}

/// A task by its number, as the threads see it.
type Task<'a> = &'a (dyn Fn(usize) + Sync + 'a);

/// Where a team's work is announced.
#[derive(Debug)]
pub(crate) struct Board {
    /// The number of the job in the upper half, that of its next task in the lower one.
    state: AtomicU64,
    /// A [`Task`] on the stack of who announced the job.
    task: AtomicPtr<()>,
    /// Tasks of the job, and those of them that are done.
    count: AtomicUsize,
    done: AtomicUsize,
    asleep: AtomicUsize,
    stop: AtomicBool,
    threads: OnceLock<Vec<Thread>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(CLOSED),
            task: AtomicPtr::new(ptr::null_mut()),
            count: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            threads: OnceLock::new(),
            panic: Mutex::new(None),
        }
    }
}

impl Board {
    /// The threads of the team.
    pub(crate) fn threads(&self) -> usize {
        self.threads.get().map_or(0, Vec::len) + 1
    }

    /// Does all tasks, with the others' help, and returns when they are done.
    ///
    /// # Safety
    ///
    /// Only one thread may announce jobs.
    pub(crate) unsafe fn tasks(&self, count: usize, task: Task) {
        assert!((count as u64) < CLOSED, "{count} tasks in a job");
        let job = (self.state.load(Acquire) >> 32).wrapping_add(1) << 32;
        // Nobody takes a task while the state is closed, so nobody sees half of an announcement.
        self.count.store(count, Release);
        self.done.store(0, Release);
        self.task.store((&raw const task).cast_mut().cast(), Release);
        self.state.store(job, SeqCst);
        if self.asleep.load(SeqCst) > 0 {
            self.wake();
        }
        within(Here::Alone, || self.work());
        let mut looks = 0;
        while self.done.load(Acquire) < count {
            looks += 1;
            // The machine may have given the processor of a thread that is late to another program.
            if looks < 1000 { std::hint::spin_loop() } else { thread::yield_now() }
        }
        self.state.store(job | CLOSED, SeqCst);
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Does tasks of the job until there are none to take.
    fn work(&self) {
        while let Some((task, index)) = self.take() {
            // SAFETY: a task was taken, so whoever announced the job waits for it to be done, and keeps
            // the closure alive until then.
            let task: Task = unsafe { *task };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(index))) {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(panic);
            }
            self.done.fetch_add(1, AcqRel);
        }
    }

    /// Takes a task, which nobody else gets.
    fn take<'a>(&self) -> Option<(*const Task<'a>, usize)> {
        let mut state = self.state.load(Acquire);
        loop {
            let (task, count) = (self.task.load(Acquire), self.count.load(Acquire));
            let index = state & CLOSED;
            if index == CLOSED || index as usize >= count {
                return None;
            }
            // If it is still the state, the job is the same, and so what was read belongs to it: the
            // state is closed before anything is announced anew.
            match self.state.compare_exchange_weak(state, state + 1, AcqRel, Acquire) {
                Ok(_) => return Some((task.cast_const().cast(), index as usize)),
                Err(other) => state = other,
            }
        }
    }

    fn has_work(&self) -> bool {
        let index = self.state.load(SeqCst) & CLOSED;
        index != CLOSED && (index as usize) < self.count.load(SeqCst)
    }

    /// What a worker does all its life.
    fn serve(&self) {
        while !self.stop.load(SeqCst) {
            self.work();
            let start = Instant::now();
            while !self.has_work() && !self.stop.load(SeqCst) {
                for _ in 0..32 {
                    std::hint::spin_loop();
                }
                if start.elapsed() > PATIENCE {
                    self.sleep();
                    break;
                }
            }
        }
    }

    /// Sleeps until somebody wakes the team. Who announces a job after the last look here sees that a
    /// thread sleeps, or is about to.
    fn sleep(&self) {
        self.asleep.fetch_add(1, SeqCst);
        if !self.has_work() && !self.stop.load(SeqCst) {
            thread::park();
        }
        self.asleep.fetch_sub(1, SeqCst);
    }

    fn wake(&self) {
        self.threads.get().into_iter().flatten().for_each(Thread::unpark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{tasks, threads};

    #[test]
    fn each_task_is_done_once_whoever_does_it() {
        for size in [0, 1, 2, 5] {
            let mut team = Team::new(size);
            assert_eq!(team.threads(), size.max(1));
            for count in (0..300).chain([5000]) {
                let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                team.run(|| {
                    assert_eq!(threads(), size.max(1));
                    tasks(count, |index| {
                        // Tasks of one of several tasks are the thread's own.
                        assert!(threads() == 1 || count == 1);
                        tasks(2, |_| {
                            done[index].fetch_add(1, AcqRel);
                        });
                    });
                });
                assert!(done.iter().all(|done| done.load(Acquire) == 2), "{size}: {count}");
            }
            let threads = Mutex::new(Vec::new());
            team.everywhere(|| threads.lock().expect("no panic").push(thread::current().id()));
            let mut threads = threads.into_inner().expect("no panic");
            threads.dedup();
            assert_eq!(threads.len(), size.max(1));
        }
    }

    #[test]
    fn a_sleeping_team_wakes() {
        let mut team = Team::new(3);
        for _ in 0..20 {
            thread::sleep(PATIENCE * 3);
            team.everywhere(|| {});
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_when_all_is_done() {
        let mut team = Team::new(2);
        for bad in [0, 7, 99] {
            let done = AtomicUsize::new(0);
            let job = || {
                tasks(100, |index| {
                    assert!(index != bad, "task {bad}");
                    done.fetch_add(1, AcqRel);
                });
            };
            let panic = catch_unwind(AssertUnwindSafe(|| team.run(job))).expect_err("a panic");
            assert_eq!(panic.downcast_ref::<String>(), Some(&format!("task {bad}")));
            assert_eq!(done.load(Acquire), 99);
        }
        assert_eq!(team.run(threads), 2);
    }
}
