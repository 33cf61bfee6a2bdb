//! Batches of an image set, epoch by epoch, prepared ahead by threads.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::augment::{Augment, AugmentKey, Crop};
use super::batch::{Batch, MakePicture, Unreadable};
use super::error::DataError;
use super::geometry::Target;
use super::image_set::ImageSet;
use super::picture::Picture;
use super::prefetch::Prefetch;
use super::rng::SplitMix64;
use super::strong::StrongAugment;

/// Keeps the draws for the order of the images apart from the draws for the images.
const DOMAIN: u64 = 0x6f72_6465_7200_0000;
/// Unreadable images that are named before the rest is only counted.
const NAMED: usize = 20;
/// Finished batches that may wait per worker. One would do for even loads; the second bridges a
/// moment in which the worker gets no processor.
const QUEUE: usize = 2;
/// Floats of a batch from which on a worker waits with one batch until it is taken, so that many
/// workers do not fill the memory.
const LARGE_BATCH: usize = 1 << 22;

/// How a [`Loader`] makes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Images per batch, at least 1; the last batch of an epoch has what is left.
    pub batch_size: usize,
    /// Whether every epoch has a random order of its own.
    pub shuffle: bool,
    /// Random changes to the images.
    pub augment: Augment,
    /// Seed of the order and of the changes.
    pub seed: u64,
    /// Threads that prepare batches ahead; 0 prepares each batch when it is asked for. It changes
    /// the speed only, never a batch.
    pub workers: usize,
}

/// Cuts an image set into batches, in an order that depends on seed and epoch only.
#[derive(Clone)]
pub struct Loader<T = u16> {
    set: Arc<ImageSet<T>>,
    config: LoaderConfig,
    strong: StrongAugment,
    /// Makes pictures in place of `augment` and `strong`.
    pictures: Option<Arc<MakePicture<T>>>,
    /// Images that could not be read, in any epoch.
    unreadable: Arc<Mutex<HashSet<usize>>>,
}

/// The batches of one epoch, in order; see [`Loader::epoch`].
///
/// An image that cannot be read is left out of its batch, and a warning is logged once for each,
/// of which the first 20 have the file's name. A batch without any readable image is an error.
///
/// Dropping it early stops and joins its threads. Where a thread has panicked, `next` panics with
/// the same message.
pub struct Epoch<T = u16> {
    batches: Prefetch<Batch<T>>,
    loader: Loader<T>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Loader<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = f.debug_struct("Loader");
        fields.field("set", &self.set).field("config", &self.config).field("strong", &self.strong);
        fields.field("has_pictures", &self.pictures.is_some()).finish_non_exhaustive()
    }
}

impl<T: Target> Loader<T> {
    /// A loader of the images of `set`.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where the batch size is 0, where the padding exceeds the image,
    /// so that some crops would show nothing of it, and where images in memory are to be resized.
    pub fn new(set: Arc<ImageSet<T>>, config: LoaderConfig) -> Result<Self, DataError> {
        if config.batch_size == 0 {
            return Err(set.info().error("batch size", "at least 1", "0"));
        }
        let [_, height, width] = set.shape();
        let limit = height.min(width) - 1;
        match config.augment.crop {
            Crop::Padded(pad) if pad > limit => {
                let (expected, got) = (format!("at most {limit}"), pad.to_string());
                Err(set.info().error("padding of the crop", expected, got))
            }
            Crop::Resized if !set.is_in_files() => {
                let expected = "a padded crop, or images in files";
                Err(set.info().error("crop", expected, "a resized one"))
            }
            Crop::Padded(_) | Crop::Resized => {
                let (strong, unreadable) = (StrongAugment::default(), Arc::default());
                Ok(Self { set, config, strong, pictures: None, unreadable })
            }
        }
    }

