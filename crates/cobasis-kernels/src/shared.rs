//! Memory that tasks write to, each its own part.

/// A pointer that tasks on several threads may hold.
#[derive(Clone, Copy)]
pub struct Shared(pub *mut f32);

// SAFETY: holding the pointer is harmless; whoever writes through it sees to it that no other task
// touches the same values.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The pointer `offset` values further on.
    #[inline(always)]
    pub fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}
