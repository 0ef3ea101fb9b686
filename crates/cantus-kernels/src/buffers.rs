//! Large scratch space that is used again from step to step: a fresh page costs more than the
//! arithmetic on it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// A space nobody has wanted for so many others is given back to the system.
const PATIENCE: u64 = 64;

static FREE: Mutex<Shelf> = Mutex::new(Shelf { taken: 0, spaces: Vec::new() });

struct Shelf {
    /// Spaces handed out so far: the clock.
    taken: u64,
    spaces: Vec<(u64, Vec<f32>)>,
}

impl Shelf {
    /// The smallest space of at least `length`, and none of over twice that.
    fn fitting(&mut self, length: usize) -> Option<Vec<f32>> {
        self.taken += 1;
        let now = self.taken;
        let best = (0..self.spaces.len())
            .filter(|&i| (length..=2 * length).contains(&self.spaces[i].1.len()))
            .min_by_key(|&i| self.spaces[i].1.len());
        let found = best.map(|i| self.spaces.swap_remove(i).1);
        self.spaces.retain(|(put, _)| now - put <= PATIENCE);
        found
    }
}

/// Gives the scratch space that is kept from step to step back to the system: worth calling when a
/// training is over and the process goes on.
pub fn release_scratch() {
    let mut shelf = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    shelf.spaces = Vec::new();
}

/// Numbers left over from whoever had the space before; it goes back when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    space: Vec<f32>,
    length: usize,
}

impl Buffer {
    pub(crate) fn take(length: usize) -> Self {
        let found = FREE.lock().unwrap_or_else(PoisonError::into_inner).fitting(length);
        Self { space: found.unwrap_or_else(|| vec![0.0; length]), length }
    }

    /// As [`take`](Self::take), with zeros in it.
    pub(crate) fn zeros(length: usize) -> Self {
        let mut buffer = Self::take(length);
        buffer.fill(0.0);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.space[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.space[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut shelf = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let now = shelf.taken;
        shelf.spaces.push((now, std::mem::take(&mut self.space)));
    }
}
