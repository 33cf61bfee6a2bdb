//! Memory in cache lines.

use std::collections::TryReserveError;

use bytemuck::{Pod, Zeroable};

/// A cache line of numbers: vectors that are aligned to it never straddle two.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; LINE]);

/// Numbers in a line.
const LINE: usize = 16;

// SAFETY: an array of f32 without padding, for which all zeros are a value.
unsafe impl Zeroable for Line {}
// SAFETY: as above; every bit pattern is a value.
unsafe impl Pod for Line {}

impl Line {
    /// The lines that hold a count of numbers.
    pub(crate) fn count(numbers: usize) -> usize {
        numbers.div_ceil(LINE)
    }

    /// A count of lines of zeros.
    pub(crate) fn zeros(count: usize) -> Vec<Line> {
        let mut lines = Vec::with_capacity(count);
        fill(&mut lines, count);
        lines
    }

    /// The same, where there may be too little memory.
    pub(crate) fn try_zeros(count: usize) -> Result<Vec<Line>, TryReserveError> {
        let mut lines = Vec::new();
        lines.try_reserve_exact(count)?;
        fill(&mut lines, count);
        Ok(lines)
    }
}

/// Fills lines that have room for a count of them, and nothing in it yet.
fn fill(lines: &mut Vec<Line>, count: usize) {
    // Before the system gives the memory, which it does when it is first written.
    ask_for_large_pages(lines.as_mut_ptr().cast(), count * size_of::<Line>());
    lines.resize(count, Line::zeroed());
}

/// Asks the system for large pages: with small ones, the places of maps and weights are looked up again
/// and again. The system may refuse.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(start: *mut u8, bytes: usize) {
    const PAGE: usize = 4096;
    /// What is smaller has no large page of its own.
    const LEAST: usize = 4 << 20;
    /// `MADV_HUGEPAGE` on every architecture.
    const LARGE_PAGES: i32 = 14;
    unsafe extern "C" {
        fn madvise(start: *mut u8, bytes: usize, advice: i32) -> i32;
    }
    if bytes >= LEAST {
        let skipped = start.addr().next_multiple_of(PAGE) - start.addr();
        let bytes = (bytes - skipped) / PAGE * PAGE;
        // SAFETY: of the C library that std links to; whole pages of an allocation, whose numbers the advice
        // does not change.
        unsafe { madvise(start.wrapping_add(skipped), bytes, LARGE_PAGES) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_start: *mut u8, _bytes: usize) {}
