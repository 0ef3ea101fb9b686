use cantus_mel::MelError;
use thiserror::Error;

/// Why settings, spectrograms, features or labels cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// A setting lies outside of what makes sense.
    #[error("`{setting}` is {value}, expected {expected}")]
    Setting {
        /// Name of the field or argument.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// The cepstra cannot be planned or computed: settings, or a spectrogram that does not consist
    /// of whole frames.
    #[error(transparent)]
    Mel(#[from] MelError),
    /// Values that do not make whole rows: clips of features, or frames of coefficients.
    #[error("{values} values do not make whole rows of {per_row}")]
    RaggedRows {
        /// How many values there are.
        values: usize,
        /// How many a row has.
        per_row: usize,
    },
    /// A value is infinite, not a number, or so large that its square is lost.
    #[error(
        "column {column} of row {row} is {value:?}, expected a number of at most 1e100 either way"
    )]
    Value {
        /// The clip, or the frame of a spectrogram; the first with such a value.
        row: usize,
        /// The feature, or the coefficient.
        column: usize,
        /// What it is.
        value: f64,
    },
    /// A spectrogram is too short.
    #[error("{frames} frames are too few, expected at least {least}")]
    TooFewFrames {
        /// How many frames there are.
        frames: usize,
        /// How many there must be.
        least: usize,
    },
    /// Examples and labels do not pair up.
    #[error("{examples} examples (clips or songs) stand against {labels} labels")]
    LabelCount {
        /// How many clips or songs there are.
        examples: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// A label names no class.
    #[error("example {example} has class {class} of {classes}, counted from 0")]
    UnknownClass {
        /// The clip or song.
        example: usize,
        /// Its label.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// There is nothing to tell apart.
    #[error("{classes} classes, expected at least 2")]
    TooFewClasses {
        /// How many classes there are.
        classes: usize,
    },
    /// A class has no example to learn from.
    #[error("class {class} has no example to learn from")]
    EmptyClass {
        /// The first such class.
        class: usize,
    },
    /// No class has two examples, so nothing is known of the spread within classes.
    #[error(
        "{examples} examples of {classes} classes: none has two, \
         so the spread within a class is unknown"
    )]
    OneExampleEach {
        /// How many examples there are.
        examples: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// Some combination of the columns never varies, so the covariance has no inverse.
    #[error(
        "the covariance of {columns} columns over {rows} rows has no inverse: some never vary, or \
         not apart from others; more rows, shrinkage or a ridge would help"
    )]
    SingularCovariance {
        /// Clips or frames.
        rows: usize,
        /// Features or coefficients.
        columns: usize,
    },
    /// Songs, clips and models differ in how many numbers describe a frame or clip.
    #[error("{got} coefficients or features, expected {expected}")]
    Width {
        /// What the model, or the first song, has.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// The buffer for the result has the wrong length.
    #[error("the output holds {got} values, expected {expected}")]
    OutputLength {
        /// Clips times classes, or features a clip.
        expected: usize,
        /// Length of the buffer.
        got: usize,
    },
    /// A scratch was made by a plan with other settings.
    #[error("the scratch belongs to a plan of {got} coefficients, expected {expected}")]
    ForeignScratch {
        /// Coefficients of this plan.
        expected: usize,
        /// Coefficients of the plan that made the scratch.
        got: usize,
    },
    /// Training of a support vector machine did not come to an end.
    #[error(
        "classes {first} and {second} are not separated after {steps} steps; \
         a larger tolerance or a smaller cost would help"
    )]
    NoConvergence {
        /// The lower class.
        first: usize,
        /// The higher class.
        second: usize,
        /// Steps made.
        steps: usize,
    },
}
