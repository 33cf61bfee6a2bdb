//! Windows over an image: which values of the source each position reads, and the zeros around.

use std::ops::Range;

use super::ConvShape;

/// Positions that each read a rectangle of `taps` pixels from a source `[batch, size, channels]`.
#[derive(Debug, Clone)]
pub struct Window {
    /// Images.
    pub batch: usize,
    /// Height and width of the source.
    pub size: [usize; 2],
    /// Channels of the source.
    pub channels: usize,
    /// Positions down and across.
    pub positions: [usize; 2],
    /// Source pixels between positions.
    pub stride: [usize; 2],
    /// Pixels each position reads.
    pub taps: [usize; 2],
    /// Source pixel that the first position reads first; negative: that many zeros come before.
    pub start: [isize; 2],
    /// Whether values are read from the copy made by [`Self::copy`], not from the source.
    pub copied: bool,
}

impl Window {
    /// What the output of a convolution reads of the input.
    pub fn forward(shape: &ConvShape) -> Self {
        Self {
            batch: shape.batch,
            size: shape.size,
            channels: shape.channels_in,
            positions: shape.output(),
            stride: shape.stride,
            taps: shape.kernel,
            start: shape.padding.map(|p| -(p as isize)),
            copied: false,
        }
        .copied_if_needed()
    }

    /// Reads from a copy if a position reads outside the source.
    pub fn copied_if_needed(mut self) -> Self {
        self.copied |= !(0..2).all(|i| {
            let last = (self.positions[i] - 1) * self.stride[i] + self.taps[i];
            self.start[i] >= 0 && self.start[i] as usize + last <= self.size[i]
        });
        self
    }

    /// Lines of positions in the batch.
    pub fn lines(&self) -> usize {
        self.batch * self.positions[0]
    }

    /// Pixels in a line of the window, zeros included.
    fn width(&self) -> usize {
        (self.positions[1] - 1) * self.stride[1] + self.taps[1]
    }

    /// Values between lines of pixels: of the source, or of the copy made by [`Self::copy`].
    pub fn line_stride(&self) -> usize {
        self.channels * if self.copied { self.width() } else { self.size[1] }
    }

    /// Runs of lines that lie in one image: image and its lines.
    fn images(&self, lines: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let height = self.positions[0];
        let (start, end) = (lines.start, lines.end);
        (start / height..end.div_ceil(height)).map(move |image| {
            let first = image * height;
            (image, start.max(first) - first..end.min(first + height) - first)
        })
    }

    /// Source lines that `count` lines of positions of an image read.
    fn depth(&self, count: usize) -> usize {
        (count - 1) * self.stride[0] + self.taps[0]
    }

    /// Values of the copy of these lines.
    pub fn copy_len(&self, lines: Range<usize>) -> usize {
        self.images(lines).map(|(_, lines)| self.depth(lines.len())).sum::<usize>()
            * self.width()
            * self.channels
    }

    /// Copies what the lines read, zeros included.
    pub fn copy(&self, source: &[f32], lines: Range<usize>, copy: &mut [f32]) {
        let [height, width] = self.size;
        let c = self.channels;
        let image_len = height * width * c;
        let left = (-self.start[1]).max(0) as usize;
        let skip = self.start[1].max(0) as usize;
        let mut targets = copy.chunks_exact_mut(self.width() * c);
        for (image, lines) in self.images(lines) {
            let image = &source[image * image_len..][..image_len];
            let top = (lines.start * self.stride[0]) as isize + self.start[0];
            for (row, target) in (&mut targets).take(self.depth(lines.len())).enumerate() {
                let row = top + row as isize;
                if row < 0 || row as usize >= height {
                    target.fill(0.0);
                    continue;
                }
                let source = &image[row as usize * width * c..][skip * c..width * c];
                let kept = source.len().min(target.len().saturating_sub(left * c));
                let (zeros, rest) = target.split_at_mut(left * c);
                zeros.fill(0.0);
                rest[..kept].copy_from_slice(&source[..kept]);
                rest[kept..].fill(0.0);
            }
        }
    }

    /// Offset of the first value that each line of positions reads: in the source, or in the copy
    /// of just these lines.
    pub fn line_offsets(&self, lines: Range<usize>) -> impl Iterator<Item = usize> {
        let stride = self.line_stride();
        let mut copied = 0;
        self.images(lines).flat_map(move |(image, lines)| {
            let top = if self.copied {
                copied
            } else {
                let row = image * self.size[0] + lines.start * self.stride[0];
                row + self.start[0] as usize
            };
            let left = if self.copied { 0 } else { self.start[1] as usize * self.channels };
            copied += self.depth(lines.len());
            let step = self.stride[0];
            (0..lines.len()).map(move |line| (top + line * step) * stride + left)
        })
    }

    /// Runs of values that a position of this group reads, as offsets from its first value, and
    /// the length of each.
    pub fn runs(
        &self,
        group: usize,
        groups: usize,
    ) -> (impl ExactSizeIterator<Item = usize> + use<>, usize) {
        let (stride, channels) = (self.line_stride(), self.channels);
        // Without groups, the pixels of a line lie together.
        let (across, len) = match groups {
            1 => (1, self.taps[1] * channels),
            groups => (self.taps[1], channels / groups),
        };
        let shift = if groups == 1 { 0 } else { group * len };
        let runs = (0..self.taps[0] * across)
            .map(move |run| run / across * stride + run % across * channels + shift);
        (runs, len)
    }
}
