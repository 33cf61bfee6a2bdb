//! Memory for one task at a time, which each thread keeps.

use std::cell::Cell;

use bytemuck::Pod;

use crate::line::Line;

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// A thread's memory, given back when dropped. What it holds is left from earlier tasks.
pub struct Workspace {
    lines: Vec<Line>,
    /// Lines that were taken.
    count: usize,
}

/// The lines that hold so many numbers.
pub fn lines<T: Pod>(numbers: usize) -> usize {
    (numbers * size_of::<T>()).div_ceil(size_of::<Line>())
}

/// Takes so many lines. They are the thread's own unless it has taken some before.
pub fn take(count: usize) -> Workspace {
    let mut lines = KEPT.take();
    if lines.len() < count {
        drop(lines);
        lines = Line::zeros(count);
    }
    Workspace { lines, count }
}

impl Workspace {
    /// The whole, to be parted.
    pub fn parts(&mut self) -> Parts<'_> {
        Parts { rest: &mut self.lines[..self.count] }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        // While a thread ends, its store may be gone.
        let _ = KEPT.try_with(|kept| {
            let other = kept.take();
            kept.set(if other.len() > lines.len() { other } else { lines });
        });
    }
}

/// What is left of a workspace.
pub struct Parts<'a> {
    rest: &'a mut [Line],
}

impl<'a> Parts<'a> {
    /// The next numbers, from a line of their own on.
    pub fn take<T: Pod>(&mut self, len: usize) -> &'a mut [T] {
        let (part, rest) = std::mem::take(&mut self.rest).split_at_mut(lines::<T>(len));
        self.rest = rest;
        &mut bytemuck::cast_slice_mut(part)[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_uses_its_memory_again() {
        let mut first = take(lines::<f32>(100) + lines::<usize>(3));
        let mut parts = first.parts();
        let (numbers, places) = (parts.take::<f32>(100), parts.take::<usize>(3));
        (numbers[99], places[2]) = (1.0, 7);
        assert_eq!((numbers.as_ptr().addr() % 64, places.as_ptr().addr() % 64), (0, 0));
        let start = numbers.as_ptr();
        assert!(take(1).lines.len() < 7);
        drop(first);
        assert_eq!(take(2).parts().take::<f32>(32).as_ptr(), start);
    }
}
