//! Large scratch space that is used again from step to step: a fresh page costs more than the
//! arithmetic on it. It begins at a multiple of 64 bytes: a vector of AVX-512 that straddles two
//! lines of the cache costs two loads.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A space nobody has wanted for so long is given back to the system when the next one is returned:
/// longer than a step of a training mostly takes; a slower one pays for fresh pages.
const PATIENCE: Duration = Duration::from_secs(20);

static FREE: Mutex<Shelf> = Mutex::new(Shelf { spaces: Vec::new() });

/// Numbers of a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

struct Shelf {
    /// With the time at which each was put there.
    spaces: Vec<(Instant, Vec<Line>)>,
}

impl Shelf {
    /// The smallest space of at least so many lines, and none of over twice that.
    fn fitting(&mut self, lines: usize) -> Option<Vec<Line>> {
        let best = (0..self.spaces.len())
            .filter(|&i| (lines..=2 * lines).contains(&self.spaces[i].1.len()))
            .min_by_key(|&i| self.spaces[i].1.len());
        best.map(|i| self.spaces.swap_remove(i).1)
    }
}

fn fresh(lines: usize) -> Vec<Line> {
    let mut space = Vec::with_capacity(lines);
    ask_for_huge_pages(space.spare_capacity_mut());
    space.resize(lines, Line([0.0; LINE]));
    space
}

/// Asks for pages of 2 MiB instead of 4 KiB where the space is large: a convolution that finds its
/// pages by the thousand waits for their addresses. It is a hint, which a system may ignore.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(space: &mut [MaybeUninit<Line>]) {
    const HUGE_PAGE: usize = 2 << 20;
    // 64 KiB on some ARM systems; a multiple of the smaller ones.
    const LARGEST_BASE_PAGE: usize = 1 << 16;
    let bytes = size_of_val(space);
    let start = space.as_mut_ptr().cast::<u8>();
    let unaligned = start.align_offset(LARGEST_BASE_PAGE);
    if bytes < unaligned + HUGE_PAGE {
        return;
    }
    let whole = (bytes - unaligned) / LARGEST_BASE_PAGE * LARGEST_BASE_PAGE;
    #[expect(unsafe_code, reason = "the system takes an address")]
    // SAFETY: the pages lie within the space, which is borrowed exclusively; how large they are
    // changes nothing about what is in them.
    let _ = unsafe {
        rustix::mm::madvise(
            start.wrapping_add(unaligned).cast(),
            whole,
            rustix::mm::Advice::LinuxHugepage,
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_: &mut [MaybeUninit<Line>]) {}

/// Gives the scratch space that is kept from step to step back to the system: worth calling when a
/// training is over and the process goes on.
pub fn release_scratch() {
    let mut shelf = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    shelf.spaces = Vec::new();
}

/// Numbers left over from whoever had the space before; it goes back when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    space: Vec<Line>,
    length: usize,
}

impl Buffer {
    pub(crate) fn take(length: usize) -> Self {
        let lines = length.div_ceil(LINE);
        let found = FREE.lock().unwrap_or_else(PoisonError::into_inner).fitting(lines);
        Self { space: found.unwrap_or_else(|| fresh(lines)), length }
    }

    /// As [`take`](Self::take), with zeros in it.
    pub(crate) fn zeros(length: usize) -> Self {
        let mut buffer = Self::take(length);
        buffer.fill(0.0);
        buffer
    }
}

impl Buffer {
    /// The same memory as words of 32 bits.
    pub(crate) fn words(&self) -> &[u32] {
        let numbers: &[f32] = self;
        #[expect(unsafe_code, reason = "the same bits, of another type")]
        // SAFETY: both types are four bytes, aligned alike, and any bits make one of either.
        unsafe {
            std::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len())
        }
    }

    /// As [`words`](Self::words), to write.
    pub(crate) fn words_mut(&mut self) -> &mut [u32] {
        let numbers: &mut [f32] = self;
        #[expect(unsafe_code, reason = "the same bits, of another type")]
        // SAFETY: as in `words`, and the borrow is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len())
        }
    }

    /// The same memory as halves of a word.
    pub(crate) fn halves(&self) -> &[u16] {
        let numbers: &[f32] = self;
        #[expect(unsafe_code, reason = "the same bits, of another type")]
        // SAFETY: a number is two halves, aligned as strictly, and any bits make a half.
        unsafe {
            std::slice::from_raw_parts(numbers.as_ptr().cast(), 2 * numbers.len())
        }
    }

    /// As [`halves`](Self::halves), to write.
    pub(crate) fn halves_mut(&mut self) -> &mut [u16] {
        let numbers: &mut [f32] = self;
        #[expect(unsafe_code, reason = "the same bits, of another type")]
        // SAFETY: as in `halves`, and the borrow is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), 2 * numbers.len())
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        assert!(self.length <= self.space.len() * LINE);
        #[expect(unsafe_code, reason = "a slice of aligned lines is not a slice of numbers")]
        // SAFETY: lines are `LINE` numbers each without gaps, of which the space has `length` or
        // more (asserted above); they are borrowed as long as the slice.
        unsafe {
            std::slice::from_raw_parts(self.space.as_ptr().cast(), self.length)
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        assert!(self.length <= self.space.len() * LINE);
        #[expect(unsafe_code, reason = "a slice of aligned lines is not a slice of numbers")]
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(self.space.as_mut_ptr().cast(), self.length)
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut shelf = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        shelf.spaces.retain(|(put, _)| now - *put <= PATIENCE);
        shelf.spaces.push((now, std::mem::take(&mut self.space)));
    }
}
