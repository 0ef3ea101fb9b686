//! The flags of `embed` and `similar`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::settings::{ClipLength, CorpusFlags};

/// What both take: a model and a corpus. The model's file decides front end, excerpt and clip length.
#[derive(Debug, Clone, Args)]
pub(crate) struct EmbeddingFlags {
    /// The model: a file, the folder of a run, or `bundled`, the one of this repository [default: the
    /// newest model in `<data>/runs`; the bundled one where nothing was trained]
    #[arg(long, value_name = "FILE|RUN|bundled")]
    pub(crate) weights: Option<PathBuf>,
    /// Clip length in seconds; one that is not the model's is refused [default: the model's]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(crate) clip: Option<ClipLength>,
    /// The corpus.
    #[command(flatten)]
    pub(crate) corpus: CorpusFlags,
}

/// Flags of `embed`.
#[derive(Debug, Args)]
pub(crate) struct EmbedFlags {
    /// Write a copy into this file; without it, the embeddings lie beside the corpus' spectrograms,
    /// in a file for each model
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Model and corpus.
    #[command(flatten)]
    pub(crate) embedding: EmbeddingFlags,
}

/// Flags of `similar`.
#[derive(Debug, Args)]
pub(crate) struct SimilarFlags {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) recording: PathBuf,
    /// Name so many songs and so many artists
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) top: NonZeroUsize,
    /// Model and corpus.
    #[command(flatten)]
    pub(crate) embedding: EmbeddingFlags,
}
