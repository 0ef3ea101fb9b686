//! The middle of a recording whose length is only known at its end.

use std::collections::VecDeque;

/// The middle of a recording that is still being decoded.
///
/// However the file ends, its excerpt starts no earlier than half of what is not wanted of what was
/// decoded so far: everything before is let go, so that half of the recording and half of the
/// excerpt are held at most.
pub(crate) struct Middle {
    /// Wanted.
    frames: u64,
    /// Where the excerpt starts if the file is as long as it states.
    planned_start: Option<u64>,
    held: VecDeque<f32>,
    /// Frames that were let go.
    held_from: u64,
    decoded: u64,
}

impl Middle {
    /// The middle `frames` of a file that states so many.
    pub(crate) fn new(frames: u64, stated_frames: Option<u64>) -> Self {
        let planned_start = stated_frames.map(|stated| stated.saturating_sub(frames) / 2);
        Self { frames, planned_start, held: VecDeque::new(), held_from: 0, decoded: 0 }
    }

    /// True where all of the planned excerpt was decoded.
    pub(crate) fn is_whole(&self) -> bool {
        self.planned_start.is_some_and(|start| self.decoded >= start.saturating_add(self.frames))
    }

    /// Takes in the next frames.
    pub(crate) fn push(&mut self, chunk: &[f32]) {
        self.decoded += chunk.len() as u64;
        // A packet may reach beyond the stated end; the planned excerpt stays whole.
        let needed_from = self.centred_start().min(self.planned_start.unwrap_or(u64::MAX));
        let stale = ((needed_from - self.held_from) as usize).min(self.held.len());
        // A queue lets go of its front without moving the rest.
        self.held.drain(..stale);
        self.held_from += stale as u64;
        self.held.extend(chunk);
    }

    /// Frames held now.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Where the middle of what was decoded starts.
    fn centred_start(&self) -> u64 {
        self.decoded.saturating_sub(self.frames) / 2
    }

    /// The middle, and how many frames come before it.
    pub(crate) fn finish(self) -> (Vec<f32>, u64) {
        let start = match self.planned_start {
            Some(start) if self.is_whole() => start,
            _ => self.centred_start(),
        };
        let mut samples = Vec::from(self.held);
        samples.drain(..(start - self.held_from) as usize);
        samples.truncate(self.frames as usize);
        (samples, start)
    }
}

#[cfg(test)]
mod tests {
    use super::Middle;

    /// Frames 0, 1, 2, ... in packets of `packet`, and the most that was ever held.
    fn middle(frames: u64, stated: Option<u64>, decoded: u64, packet: usize) -> (Vec<f32>, usize) {
        let mut middle = Middle::new(frames, stated);
        let all: Vec<f32> = (0..decoded).map(|frame| frame as f32).collect();
        let mut most = 0;
        for chunk in all.chunks(packet) {
            if middle.is_whole() {
                break;
            }
            middle.push(chunk);
            most = most.max(middle.held.len());
        }
        let (samples, start) = middle.finish();
        assert_eq!(samples.first().copied(), Some(start as f32));
        (samples, most)
    }

    fn range(from: u32, to: u32) -> Vec<f32> {
        (from..to).map(|frame| frame as f32).collect()
    }

    #[test]
    fn of_a_file_of_unstated_length_half_of_it_and_of_the_excerpt_are_held_at_most() {
        let (samples, most) = middle(1_000, None, 101_000, 100);
        assert_eq!(samples, range(50_000, 51_000));
        assert!(most <= 51_000 + 100, "{most} of 101000 frames were held");
    }

    #[test]
    fn a_file_that_ends_early_or_late_gives_its_middle_whatever_its_packets() {
        for packet in [1, 7, 64, 1_000, 5_000] {
            assert_eq!(middle(100, Some(1_000), 1_000, packet).0, range(450, 550), "{packet}");
            assert_eq!(middle(100, Some(1_000), 300, packet).0, range(100, 200), "{packet}");
            assert_eq!(middle(100, Some(101), 4_000, packet).0, range(0, 100), "{packet}");
            assert_eq!(middle(100, Some(0), 4_000, packet).0, range(0, 100), "{packet}");
            assert_eq!(middle(100, Some(1_000), 60, packet).0, range(0, 60), "{packet}");
            assert_eq!(middle(100, None, 4_001, packet).0, range(1_950, 2_050), "{packet}");
        }
    }
}
