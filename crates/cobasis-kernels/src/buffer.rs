//! Reused memory for tensors.
//!
//! A network asks for the same few sizes in every step. Fresh memory of a megabyte costs the
//! processor longer in page faults than most operations take, so buffers of tensors that are gone
//! wait here for the next ones.

use std::collections::VecDeque;
use std::mem::{self, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use burn::tensor::DType;
use burn_flex::{FlexTensor, Layout};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes, Shape};

use crate::line::Line;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: VecDeque::new(), live: 0, cached: 0, peak: 0 });

/// Free memory, the longest unused first. Amounts are in lines.
struct Pool {
    free: VecDeque<Vec<Line>>,
    live: usize,
    cached: usize,
    peak: usize,
}

impl Pool {
    fn take(&mut self, lines: usize) -> Vec<Line> {
        self.live += lines;
        self.peak = self.peak.max(self.live);
        // The one that was freed last is the likeliest to be in the processor's cache.
        if let Some(index) = self.free.iter().rposition(|buffer| buffer.len() == lines) {
            self.cached -= lines;
            return self.free.remove(index).unwrap_or_default();
        }
        // What other sizes hold may cost a quarter of what was ever needed at once.
        while self.live + self.cached > self.peak + self.peak / 4 {
            match self.free.pop_front() {
                Some(buffer) => self.cached -= buffer.len(),
                None => break,
            }
        }
        Line::zeros(lines)
    }

    fn give(&mut self, buffer: Vec<Line>) {
        self.live -= buffer.len();
        self.cached += buffer.len();
        self.free.push_back(buffer);
    }
}

fn pool<T>(job: impl FnOnce(&mut Pool) -> T) -> T {
    // Numbers are the same whether or not another thread panicked.
    job(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A number of values, whatever they are, to be overwritten and turned into a tensor.
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// A buffer whose numbers are those of an earlier use.
    pub(crate) fn new(len: usize) -> Self {
        Self { lines: pool(|pool| pool.take(Line::count(len))), len }
    }

    /// The buffer as a tensor of this shape.
    pub(crate) fn into_tensor(mut self, shape: impl Into<Shape>) -> FlexTensor {
        let shape = shape.into();
        assert_eq!(shape.num_elements(), self.len, "a buffer of the tensor's size");
        let memory = Box::new(Memory(mem::take(&mut self.lines)));
        // SAFETY: `Line::zeros` initialised the lines, of which there are enough for the length.
        let bytes = unsafe { Bytes::from_controller(memory, self.len * size_of::<f32>()) };
        FlexTensor::new(bytes, Layout::contiguous(shape), DType::F32)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.lines.is_empty() {
            pool(|pool| pool.give(mem::take(&mut self.lines)));
        }
    }
}

/// The memory of a tensor, which returns to the pool.
struct Memory(Vec<Line>);

impl AllocationController for Memory {
    /// The most that Burn's own memory can have: a copy of these bytes is made with it. They are
    /// aligned better than that.
    fn alloc_align(&self) -> usize {
        align_of::<u128>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.0);
        // SAFETY: the same bytes; the caller promises to write initialised ones only.
        Ok(unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.0);
        // SAFETY: the same bytes, initialised, to be read only.
        Ok(unsafe { &*(std::ptr::from_ref(bytes) as *const [MaybeUninit<u8>]) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        pool(|pool| pool.give(mem::take(&mut self.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_holds_what_was_written_and_its_memory_returns() {
        // A size that no other test asks for.
        let len = 16 * 977 + 5;
        let mut buffer = Buffer::new(len);
        buffer.iter_mut().enumerate().for_each(|(index, value)| *value = index as f32);
        let address = buffer.as_ptr();
        assert_eq!(address.addr() % 64, 0);
        let tensor = buffer.into_tensor([len]);
        assert_eq!(tensor.storage::<f32>().len(), len);
        assert_eq!(tensor.storage::<f32>()[len - 1], (len - 1) as f32);
        let shared = tensor.clone();
        drop(tensor);
        assert_ne!(Buffer::new(len).as_ptr(), address, "a clone still needs the memory");
        drop(shared);
        assert_eq!(Buffer::new(len).as_ptr(), address);
    }

    #[test]
    fn memory_of_other_sizes_does_not_pile_up() {
        let mut pool = Pool { free: VecDeque::new(), live: 0, cached: 0, peak: 0 };
        for lines in 1..100 {
            let buffer = pool.take(lines);
            pool.give(buffer);
            assert!(pool.live + pool.cached <= pool.peak + pool.peak / 4);
        }
    }
}
