//! Filters made ready for the convolution, once for as long as they stay the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use burn_flex::FlexTensor;
use burn_std::Bytes;

use super::tensors::numbers;
use crate::buffer::Buffer;
use crate::conv::{ConvShape, PackedWeight};

/// Filters that were packed. They are told by their memory, which nobody writes to while it is
/// here: Burn copies what is shared, and moves what has observers.
static PACKED: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

struct Entry {
    shape: ConvShape,
    filters: Vec<Weak<Bytes>>,
    packed: Arc<PackedWeight>,
}

/// Entries of the same filters, which may meet maps of several shapes.
const SHAPES: usize = 4;

impl Entry {
    fn is_of(&self, filters: &[Arc<Bytes>]) -> bool {
        let same = |(known, given): (&Weak<Bytes>, &Arc<Bytes>)| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(given))
        };
        self.filters.len() == filters.len() && self.filters.iter().zip(filters).all(same)
    }
}

/// The filters of a convolution, one bank after another, packed.
pub(super) fn packed(shape: &ConvShape, banks: &[FlexTensor]) -> Arc<PackedWeight> {
    let memory: Vec<Arc<Bytes>> = banks.iter().map(FlexTensor::data_arc).collect();
    let known = |entry: &&Entry| entry.shape == *shape && entry.is_of(&memory);
    if let Some(entry) = lock().iter().find(known) {
        return Arc::clone(&entry.packed);
    }
    // Not under the lock: packing may wait for threads that want it.
    let packed = Arc::new(with_joined(banks, |filters| PackedWeight::new(shape, filters)));
    let mut entries = lock();
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

fn lock() -> MutexGuard<'static, Vec<Entry>> {
    PACKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls the job with the filters of all banks, one after another.
pub(super) fn with_joined<T>(banks: &[FlexTensor], job: impl FnOnce(&[f32]) -> T) -> T {
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
    fn filters_that_were_written_over_are_packed_anew() {
        let mut bank = filters(1.0);
        let first = packed(&SHAPE, std::slice::from_ref(&bank));
        bank.storage_mut::<f32>().fill(2.0);
        assert!(!Arc::ptr_eq(&first, &packed(&SHAPE, &[bank])));
    }
}
