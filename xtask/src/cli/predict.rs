//! The flags of `predict`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

/// Flags of `predict`. One file is shown second by second; of a folder, or several files, each is a
/// line of a table.
#[derive(Debug, Args)]
pub(crate) struct PredictFlags {
    /// Recordings, or folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) recordings: Vec<PathBuf>,
    /// The model: a file, the folder of a run, or `bundled`, the one of this repository [default: the
    /// newest model in `<data>/runs`; the bundled one where nothing was trained]
    #[arg(long, value_name = "FILE|RUN|bundled")]
    pub(crate) weights: Option<PathBuf>,
    /// Name so many artists of one recording
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) top: NonZeroUsize,
    /// Hear the whole of each recording, though the model was trained on a part of each song
    #[arg(long)]
    pub(crate) whole: bool,
    /// Draw the timeline of one recording into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}
