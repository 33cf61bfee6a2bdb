//! Numbers that start at a cache line.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::line::Line;

/// Numbers for which vectors are loaded from aligned places; as many as were asked for at most.
#[derive(Debug, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

/// The system has no such memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system has no such memory")
    }
}

impl std::error::Error for OutOfMemory {}

impl Aligned {
    /// Makes room for so many numbers, without any promise of what they are.
    ///
    /// # Errors
    ///
    /// If there is no such memory.
    pub fn grow(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let lines = Line::count(len);
        if lines > self.lines.len() {
            // What was there is not needed, and would be copied.
            self.lines = Vec::new();
            self.len = 0;
            self.lines = Line::try_zeros(lines).map_err(|_| OutOfMemory)?;
        }
        self.len = self.len.max(len);
        Ok(())
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_does_not_shrink() {
        let mut numbers = Aligned::default();
        assert!(numbers.is_empty() && numbers.grow(usize::MAX / 8).is_err());
        for (asked, got) in [(20, 20), (3, 20), (100, 100)] {
            numbers.grow(asked).expect("memory");
            assert_eq!((numbers.len(), numbers.as_ptr().addr() % 64), (got, 0));
        }
    }
}
