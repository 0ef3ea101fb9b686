//! What can go wrong while training, predicting and resuming.

use crate::source::SourceError;

/// Everything that this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting has a value that makes no sense.
    #[error("the setting `{field}` is {found}, expected {expected}")]
    Setting {
        /// The field of [`TrainConfig`](crate::TrainConfig).
        field: &'static str,
        /// The value found.
        found: String,
        /// What would do.
        expected: &'static str,
    },

    /// A part of the split holds no clip.
    #[error(
        "the {part} set has no clip of {frames_per_clip} frames\n\nhint: add songs, take shorter \
         clips, or move songs from another part of the split"
    )]
    NoClips {
        /// `training` or `validation`.
        part: &'static str,
        /// Frames a clip.
        frames_per_clip: usize,
    },

    /// A clip lies outside of its song, or its song is not in the source.
    #[error(
        "clip {clip} asks for the {n_frames} frames from {first_frame} of song {song}, \
         which has {available}"
    )]
    ClipOutOfRange {
        /// The clip's place in its set.
        clip: usize,
        /// The song's place in the source.
        song: usize,
        /// The clip's first frame.
        first_frame: usize,
        /// Frames a clip.
        n_frames: usize,
        /// Frames of the song; 0 where the source has no such song.
        available: usize,
    },

    /// A clip's class has no label.
    #[error("a clip of song {song} has class {class}, but there are {classes} labels")]
    ClassOutOfRange {
        /// The song's place in the source.
        song: usize,
        /// The clip's class.
        class: usize,
        /// The number of labels.
        classes: usize,
    },

    /// Two things that must have the same size do not.
    #[error("{what}: expected {expected}, found {found}")]
    Disagreement {
        /// Which size, of which things.
        what: &'static str,
        /// The size that the first of them has.
        expected: String,
        /// The size that the second has.
        found: String,
    },

    /// A song's spectrogram could not be read.
    #[error("reading {n_frames} frames from {first_frame} of song {song}")]
    Source {
        /// The song's place in the source.
        song: usize,
        /// The first frame wanted.
        first_frame: usize,
        /// How many frames were wanted.
        n_frames: usize,
        /// The source's own error.
        source: SourceError,
    },

    /// The network failed.
    #[error("the network failed while {doing}")]
    Network {
        /// What it was asked to do.
        doing: &'static str,
        /// The network's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A loss or a gradient became NaN or infinite. The last checkpoint is from before that.
    #[error(
        "{what} is not a finite number in epoch {epoch}, step {step}\n\nhint: lower the learning \
         rate, or look for NaN and infinity in the spectrograms"
    )]
    NotFinite {
        /// `the training loss`, `the validation loss`, or the gradient of a named parameter.
        what: String,
        /// Counted from 1.
        epoch: usize,
        /// The step inside the epoch, counted from 1.
        step: usize,
    },

    /// A gradient handed to the optimiser holds NaN or infinity; no parameter was changed.
    #[error("the gradient of `{parameter}` is not finite")]
    GradientNotFinite {
        /// The parameter's name.
        parameter: String,
    },

    /// A parameter that the loss does not depend on, or an optimiser of another network.
    #[error("there is no {what} for the parameter `{parameter}`")]
    MissingParameter {
        /// `gradient` or `optimiser state`.
        what: &'static str,
        /// The parameter's name.
        parameter: String,
    },

    /// A tensor operation failed.
    #[error("a tensor operation failed")]
    Tensor(#[from] candle_core::Error),

    /// The bytes are not a checkpoint, or were changed after they were written.
    #[error("the checkpoint is damaged: {reason}\n\nhint: resume from an older one, or train anew")]
    CheckpointDamaged {
        /// What is wrong with it.
        reason: String,
    },

    /// Settings or state could not be put into a checkpoint.
    #[error("writing a checkpoint failed")]
    Serialization(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// A checkpoint of another version of the format.
    #[error("the checkpoint has format {found}, this version reads format {supported}")]
    CheckpointVersion {
        /// The checkpoint's format.
        found: u64,
        /// The format that is read.
        supported: u64,
    },

    /// The checkpoint belongs to another training.
    #[error(
        "the checkpoint is of another training: `{field}` is {checkpoint} there and {now} here\n\n\
         hint: give the same settings and data, or train anew"
    )]
    CheckpointMismatch {
        /// What differs, such as `config.learning_rate`, `labels` or `training.clips`.
        field: String,
        /// Its value in the checkpoint.
        checkpoint: String,
        /// Its value now.
        now: String,
    },

    /// Events for TensorBoard could not be written.
    #[error("writing events for TensorBoard failed")]
    WriteEvents(#[source] std::io::Error),

    /// The caller asked to stop.
    #[error("stopped on request")]
    Interrupted,
}

impl TrainError {
    /// Wraps a network's own error.
    pub(crate) fn network<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Network { doing, source: source.into() }
    }

    /// A checkpoint's damage, in words.
    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self::CheckpointDamaged { reason: reason.into() }
    }
}

impl From<cantus_kernels::KernelError> for TrainError {
    fn from(error: cantus_kernels::KernelError) -> Self {
        Self::Tensor(error.into())
    }
}
