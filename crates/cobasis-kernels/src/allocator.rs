//! The system's memory for programs that say a word before they end.
//!
//! Where memory ends, Rust's own answer is an abort, which looks like a fault of the program, and no
//! stable interface changes that; whoever asks for memory can.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which calls a function where there is no more memory. For
/// `#[global_allocator]`.
///
/// ```standalone_crate
/// use cobasis_kernels::allocator::Allocator;
///
/// fn out_of_memory(bytes: usize) -> ! {
///     eprintln!("out of memory: {bytes} bytes were asked for");
///     std::process::exit(1)
/// }
///
/// #[global_allocator]
/// static MEMORY: Allocator = Allocator::new(out_of_memory);
///
/// assert_eq!(vec![1u8; 100].len(), 100);
/// ```
///
/// Code that would go on without the memory (`Vec::try_reserve`) does not get to it: from here, it
/// can't be told from code that would not.
#[derive(Debug)]
pub struct Allocator {
    exhausted: fn(usize) -> !,
}

impl Allocator {
    /// The system's allocator, and what is called with the number of bytes that it could not give. The
    /// function must not need memory itself, and other threads go on while it runs.
    pub const fn new(exhausted: fn(usize) -> !) -> Self {
        Self { exhausted }
    }

    fn given(&self, memory: *mut u8, bytes: usize) -> *mut u8 {
        if memory.is_null() {
            (self.exhausted)(bytes)
        }
        memory
    }
}

// SAFETY: all memory is the system's, which keeps the promises; nothing unwinds out of a function that
// does not return.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the system's condition, here and below.
        self.given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        self.given(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// The system's allocator, which counts how often memory was asked for: to see that something asks for none.
///
/// ```standalone_crate
/// use cobasis_kernels::allocator::Counting;
///
/// #[global_allocator]
/// static MEMORY: Counting = Counting::new();
///
/// let before = MEMORY.count();
/// drop(vec![1u8; 100]);
/// assert!(MEMORY.count() > before);
/// ```
#[derive(Debug, Default)]
pub struct Counting {
    asked: AtomicUsize,
}

impl Counting {
    /// The system's allocator, with the count at zero.
    pub const fn new() -> Self {
        Self { asked: AtomicUsize::new(0) }
    }

    /// How often memory was asked for, by all threads.
    pub fn count(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn counted(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: all memory is the system's, which keeps the promises; counting asks for none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.counted();
        // SAFETY: the caller's promise is the system's condition, here and below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.counted();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.counted();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}
