//! A 1×1 convolution and the depthwise one after it in one pass: a block of the channels in between is
//! computed for some lines of an image, and read while it is in the cache. The maps in between, several
//! times as large as those around them in inverted residuals, are never written to memory.

use std::ops::Range;

use super::finish;
use super::panels::{Block, Panels};
use super::stencil::{self, Stencil, TAPS};
use super::tile::{Left, Run, Target, multiply};
use super::{ConvShape, Epilogue, depthwise};
use crate::isa::{self, Simd};
use crate::shared::Shared;
use crate::{parallel, workspace};

/// Values in between that a task holds: about a quarter of a core's second-level cache.
const HELD: usize = 1 << 16;

/// Whether both convolutions are computed in one pass: every pixel of single ones, then 3×3 filters with a
/// stride of 1 or 2.
pub fn fits(first: &ConvShape, second: &ConvShape) -> bool {
    let ConvShape { kernel, stride, padding, groups, .. } = *first;
    let plain = (kernel, stride, padding, groups) == ([1, 1], [1, 1], [0, 0], 1);
    let depthwise = depthwise::fits(second) && second.kernel == [TAPS; 2];
    let strides = second.stride == [1, 1] || second.stride == [2, 2];
    plain
        && depthwise
        && strides
        && second.channels_in > 1
        && (first.batch, first.size, first.channels_out)
            == (second.batch, second.size, second.channels_in)
}

/// Both convolutions, as one computes them.
pub struct Pair<'a> {
    pub first: &'a ConvShape,
    pub panels: &'a Panels,
    pub expansion: &'a Epilogue<'a>,
    pub second: &'a ConvShape,
    pub weight: &'a depthwise::Weight,
    pub epilogue: &'a Epilogue<'a>,
}

/// Writes the output; `pixel` is the number of values from a pixel of `y` to the next.
pub fn forward(pair: &Pair, x: &[f32], (y, pixel): (&mut [f32], usize)) {
    let strips = Strips::new(pair.second);
    let (target, blocks) = (Shared(y.as_mut_ptr()), pair.panels.blocks());
    parallel::tasks(pair.first.batch * strips.count * blocks, |index| {
        let (strip, block) = (index / blocks, index % blocks);
        let (image, strip) = (strip / strips.count, strip % strips.count);
        let lines = strips.lines(strip);
        isa::dispatch(Task { pair, x, target, pixel, image, lines, block });
    });
}

/// Lines of a workspace that a task takes at most.
pub fn room(second: &ConvShape) -> usize {
    let strips = Strips::new(second);
    let of = |strip| Held::new(second, &strips.lines(strip)).room();
    (0..strips.count).map(of).max().unwrap_or(0)
}

/// The output's lines, divided.
struct Strips {
    height: usize,
    count: usize,
}

impl Strips {
    fn new(second: &ConvShape) -> Self {
        let height = second.output()[0];
        let line = (second.size[1] + 2 * second.padding[1]) * 2 * isa::lanes();
        let lines = ((HELD / line).saturating_sub(TAPS) / second.stride[0] + 1).min(height);
        Self { height, count: height.div_ceil(lines) }
    }

    fn lines(&self, strip: usize) -> Range<usize> {
        strip * self.height / self.count..(strip + 1) * self.height / self.count
    }
}

/// What a task holds of the maps in between: lines of pixels, with the zeros around them.
struct Held {
    /// Lines, and the first of them; negative: that many lines of zeros come before.
    lines: usize,
    first: isize,
    /// Pixels of a line.
    width: usize,
    /// Those lines that lie in the image.
    inside: Range<usize>,
    image_width: usize,
}

impl Held {
    /// What these lines of the output read.
    fn new(second: &ConvShape, lines: &Range<usize>) -> Self {
        let [height, width] = second.size;
        let first = (lines.start * second.stride[0]) as isize - second.padding[0] as isize;
        let count = (lines.len() - 1) * second.stride[0] + TAPS;
        let start = first.max(0) as usize;
        let end = ((first + count as isize).max(0) as usize).clamp(start, height.max(start));
        Self {
            lines: count,
            first,
            width: width + 2 * second.padding[1],
            inside: start..end,
            image_width: width,
        }
    }

    fn pixels(&self) -> usize {
        self.lines * self.width
    }

    /// Pixels that are computed.
    fn computed(&self) -> usize {
        self.inside.len() * self.image_width
    }

    fn room(&self) -> usize {
        workspace::lines::<f32>(self.pixels() * 2 * isa::lanes())
            + 2 * workspace::lines::<usize>(self.computed())
    }
}

/// Some lines of the output, and a block of channels.
struct Task<'a> {
    pair: &'a Pair<'a>,
    x: &'a [f32],
    target: Shared,
    pixel: usize,
    image: usize,
    lines: Range<usize>,
    block: usize,
}

