use thiserror::Error;

/// Why settings, samples or buffers cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MelError {
    /// A setting lies outside of what makes sense.
    #[error("`{setting}` is {value}, expected {expected}")]
    Setting {
        /// Name of the field of [`MelConfig`](crate::MelConfig), or of the argument of a plan.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// The mel bands do not fit between 0 Hz and half the sample rate.
    #[error(
        "mel bands from {f_min_hz} to {f_max_hz} Hz, \
         expected 0 <= lowest < highest <= {nyquist_hz} Hz (half the sample rate)"
    )]
    BandEdges {
        /// Lower edge of the lowest band.
        f_min_hz: f64,
        /// Upper edge of the highest band.
        f_max_hz: f64,
        /// Half the sample rate.
        nyquist_hz: f64,
    },
    /// There is not a single sample.
    #[error("no samples")]
    Empty,
    /// Reflection needs more samples than half an FFT window.
    #[error(
        "{samples} samples are too few to pad by reflection, expected at least {least} \
         (zero padding takes any number)"
    )]
    TooShort {
        /// How many samples there are.
        samples: usize,
        /// How many there must be.
        least: usize,
    },
    /// A sample is infinite or not a number.
    #[error("sample {index} is {value}, expected a finite number")]
    NonFinite {
        /// Position of the first such sample.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The buffer for the result has the wrong length.
    #[error("the output holds {got} values, expected {expected} (frames x bands or coefficients)")]
    OutputLength {
        /// Frames times mel bands or coefficients.
        expected: usize,
        /// Length of the buffer.
        got: usize,
    },
    /// A matrix of features does not consist of whole frames.
    #[error("{values} values do not make whole frames of {per_frame}")]
    RaggedFrames {
        /// How many values there are.
        values: usize,
        /// How many a frame has.
        per_frame: usize,
    },
    /// The window of a delta does not fit between the first and the last frame.
    #[error(
        "{frames} frames are too few for deltas over {width} \
         (the mode `nearest` takes any number)"
    )]
    TooFewFrames {
        /// How many frames there are.
        frames: usize,
        /// Frames of a window.
        width: usize,
    },
    /// The scratch was made by a plan with other settings.
    #[error(
        "the scratch belongs to another plan (FFT size and bands {got:?}, expected {expected:?})"
    )]
    ForeignScratch {
        /// FFT size and number of bands of this plan.
        expected: (usize, usize),
        /// Those of the plan that made the scratch.
        got: (usize, usize),
    },
    /// A key that settings must have is not among the key-values.
    #[error("the front-end settings lack `{key}`")]
    MissingKey {
        /// The key, with its prefix.
        key: String,
    },
    /// A key with our prefix that this version does not know.
    #[error("the front-end settings have the unknown key `{key}`")]
    UnknownKey {
        /// The key, with its prefix.
        key: String,
    },
    /// A value that cannot be read.
    #[error("the front-end setting `{key}` is `{value}`, expected {expected}")]
    UnreadableValue {
        /// The key, with its prefix.
        key: String,
        /// What was found.
        value: String,
        /// What would have been accepted.
        expected: &'static str,
    },
}
