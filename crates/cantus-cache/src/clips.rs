//! How many clips a spectrogram is cut into.

use serde::{Deserialize, Serialize};

/// Which whole clips of a song are used. Clips are cut one after the other from the first frame
/// on, without overlap; frames after the last whole clip are never used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ClipRule {
    /// All whole clips: `n_frames / frames_per_clip`, rounded down. The default; all results of
    /// this project that do not say otherwise used it.
    #[default]
    AllWhole,
    /// All whole clips but the last: `max(0, n_frames / frames_per_clip - 1)`. The paper's
    /// published code slices so (`slices = n_frames / length - 1`), and so the paper's own tables
    /// were made; the reference counts (`slice_songs` of `splits.json`) follow it.
    Original,
}

/// The number of clips of `frames_per_clip` frames in a spectrogram of `n_frames`. It is 0 for a
/// song shorter than one clip (under [`ClipRule::Original`]: shorter than two), and for clips of
/// no frames; to tell the user is the caller's part.
pub fn clips(n_frames: usize, frames_per_clip: usize, rule: ClipRule) -> usize {
    let whole = n_frames.checked_div(frames_per_clip).unwrap_or(0);
    match rule {
        ClipRule::AllWhole => whole,
        ClipRule::Original => whole.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_whole_clips_are_counted_and_the_original_drops_the_last() {
        for (n_frames, all, original) in
            [(0, 0, 0), (93, 0, 0), (94, 1, 0), (187, 1, 0), (188, 2, 1), (1_000, 10, 9)]
        {
            assert_eq!(clips(n_frames, 94, ClipRule::AllWhole), all, "{n_frames} frames");
            assert_eq!(clips(n_frames, 94, ClipRule::Original), original, "{n_frames} frames");
        }
    }

    #[test]
    fn clips_of_no_frames_are_none() {
        assert_eq!(clips(100, 0, ClipRule::AllWhole), 0);
    }
}