    /// A loader that gives every image once, in order and as it is: what a set is judged by. Batches
    /// have at most `batch_size` images.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn in_order(
        set: Arc<ImageSet<T>>,
        batch_size: usize,
        workers: usize,
    ) -> Result<Self, DataError> {
        // A batch can't hold more than there is. Nothing is drawn with the seed.
        let (batch_size, seed) = (batch_size.min(set.len()), 0);
        let (shuffle, augment) = (false, Augment::NONE);
        Self::new(set, LoaderConfig { batch_size, shuffle, augment, seed, workers })
    }

    /// Makes pictures of the images in a way of its own.
    pub(crate) fn with_pictures(self, pictures: Arc<MakePicture<T>>) -> Self {
        Self { pictures: Some(pictures), ..self }
    }

    /// The images.
    pub fn set(&self) -> &ImageSet<T> {
        &self.set
    }

    /// Number of images that could not be read so far.
    pub fn num_unreadable(&self) -> usize {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Number of images in an epoch.
    pub fn num_images(&self) -> usize {
        self.set.len()
    }

    /// Images of a batch, but for a smaller last one.
    pub fn batch_size(&self) -> usize {
        self.config.batch_size
    }

    /// Number of batches in an epoch, a smaller last one included.
    pub fn num_batches(&self) -> usize {
        self.num_images().div_ceil(self.config.batch_size)
    }

    /// The batches of `epoch`, counted from 0.
    pub fn epoch(&self, epoch: usize) -> Epoch<T> {
        self.epoch_from(epoch, 0)
    }

    /// The batches of `epoch` from number `first_batch` on, the same as [`epoch`](Self::epoch)
    /// gives from there; none where there are no more than `first_batch`.
    pub fn epoch_from(&self, epoch: usize, first_batch: usize) -> Epoch<T> {
        self.epoch_share(epoch, first_batch, 1)
    }

    /// Of the batches of `epoch` from number `first_batch` on every `every`-th, `first_batch` the first of them.
    /// Only these are made.
    ///
    /// # Panics
    ///
    /// Where `every` is 0.
    pub fn epoch_share(&self, epoch: usize, first_batch: usize, every: usize) -> Epoch<T> {
        assert!(every > 0, "every batch, or one of several");
        let (set, config, order) = (Arc::clone(&self.set), self.config, self.order(epoch));
        let key = AugmentKey { seed: config.seed, epoch: epoch as u64 };
        let picture = Picture { augment: config.augment, strong: self.strong, key };
        let pictures = self.pictures.clone();
        let batch = move |place: usize| {
            let start = (first_batch + place * every) * config.batch_size;
            let end = order.len().min(start.saturating_add(config.batch_size));
            let indices = &order[start..end];
            match &pictures {
                None => Batch::of(&set, indices, picture),
                Some(pictures) => {
                    Batch::made(&set, indices, |index, out| pictures(&set, index, key, out))
                }
            }
        };
        let numbers = 0..self.num_batches().saturating_sub(first_batch).div_ceil(every);
        let floats = self.config.batch_size.saturating_mul(self.set.info().image_len());
        let queue = if floats < LARGE_BATCH { QUEUE } else { 0 };
        let batches = Prefetch::new(numbers, self.config.workers, queue, batch);
        Epoch { batches, loader: self.clone() }
    }

    /// Logs images that could not be read, each once, however often it is met.
    fn warn(&self, unreadable: &[Unreadable]) {
        let mut known = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        for Unreadable { index, problem } in unreadable {
            if !known.insert(*index) {
                continue;
            }
            let (count, set) = (known.len(), &self.set.info().name);
            if count <= NAMED {
                log::warn!("{}: {problem}; left out", self.set.describe(*index));
            }
            // 20 named, then a line at 100, 1,000 and so on.
            if count == NAMED {
                log::warn!("{set}: {NAMED} unreadable images so far; others are only counted");
            } else if count > NAMED && count.ilog10() > (count - 1).ilog10() {
                log::warn!("{set}: {count} unreadable images so far");
            }
        }
    }

    /// The indices of all images in the order of `epoch`.
    fn order(&self, epoch: usize) -> Vec<usize> {
        if !self.config.shuffle {
            return (0..self.set.len()).collect();
        }
        let mut rng = SplitMix64::keyed(&[DOMAIN, self.config.seed, epoch as u64]);
        rng.permutation(self.set.len())
    }
}

impl Loader {
    /// Changes the images further. Some of these changes move what is in an image, which a class does
    /// not mind and boxes would.
    pub fn with_strong(self, strong: StrongAugment) -> Self {
        Self { strong, ..self }
    }
}

impl<T: Target> Iterator for Epoch<T> {
    type Item = Result<Batch<T>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        self.loader.warn(&batch.unreadable);
        Some(match batch.unreadable.first() {
            Some(Unreadable { index, problem }) if batch.labels.is_empty() => {
                Err(DataError::NothingReadable {
                    set: self.loader.set.info().name.clone(),
                    images: batch.unreadable.len(),
                    first: self.loader.set.describe(*index),
                    problem: problem.clone(),
                })
            }
            _ => Ok(batch),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.batches.size_hint()
    }
}

impl<T: Target> ExactSizeIterator for Epoch<T> {}

#[cfg(test)]
mod tests;
