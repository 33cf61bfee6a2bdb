//! How rows of channels are cut into chunks and made as long as vectors.

use std::ops::Range;

/// Numbers of a chunk: as many as stay in a core's own cache between two passes over them.
const CHUNK: usize = 1 << 15;
/// Numbers that the widest vectors hold.
const LANES: usize = 16;
/// The shortest row over which a loop is worth its overhead.
const SHORTEST: usize = 256;

/// The cut of `[rows, channels]`: rows are joined to wide rows, whose length is that of whole
/// vectors, and wide rows to chunks.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) channels: usize,
    /// Rows that make a wide one.
    repeats: usize,
}

impl Rows {
    pub(super) fn new(channels: usize) -> Self {
        let mut repeats = 1;
        while !(repeats * channels).is_multiple_of(LANES) || repeats * channels < SHORTEST {
            repeats *= 2;
        }
        Self { channels, repeats }
    }

    /// Numbers of a wide row.
    pub(super) fn width(self) -> usize {
        self.repeats * self.channels
    }

    /// Numbers of a chunk.
    pub(super) fn chunk(self) -> usize {
        (CHUNK / self.width()).max(1) * self.width()
    }

    /// What belongs to each channel, written once for each row of a wide one.
    pub(super) fn widened(self, per_channel: impl Fn(usize) -> f32) -> Vec<f32> {
        (0..self.width()).map(|index| per_channel(index % self.channels)).collect()
    }

    /// The sums of each channel, from those of each place of a wide row.
    pub(super) fn narrowed(self, wide: &[f32]) -> Vec<f64> {
        (0..self.channels)
            .map(|channel| {
                wide[channel..].iter().step_by(self.channels).copied().map(f64::from).sum()
            })
            .collect()
    }

    /// The wide rows of a chunk of this length, of which the last may be short.
    pub(super) fn wide(self, length: usize) -> impl Iterator<Item = Range<usize>> {
        let width = self.width();
        (0..length.div_ceil(width)).map(move |row| row * width..((row + 1) * width).min(length))
    }
}
