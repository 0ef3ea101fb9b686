//! What can go wrong when predictions are read, scored or drawn.

use std::path::PathBuf;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// There are no classes.
    #[error("there are no classes to score")]
    NoClasses,
    /// Nothing was predicted, so there is nothing to score.
    #[error("there are no predictions to score")]
    NoPredictions,
    /// A class label is empty.
    #[error("the label of class {class} is empty")]
    EmptyLabel {
        /// Index of the class.
        class: usize,
    },
    /// Two classes have one label.
    #[error("classes {first} and {second} have the same label {label:?}")]
    DuplicateLabel {
        /// The label.
        label: String,
        /// Index of the first class with that label.
        first: usize,
        /// Index of the second.
        second: usize,
    },
    /// True and predicted classes do not pair up.
    #[error("{truth} true classes stand against {predicted} predicted ones")]
    LengthMismatch {
        /// Number of true classes.
        truth: usize,
        /// Number of predicted classes.
        predicted: usize,
    },
    /// A class index has no label.
    #[error("class {class} at position {position} is beyond the {classes} classes")]
    UnknownClass {
        /// Where it stands.
        position: usize,
        /// The index found.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A clip's true class has no label.
    #[error("clip {clip} of song {song_id:?} has the true class {truth} of {classes}")]
    ClipClass {
        /// The song.
        song_id: String,
        /// The clip's index in the song.
        clip: u32,
        /// The index found.
        truth: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A clip has more or fewer probabilities than there are classes.
    #[error("clip {clip} of song {song_id:?} has {found} probabilities for {classes} classes")]
    ProbabilityCount {
        /// The song.
        song_id: String,
        /// The clip's index in the song.
        clip: u32,
        /// The number of probabilities found.
        found: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A clip's probabilities are no distribution: not finite, outside 0 to 1, or not adding up.
    #[error("clip {clip} of song {song_id:?}: {problem}")]
    NotADistribution {
        /// The song.
        song_id: String,
        /// The clip's index in the song.
        clip: u32,
        /// What is wrong with the numbers.
        problem: String,
    },
    /// A clip starts at a time that is not a finite, non-negative number.
    #[error("clip {clip} of song {song_id:?} starts at {start_seconds} s")]
    StartTime {
        /// The song.
        song_id: String,
        /// The clip's index in the song.
        clip: u32,
        /// The time found.
        start_seconds: f64,
    },
    /// One clip is given twice.
    #[error("clip {clip} of song {song_id:?} is given twice")]
    DuplicateClip {
        /// The song.
        song_id: String,
        /// The clip's index in the song.
        clip: u32,
    },
    /// The clips of one song disagree about who made it.
    #[error("the clips of song {song_id:?} have the true classes {first} and {second}")]
    SongClass {
        /// The song.
        song_id: String,
        /// The class of its first clip.
        first: usize,
        /// The class of the clip that differs.
        second: usize,
    },
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file of predictions is damaged, or is not one.
    #[error("{}: not a sound predictions file: {problem}", path.display())]
    DamagedPredictions {
        /// The file; `<memory>` for bytes that came from elsewhere.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A file of predictions holds numbers that cannot be.
    #[error("{}: holds impossible predictions", path.display())]
    ImpossiblePredictions {
        /// The file; `<memory>` for bytes that came from elsewhere.
        path: PathBuf,
        /// What is impossible about them.
        source: Box<EvalError>,
    },
    /// Predictions could not be written.
    #[error("cannot write the predictions")]
    WritePredictions {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The table of a grid could not be written.
    #[error("cannot write the grid's table")]
    WriteGrid {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Predictions that do not name the same classes were to be pooled.
    #[error("predictions of the classes {first:?} and {second:?} cannot be pooled")]
    OtherLabels {
        /// The classes of the first.
        first: Vec<String>,
        /// The classes of the one that differs.
        second: Vec<String>,
    },
    /// A line of a training history is not a record of an epoch.
    #[error("line {line} of the training history is not an epoch's record")]
    History {
        /// The line, counted from 1.
        line: usize,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// The confidence of an interval is not between 0 and 1.
    #[error("a confidence of {confidence} does not lie between 0 and 1")]
    Confidence {
        /// The confidence asked for.
        confidence: f64,
    },
    /// A file of metrics is damaged, or is not one.
    #[error("the metrics cannot be read: {problem}")]
    Metrics {
        /// What was found.
        problem: String,
    },
    /// Metrics could not be put into JSON.
    #[error("cannot write the metrics as JSON")]
    MetricsJson {
        /// What the JSON writer says.
        source: serde_json::Error,
    },
    /// A confusion matrix is not square or does not fit its labels.
    #[error("a confusion matrix of {classes} classes has {problem}")]
    ConfusionShape {
        /// The number of labels.
        classes: usize,
        /// What does not fit.
        problem: String,
    },
    /// A spectrogram has no frames, or its sizes or axes do not fit together.
    #[error("the spectrogram {spectrogram:?} has {problem}")]
    SpectrogramShape {
        /// The picture's title, or of a grid the artist and the song.
        spectrogram: String,
        /// What does not fit.
        problem: String,
    },
    /// A value of a spectrogram is no level: not finite, or beyond 10 000 dB.
    #[error("the spectrogram {spectrogram:?} has {value} dB in band {band} of frame {frame}")]
    SpectrogramValue {
        /// The picture's title, or of a grid the artist and the song.
        spectrogram: String,
        /// The frame, counted from 0.
        frame: usize,
        /// The mel band, counted from 0.
        band: usize,
        /// The value found.
        value: f32,
    },
    /// Numbers that make no whole points.
    #[error("{numbers} numbers are no whole points of {dimensions} dimensions")]
    PointShape {
        /// How many numbers there are.
        numbers: usize,
        /// How many make a point.
        dimensions: usize,
    },
    /// A map was asked for of fewer points than make one.
    #[error("a map needs {fewest} points and there are {found}")]
    TooFewPoints {
        /// The number of points.
        found: usize,
        /// The smallest number that makes a map.
        fewest: usize,
    },
    /// A point has a number that is infinite or none.
    #[error("point {point} has a number that is not finite")]
    NotFinite {
        /// Its index.
        point: usize,
    },
    /// A setting of t-SNE is out of its range.
    #[error("t-SNE cannot work with {setting} = {value}")]
    TsnePlan {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: f64,
    },
    /// A song cannot be on a map.
    #[error("song {song_id:?} of the map {problem}")]
    MapSong {
        /// The song.
        song_id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A clip cannot be on a map.
    #[error("clip {clip} of the map {problem}")]
    MapClip {
        /// Its index among the clips given.
        clip: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A clip cannot be on a timeline.
    #[error("clip {clip} of the timeline {problem}")]
    TimelineClip {
        /// Its index among the clips given.
        clip: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of a map is damaged, or is not one.
    #[error("{}: not a sound map file: {problem}", path.display())]
    DamagedMap {
        /// The file; `<memory>` for bytes that came from elsewhere.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A file of a map holds what cannot be.
    #[error("{}: holds an impossible map", path.display())]
    ImpossibleMap {
        /// The file; `<memory>` for bytes that came from elsewhere.
        path: PathBuf,
        /// What is impossible about it.
        source: Box<EvalError>,
    },
    /// A map could not be written.
    #[error("cannot write the map")]
    WriteMap {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There are no songs to hold embeddings of.
    #[error("there are no songs with embeddings")]
    NoEmbeddings,
    /// A song cannot be among embeddings.
    #[error("song {song_id:?} of the embeddings {problem}")]
    EmbeddedSong {
        /// The song.
        song_id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A recording's embedding cannot be compared with those of a corpus.
    #[error("the recording's embedding {problem}")]
    EmbeddingQuery {
        /// What is wrong with it.
        problem: String,
    },
    /// A file of embeddings is damaged, or is not one.
    #[error("{}: not a sound embeddings file: {problem}", path.display())]
    DamagedEmbeddings {
        /// The file; `<memory>` for bytes that came from elsewhere.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A file of embeddings holds what cannot be.
    #[error("{}: holds impossible embeddings", path.display())]
    ImpossibleEmbeddings {
        /// The file; `<memory>` for bytes that came from elsewhere.
        path: PathBuf,
        /// What is impossible about them.
        source: Box<EvalError>,
    },
    /// Embeddings could not be written.
    #[error("cannot write the embeddings")]
    WriteEmbeddings {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A picture or page could not be drawn.
    #[error("cannot draw {what}")]
    Draw {
        /// Which picture or page.
        what: &'static str,
        /// What the template engine says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
