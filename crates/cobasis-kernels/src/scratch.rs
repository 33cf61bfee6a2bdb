//! Memory for intermediate values, kept by each thread and used again.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Values in a cache line, to which scratch memory is aligned.
const LINE: usize = 16;

/// Values of any content, aligned to a cache line; given back to the thread when dropped.
pub struct Scratch {
    buffer: Vec<f32>,
    start: usize,
    len: usize,
}

/// Takes `len` values out of the thread's store.
///
/// A rayon worker that takes up other work while it holds scratch memory gets other memory there.
pub fn take(len: usize) -> Scratch {
    let room = if len == 0 { 0 } else { len + LINE };
    let mut buffer = FREE.with_borrow_mut(|free| {
        let fitting = (0..free.len()).filter(|&i| free[i].len() >= room);
        let best = fitting.min_by_key(|&i| free[i].len());
        best.map(|i| free.swap_remove(i)).or_else(|| free.pop()).unwrap_or_default()
    });
    if buffer.len() < room {
        buffer = vec![0.0; room];
    }
    let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(room - len);
    Scratch { buffer, start, len }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if !buffer.is_empty() {
            FREE.with_borrow_mut(|free| free.push(buffer));
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}
