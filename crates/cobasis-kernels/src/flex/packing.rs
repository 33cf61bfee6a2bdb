//! Filters made ready for the convolution, once for as long as they stay the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use burn::backend::TensorMetadata;
use burn_flex::FlexTensor;
use burn_std::Bytes;

use super::tensors::numbers;
use crate::buffer::Buffer;
use crate::conv::{
    self, Algorithm, ConvShape, PackedWeight, Pass, TransposedBank, banks_part_well, choose,
};

/// Filters that were packed for the convolution, and for its input gradient.
static FORWARD: Store<PackedWeight> = Store::new();
static TRANSPOSED: Store<TransposedBank> = Store::new();

/// What was made of filters. They are told by their memory, which nobody writes to while it is
/// here: Burn copies what is shared, and moves what has observers.
struct Store<T> {
    entries: Mutex<Vec<Entry<T>>>,
}

struct Entry<T> {
    shape: ConvShape,
    filters: Vec<Weak<Bytes>>,
    packed: Arc<T>,
}

/// Entries of the same filters, which may meet maps of several shapes.
const SHAPES: usize = 4;

impl<T> Entry<T> {
    fn is_of(&self, filters: &[Arc<Bytes>]) -> bool {
        let same = |(known, given): (&Weak<Bytes>, &Arc<Bytes>)| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(given))
        };
        self.filters.len() == filters.len() && self.filters.iter().zip(filters).all(same)
    }
}

impl<T> Store<T> {
    const fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()) }
    }

    /// What was made of these filters for this shape, or is made now.
    fn of(&self, shape: &ConvShape, banks: &[FlexTensor], make: impl FnOnce() -> T) -> Arc<T> {
        let memory: Vec<Arc<Bytes>> = banks.iter().map(FlexTensor::data_arc).collect();
        let known = |entry: &&Entry<T>| entry.shape == *shape && entry.is_of(&memory);
        if let Some(entry) = self.lock().iter().find(known) {
            return Arc::clone(&entry.packed);
        }
        // Not under the lock: packing may wait for threads that want it.
        let packed = Arc::new(make());
        let mut entries = self.lock();
        entries.retain(|entry| entry.filters.iter().all(|filters| filters.strong_count() > 0));
        if entries.iter().filter(|entry| entry.is_of(&memory)).count() >= SHAPES
            && let Some(oldest) = entries.iter().position(|entry| entry.is_of(&memory))
        {
            entries.remove(oldest);
        }
        let filters = memory.iter().map(Arc::downgrade).collect();
        entries.push(Entry { shape: *shape, filters, packed: Arc::clone(&packed) });
        packed
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The filters of a convolution, one bank after another, packed. Where that costs nothing, each bank
/// is packed for itself: then the layers of a stage share what was made of their shared filters.
pub(super) fn packed(shape: &ConvShape, banks: &[FlexTensor]) -> Arc<PackedWeight> {
    let filters: Vec<usize> = banks.iter().map(|bank| bank.shape()[0]).collect();
    FORWARD.of(shape, banks, || match banks.len() {
        2.. if banks_part_well(shape, &filters) => {
            let bank = |bank| {
                let one = std::slice::from_ref(bank);
                FORWARD.of(shape, one, || PackedWeight::bank(shape, numbers(bank)))
            };
            PackedWeight::join(&banks.iter().map(bank).collect::<Vec<_>>())
        }
        _ => with_joined(banks, |filters| PackedWeight::new(shape, filters)),
    })
}

/// Overwrites `dx` with the input gradient of a convolution with these banks. Winograd's takes several
/// packed each for itself, so that the layers of a stage share what was made of their shared filters.
pub(super) fn backward_input(shape: &ConvShape, banks: &[FlexTensor], dy: &[f32], dx: &mut [f32]) {
    if banks.len() < 2 || choose(shape, Pass::BackwardInput) != Algorithm::Winograd {
        return with_joined(banks, |filters| conv::backward_input(shape, filters, dy, dx));
    }
    let bank = |bank| {
        let one = std::slice::from_ref(bank);
        TRANSPOSED.of(shape, one, || TransposedBank::new(shape, numbers(bank)))
    };
    let packed: Vec<_> = banks.iter().map(bank).collect();
    conv::backward_input_of_banks(shape, &packed, dy, dx);
}

/// Calls the job with the filters of all banks, one after another.
fn with_joined<T>(banks: &[FlexTensor], job: impl FnOnce(&[f32]) -> T) -> T {
    match banks {
        [bank] => job(numbers(bank)),
        _ => {
            let mut joined = Buffer::new(banks.iter().map(|bank| numbers(bank).len()).sum());
            let mut rest = &mut joined[..];
            for bank in banks {
                let (part, after) = rest.split_at_mut(numbers(bank).len());
                part.copy_from_slice(numbers(bank));
                rest = after;
            }
            job(&joined)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    const SHAPE: ConvShape = ConvShape {
        batch: 1,
        size: [4, 4],
        channels_in: 2,
        channels_out: 3,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        groups: 1,
    };

    fn filters(value: f32) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(vec![value; 6], [3, 2, 1, 1]))
    }

    #[test]
    fn the_same_filters_are_packed_once() {
        let bank = filters(1.0);
        let first = packed(&SHAPE, std::slice::from_ref(&bank));
        assert!(Arc::ptr_eq(&first, &packed(&SHAPE, std::slice::from_ref(&bank))));
        let twice = ConvShape { batch: 2, ..SHAPE };
        assert!(!Arc::ptr_eq(&first, &packed(&twice, &[bank])));
        assert!(!Arc::ptr_eq(&first, &packed(&SHAPE, &[filters(1.0)])));
    }

    #[test]
    fn layers_share_what_was_made_of_their_shared_filters() {
        let shape = ConvShape { channels_in: 16, channels_out: 65, ..SHAPE };
        let bank = |filters: usize| {
            FlexTensor::from_data(TensorData::new(vec![1.0f32; filters * 16], [filters, 16, 1, 1]))
        };
        let (shared, first, second) = (bank(64), bank(1), bank(1));
        let fresh = || FORWARD.of(&shape, std::slice::from_ref(&shared), || panic!("packed again"));
        packed(&shape, &[first, shared.clone()]);
        let made = fresh();
        packed(&shape, &[second, shared.clone()]);
        assert!(Arc::ptr_eq(&made, &fresh()));
    }

    #[test]
    fn filters_that_were_written_over_are_packed_anew() {
        let mut bank = filters(1.0);
        let first = packed(&SHAPE, std::slice::from_ref(&bank));
        bank.storage_mut::<f32>().fill(2.0);
        assert!(!Arc::ptr_eq(&first, &packed(&SHAPE, &[bank])));
    }
}
