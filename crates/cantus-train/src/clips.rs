//! The clips of one part of a split.

use cantus_cache::ClipRule;

use crate::config::ClassWeights;
use crate::error::TrainError;
use crate::source::ClipSource;

/// A clip: where it starts, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clip {
    /// The song's place in the source.
    pub song: usize,
    /// The clip's first frame in the song.
    pub first_frame: usize,
    /// The artist, as an index into the labels.
    pub class: usize,
}

/// Clips of one length, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipSet {
    clips: Vec<Clip>,
    frames_per_clip: usize,
}

impl ClipSet {
    /// A set of given clips.
    pub fn new(clips: Vec<Clip>, frames_per_clip: usize) -> Self {
        Self { clips, frames_per_clip }
    }

    /// Cuts songs, given as (place in the source, class), into consecutive clips without overlap,
    /// song by song, as many of each as the rule says.
    ///
    /// # Errors
    /// [`TrainError::ClipOutOfRange`] if the source lacks a song.
    pub fn cut(
        source: &dyn ClipSource,
        songs: &[(usize, usize)],
        frames_per_clip: usize,
        rule: ClipRule,
    ) -> Result<Self, TrainError> {
        let mut clips = Vec::new();
        for &(song, class) in songs {
            let n_frames = source.n_frames(song).ok_or(TrainError::ClipOutOfRange {
                clip: clips.len(),
                song,
                first_frame: 0,
                n_frames: frames_per_clip,
                available: 0,
            })?;
            let starts = (0..cantus_cache::clips(n_frames, frames_per_clip, rule))
                .map(|clip| clip * frames_per_clip);
            clips.extend(starts.map(|first_frame| Clip { song, first_frame, class }));
        }
        Ok(Self { clips, frames_per_clip })
    }

    /// The clips, in order.
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// How many clips there are.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// Frames of every clip.
    pub fn frames_per_clip(&self) -> usize {
        self.frames_per_clip
    }

    /// How many clips each of `classes` classes has; clips of higher classes are left out.
    pub fn clips_per_class(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for clip in &self.clips {
            if let Some(count) = counts.get_mut(clip.class) {
                *count += 1;
            }
        }
        counts
    }

    /// Checks that every clip lies within its song and has a class below `classes`.
    pub(crate) fn check(&self, source: &dyn ClipSource, classes: usize) -> Result<(), TrainError> {
        for (index, &Clip { song, first_frame, class }) in self.clips.iter().enumerate() {
            if class >= classes {
                return Err(TrainError::ClassOutOfRange { song, class, classes });
            }
            let (available, n_frames) = (source.n_frames(song).unwrap_or(0), self.frames_per_clip);
            if first_frame.checked_add(n_frames).is_none_or(|end| end > available) {
                let clip = index;
                return Err(TrainError::ClipOutOfRange {
                    clip,
                    song,
                    first_frame,
                    n_frames,
                    available,
                });
            }
        }
        Ok(())
    }

    /// A hash of every clip's song, place and class, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for clip in &self.clips {
            for number in [clip.song, clip.first_frame, clip.class] {
                hasher.update(&(number as u64).to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// What each class counts for, or `None` where all count the same. A class without clips
    /// counts 0, and is no class in scikit-learn's formula either.
    pub(crate) fn class_weights(&self, choice: ClassWeights, classes: usize) -> Option<Vec<f64>> {
        match choice {
            ClassWeights::None => None,
            ClassWeights::Balanced => {
                let counts = self.clips_per_class(classes);
                let present = counts.iter().filter(|&&count| count > 0).count();
                let weight = |&count: &usize| match count {
                    0 => 0.0,
                    count => self.len() as f64 / (present * count) as f64,
                };
                Some(counts.iter().map(weight).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // compute_class_weight("balanced", classes=[0, 1, 3], y=[0, 0, 0, 1, 1, 3])
        let clips =
            [0, 0, 0, 1, 1, 3].map(|class| Clip { song: 0, first_frame: 0, class }).to_vec();
        let weights = ClipSet::new(clips, 8).class_weights(ClassWeights::Balanced, 4).unwrap();
        assert_eq!(weights, [6.0 / 9.0, 1.0, 0.0, 2.0]);
    }

    #[test]
    fn the_digest_sees_order_and_class() {
        let clip = |song, class| Clip { song, first_frame: 0, class };
        let digest = |clips: [Clip; 2]| ClipSet::new(clips.to_vec(), 8).digest();
        let one = digest([clip(0, 0), clip(1, 1)]);
        assert_eq!(one, digest([clip(0, 0), clip(1, 1)]));
        assert_ne!(one, digest([clip(1, 1), clip(0, 0)]));
        assert_ne!(one, digest([clip(0, 0), clip(1, 0)]));
    }
}
