//! What distinguishes one block of a residual network from another.

use crate::slot::{Slot, SlotRole};
use crate::spec::{BlockKind, ShortcutKind};

/// Configuration of a [`Block`](super::Block) of a residual network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockConfig {
    pub(crate) kind: BlockKind,
    /// The stage that it is in.
    pub(crate) stage: usize,
    /// Its number in the stage.
    pub(crate) index: usize,
    /// Channels before the block.
    pub(crate) input: usize,
    /// The block's width: there are [`BlockKind::inner`] channels inside it, and after it
    /// [`BlockKind::expansion`] times as many.
    pub(crate) width: usize,
    pub(crate) stride: usize,
    pub(crate) shortcut: ShortcutKind,
}

impl BlockConfig {
    /// Channels inside the block.
    pub(crate) fn inner(&self) -> usize {
        self.kind.inner(self.width)
    }

    /// Channels after the block.
    pub(crate) fn output(&self) -> usize {
        self.kind.expansion() * self.width
    }

    /// The convolutions that it offers to a sharing method, in the order of the computation.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        match self.kind {
            BlockKind::Basic => self.basic_slots().to_vec(),
            BlockKind::Bottleneck | BlockKind::ResNeXt => {
                vec![self.inner_slot(), self.outer_slot(self.inner())]
            }
        }
    }

    /// Both convolutions of a basic block.
    pub(super) fn basic_slots(&self) -> [Slot; 2] {
        let Self { input, width, stride, .. } = *self;
        let first = self.slot(SlotRole::First, [input, width], 3);
        let second = self.slot(SlotRole::Second, [width, width], 3);
        [Slot { stride, ..first }, second]
    }

    /// The 3×3 convolution of a bottleneck.
    pub(super) fn inner_slot(&self) -> Slot {
        let slot = self.slot(SlotRole::Inner, [self.inner(); 2], 3);
        Slot { stride: self.stride, groups: self.kind.groups(), ..slot }
    }

    /// The 1×1 convolution after it, from so many channels.
    pub(super) fn outer_slot(&self, input: usize) -> Slot {
        self.slot(SlotRole::Outer, [input, self.output()], 1)
    }

    fn slot(&self, role: SlotRole, channels: [usize; 2], kernel: usize) -> Slot {
        let Self { stage, index: block, .. } = *self;
        let (stride, groups, scale) = (1, 1, 1 << stage);
        Slot { stage, lender: stage, block, role, channels, kernel, stride, groups, scale }
    }
}
