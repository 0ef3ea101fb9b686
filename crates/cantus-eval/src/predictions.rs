//! What a model said about every clip: the one input of all scores.

use crate::error::EvalError;
use crate::label::check_labels;

/// How far from 1 the sum of a clip's probabilities may lie.
///
/// Wide enough for numbers that were rounded to four decimals, narrow enough to catch logits.
const SUM_TOLERANCE: f64 = 1e-2;

/// One clip: where it comes from, who made it, and what the model thinks.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipPrediction {
    /// The song's id: its path under the corpus, `/`-separated.
    pub song_id: String,
    /// Index of the clip in the song, from 0.
    pub clip: u32,
    /// Where in the song the clip starts, in seconds.
    pub start_seconds: f64,
    /// Index of the true class in the labels.
    pub truth: usize,
    /// The probability of each class, in the order of the labels.
    pub probabilities: Vec<f32>,
}

impl ClipPrediction {
    /// The class with the largest probability; of equals the smallest class, as `numpy.argmax`.
    pub fn predicted(&self) -> usize {
        argmax(&self.probabilities)
    }
}

/// Checked predictions of a set of clips, sorted by song id (bytes), then clip.
///
/// Every clip has one probability a class and a true class that has a label; no clip stands twice;
/// the clips of a song agree about its artist. The order in which clips were given changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    labels: Vec<String>,
    clips: Vec<ClipPrediction>,
}

impl Predictions {
    /// Checks and sorts `clips`; `labels[class]` is the name of a class.
    ///
    /// # Errors
    ///
    /// No labels, an empty or repeated label, no clips, or a clip that breaks one of the rules of
    /// [`Predictions`].
    pub fn new(labels: Vec<String>, mut clips: Vec<ClipPrediction>) -> Result<Self, EvalError> {
        check_labels(&labels)?;
        if clips.is_empty() {
            return Err(EvalError::NoPredictions);
        }
        for clip in &clips {
            check_clip(clip, labels.len())?;
        }
        clips.sort_by(|a, b| a.song_id.cmp(&b.song_id).then(a.clip.cmp(&b.clip)));
        for (clip, next) in clips.iter().zip(clips.iter().skip(1)) {
            if clip.song_id != next.song_id {
                continue;
            }
            if clip.clip == next.clip {
                return Err(EvalError::DuplicateClip {
                    song_id: clip.song_id.clone(),
                    clip: clip.clip,
                });
            }
            if clip.truth != next.truth {
                return Err(EvalError::SongClass {
                    song_id: clip.song_id.clone(),
                    first: clip.truth,
                    second: next.truth,
                });
            }
        }
        Ok(Self { labels, clips })
    }

    /// The predictions of several folds as one, so that a score is of all songs.
    ///
    /// # Errors
    ///
    /// [`EvalError::OtherLabels`] if the folds name other classes, and what [`Predictions::new`]
    /// finds, such as a clip that two folds tested.
    pub fn pooled(folds: Vec<Self>) -> Result<Self, EvalError> {
        let mut folds = folds.into_iter();
        let Some(Self { labels, mut clips }) = folds.next() else {
            return Err(EvalError::NoPredictions);
        };
        for fold in folds {
            if fold.labels != labels {
                return Err(EvalError::OtherLabels { first: labels, second: fold.labels });
            }
            clips.extend(fold.clips);
        }
        Self::new(labels, clips)
    }

    /// The classes' names.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// All clips, by song id, then clip index. Never empty.
    pub fn clips(&self) -> &[ClipPrediction] {
        &self.clips
    }

    /// The clips of each song, songs in the order of their ids.
    pub fn songs(&self) -> impl Iterator<Item = &[ClipPrediction]> {
        self.clips.chunk_by(|a, b| a.song_id == b.song_id)
    }

    /// The true class of every clip.
    pub fn truth(&self) -> Vec<usize> {
        self.clips.iter().map(|clip| clip.truth).collect()
    }

    /// The predicted class of every clip.
    pub fn predicted(&self) -> Vec<usize> {
        self.clips.iter().map(ClipPrediction::predicted).collect()
    }
}

/// Index of the first largest value; 0 of none.
pub(crate) fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

fn check_clip(clip: &ClipPrediction, classes: usize) -> Result<(), EvalError> {
    let song_id = || clip.song_id.clone();
    if clip.truth >= classes {
        return Err(EvalError::ClipClass {
            song_id: song_id(),
            clip: clip.clip,
            truth: clip.truth,
            classes,
        });
    }
    if clip.probabilities.len() != classes {
        return Err(EvalError::ProbabilityCount {
            song_id: song_id(),
            clip: clip.clip,
            found: clip.probabilities.len(),
            classes,
        });
    }
    if !clip.start_seconds.is_finite() || clip.start_seconds < 0.0 {
        return Err(EvalError::StartTime {
            song_id: song_id(),
            clip: clip.clip,
            start_seconds: clip.start_seconds,
        });
    }
    let not_a_distribution = |problem: String| EvalError::NotADistribution {
        song_id: song_id(),
        clip: clip.clip,
        problem,
    };
    let outside = clip.probabilities.iter().position(|p| !(0.0..=1.0).contains(p));
    if let Some(class) = outside {
        return Err(not_a_distribution(format!(
            "the probability of class {class} is {}",
            clip.probabilities[class]
        )));
    }
    let sum: f64 = clip.probabilities.iter().map(|&p| f64::from(p)).sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(not_a_distribution(format!("its probabilities add up to {sum:.4}")));
    }
    Ok(())
}