impl isa::Task for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let block = self.pair.panels.block(self.block);
        let held = Held::new(self.pair.second, &self.lines);
        let width = block.columns.next_multiple_of(S::LANES);
        let mut memory = workspace::take(held.room());
        let mut parts = memory.parts();
        let maps = parts.take::<f32>(held.pixels() * width);
        let [read, written] = [(); 2].map(|()| parts.take::<usize>(held.computed()));
        self.expand(s, &held, (block, width), maps, [read, written]);
        let mut channel = 0;
        while channel < block.columns {
            let count = (block.columns - channel).min(S::LANES);
            for (index, line) in self.lines.clone().enumerate() {
                let from = index * self.pair.second.stride[0] * held.width * width + channel;
                let stencil = Stencil {
                    from: maps[from..].as_ptr(),
                    pixel: width,
                    line: held.width * width,
                    taps: self.pair.weight.tap(block.first + channel),
                    tap: self.pair.second.channels_in,
                };
                match (self.pair.second.stride[1], count == S::LANES) {
                    (1, true) => self.line::<S, 1, true>(s, stencil, line, block, channel),
                    (1, false) => self.line::<S, 1, false>(s, stencil, line, block, channel),
                    (_, true) => self.line::<S, 2, true>(s, stencil, line, block, channel),
                    (_, false) => self.line::<S, 2, false>(s, stencil, line, block, channel),
                }
            }
            channel += S::LANES;
        }
    }
}

impl Task<'_> {
    /// Computes the maps in between, and zeros around them.
    #[inline(always)]
    fn expand<S: Simd>(
        &self,
        s: S,
        held: &Held,
        (block, width): (Block, usize),
        maps: &mut [f32],
        [read, written]: [&mut [usize]; 2],
    ) {
        let Pair { first, second, .. } = *self.pair;
        let padding = second.padding[1];
        let mut next = 0;
        for (index, line) in maps.chunks_exact_mut(held.width * width).enumerate() {
            let row = held.first + index as isize;
            if row < 0 || !held.inside.contains(&(row as usize)) {
                line.fill(0.0);
                continue;
            }
            let end = line.len() - padding * width;
            line[..padding * width].fill(0.0);
            line[end..].fill(0.0);
            let row = (self.image * first.size[0] + row as usize) * held.image_width;
            for column in 0..held.image_width {
                read[next] = (row + column) * first.channels_in;
                written[next] = (index * held.width + padding + column) * width;
                next += 1;
            }
        }
        let right = self.pair.panels.values(0, self.block);
        let run = Run { taps: &[0], len: first.channels_in, right };
        let left = Left { base: self.x.as_ptr(), rows: read };
        let target = Target {
            // Channels are counted from the first of all, the block's lie at the beginning.
            base: maps.as_mut_ptr().wrapping_sub(block.first),
            rows: written,
            channel: 0,
            padded: false,
            near: true,
            epilogue: self.pair.expansion,
        };
        // SAFETY: pixels lie in the image, whose size was checked, and what is written in `maps`.
        unsafe { multiply(s, left, &[run], block, target) }
    }

    /// A line of the output, for a vector of channels.
    #[inline(always)]
    fn line<S: Simd, const STRIDE: usize, const WHOLE: bool>(
        &self,
        s: S,
        stencil: Stencil,
        line: usize,
        block: Block,
        channel: usize,
    ) {
        let [height, width] = self.pair.second.output();
        let count = (block.columns - channel).min(S::LANES);
        let channels = (block.first + channel, count);
        let row = ((self.image * height + line) * width) * self.pixel;
        let mut column = 0;
        while column < width {
            let at = Stencil {
                from: stencil.from.wrapping_add(column * STRIDE * stencil.pixel),
                ..stencil
            };
            // SAFETY: the maps hold what all columns of the line read; the output's length was checked.
            unsafe {
                column += match width - column {
                    4.. => self.store::<S, 4, STRIDE, WHOLE>(s, at, channels, (row, column)),
                    2.. => self.store::<S, 2, STRIDE, WHOLE>(s, at, channels, (row, column)),
                    _ => self.store::<S, 1, STRIDE, WHOLE>(s, at, channels, (row, column)),
                };
            }
        }
    }

    /// `N` positions of a line; gives their number.
    ///
    /// # Safety
    /// The pixels that they read must be readable, and theirs in the output writable.
    #[inline(always)]
    unsafe fn store<S: Simd, const N: usize, const STRIDE: usize, const WHOLE: bool>(
        &self,
        s: S,
        stencil: Stencil,
        channels: (usize, usize),
        (row, column): (usize, usize),
    ) -> usize {
        let mut rows = [row; N];
        for i in 0..N {
            rows[i] += (column + i) * self.pixel;
        }
        // SAFETY: the caller's.
        unsafe {
            let sums = stencil::sums::<S, N, STRIDE, WHOLE>(s, stencil, 0..TAPS, channels.1);
            let to = (self.target.0, rows);
            finish::store::<S, N, WHOLE>(s, self.pair.epilogue, channels, sums, to);
        }
        N
    }
}
