//! Where the time goes.

use std::cell::RefCell;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::conv::{Algorithm, ConvShape, Pass};

static WATCHING: AtomicBool = AtomicBool::new(false);
static RECORDS: Mutex<Vec<Record>> = Mutex::new(Vec::new());

thread_local! {
    static LAYER: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The layer that an operation belongs to, if anyone wants to know.
pub(crate) type Layer = Option<Arc<str>>;

/// An operation that was done.
#[derive(Clone, Debug)]
pub struct Record {
    /// The layer, as [`enter`] was told.
    pub layer: Arc<str>,
    /// What was done.
    pub work: Work,
    /// How long it took.
    pub time: Duration,
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// A convolution.
    Conv(ConvShape, Pass, Algorithm),
    /// The mean and variance of each channel, with the count of all numbers.
    NormStatistics(usize),
    /// Batch norm, and what follows it, with the count of all numbers.
    Norm(usize),
    /// Its gradients.
    NormBackward(usize),
}

/// Runs the job, and returns the operations of this crate that it used, in their order.
///
/// Operations of other threads at the same time are among them.
pub fn profile<T>(job: impl FnOnce() -> T) -> (T, Vec<Record>) {
    records(Vec::clear);
    WATCHING.store(true, Ordering::Relaxed);
    let result = job();
    WATCHING.store(false, Ordering::Relaxed);
    (result, records(mem::take))
}

/// Names the layer that this thread comes to; its name is asked for only under [`profile`].
pub fn enter(layer: impl FnOnce() -> String) {
    if WATCHING.load(Ordering::Relaxed) {
        LAYER.set(Some(layer().into()));
    }
}

/// The layer that this thread is at, if anyone watches.
pub(crate) fn layer() -> Layer {
    let watching = WATCHING.load(Ordering::Relaxed);
    watching.then(|| LAYER.with_borrow(|layer| layer.clone().unwrap_or_default()))
}

/// Does the job, and notes it if the layer is known.
pub(crate) fn timed(layer: &Layer, job: impl FnOnce() -> Work) {
    let start = layer.as_ref().map(|_| Instant::now());
    let work = job();
    if let (Some(layer), Some(start)) = (layer, start) {
        let record = Record { layer: Arc::clone(layer), work, time: start.elapsed() };
        records(|records| records.push(record));
    }
}

fn records<T>(job: impl FnOnce(&mut Vec<Record>) -> T) -> T {
    job(&mut RECORDS.lock().unwrap_or_else(PoisonError::into_inner))
}
