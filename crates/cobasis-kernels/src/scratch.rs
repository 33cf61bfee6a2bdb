//! Memory for intermediate values, kept by each thread and reused.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::line::Line;

/// Buffers that a thread keeps at most.
const KEPT: usize = 32;

thread_local! {
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Values of any content, aligned to a cache line; given back to the thread when dropped.
#[derive(Debug)]
pub struct Scratch {
    lines: Vec<Line>,
    len: usize,
}

/// Takes `len` values out of the thread's store.
///
/// A rayon worker that takes up other work while it holds scratch memory gets other memory there.
pub fn take(len: usize) -> Scratch {
    let count = Line::count(len);
    // A buffer much too large is left for those who need it.
    let fits = |lines: &Vec<Line>| (count..=4 * count + 256).contains(&lines.len());
    let lines = FREE.with_borrow_mut(|free| {
        let best = (0..free.len()).filter(|&i| fits(&free[i])).min_by_key(|&i| free[i].len());
        best.map(|i| free.swap_remove(i))
    });
    Scratch { lines: lines.unwrap_or_else(|| Line::zeros(count)), len }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return;
        }
        // While a thread ends, its store may be gone.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() == KEPT {
                free.remove(0);
            }
            free.push(lines);
        });
    }
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        let mut copy = take(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_used_again() {
        let first = take(1000);
        let (start, len) = (first.as_ptr(), first.len());
        assert_eq!((start.addr() % 64, len), (0, 1000));
        drop(first);
        assert_eq!(take(900).as_ptr(), start);
        assert_eq!(take(0).len(), 0);
    }
}
