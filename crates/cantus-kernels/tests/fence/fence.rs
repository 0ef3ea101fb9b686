//! An allocator that gives each allocation pages of its own between two that cannot be touched,
//! flush against one of them.

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// Smaller allocations are the system's: operands of that size are vectors' tails, which the larger
/// ones have as well.
const LEAST: usize = 64;

/// Which end of an allocation lies at the end of accessible memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Its first byte.
    Before,
    /// Its last byte, as far as its alignment lets it.
    Behind,
}

static BEHIND: AtomicBool = AtomicBool::new(false);

/// Lays allocations from now on against a side.
pub(crate) fn put(side: Side) {
    BEHIND.store(side == Side::Behind, Ordering::SeqCst);
}

pub(crate) struct Fence;

/// Bytes of the pages between the two.
fn room(layout: Layout) -> usize {
    layout.size().next_multiple_of(PAGE)
}

fn is_fenced(layout: Layout) -> bool {
    layout.size() >= LEAST && layout.align() <= PAGE
}

// SAFETY: `alloc` returns `layout.size()` bytes of a fresh mapping at a multiple of the alignment,
// or null; which of the two allocators has an allocation is decided by its layout alone, which
// `dealloc` is given again. `realloc` is the default: a new allocation and a copy.
unsafe impl GlobalAlloc for Fence {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_fenced(layout) {
            // SAFETY: the caller's layout is not of size zero.
            return unsafe { System.alloc(layout) };
        }
        let room = room(layout);
        // SAFETY: a mapping wherever the system likes replaces none.
        let mapping = unsafe {
            mmap_anonymous(null_mut(), room + 2 * PAGE, ProtFlags::empty(), MapFlags::PRIVATE)
        };
        let Ok(mapping) = mapping else { return null_mut() };
        let between = mapping.cast::<u8>().wrapping_add(PAGE);
        let access = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: these pages are the middle of the mapping just made.
        if unsafe { mprotect(between.cast(), room, access) }.is_err() {
            return null_mut();
        }
        if BEHIND.load(Ordering::Relaxed) {
            let gap = room - layout.size();
            between.wrapping_add(gap - gap % layout.align())
        } else {
            between
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !is_fenced(layout) {
            // SAFETY: `alloc` had it from there.
            return unsafe { System.dealloc(pointer, layout) };
        }
        // Less than a page lies between the begin of the pages and the allocation.
        let between = pointer.wrapping_sub(pointer.addr() % PAGE);
        // SAFETY: this is the mapping that `alloc` made, and nobody uses the allocation any more.
        let unmapped =
            unsafe { munmap(between.wrapping_sub(PAGE).cast(), room(layout) + 2 * PAGE) };
        debug_assert!(unmapped.is_ok());
    }
}
