//! The command line of the benches.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use cantus_crnn::ModelConfig;
use clap::{Args, Subcommand, ValueEnum};

use super::positive;

/// What can be timed.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Training steps and inference of the paper's network, beside other libraries
    Train(BenchTrainFlags),
    /// Music files to log-mel spectrograms, beside other programs
    Preprocess(BenchPreprocessFlags),
}

/// Flags of `bench train`.
#[derive(Debug, Args)]
pub(crate) struct BenchTrainFlags {
    /// Frames of a clip; a comma separates several
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "32,94,313,911")]
    #[arg(value_parser = frames)]
    pub(crate) frames: Vec<usize>,
    /// Instructions to use: portable, neon, avx2, avx512, amx or amx-bf16, whichever the processor
    /// has; a comma separates several [default: the fastest]
    #[arg(long, value_delimiter = ',')]
    pub(crate) path: Vec<KernelPath>,
    /// Clips of a batch
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_least_one)]
    pub(crate) batch: usize,
    /// Steps that are timed in each round
    #[arg(long, value_name = "N", default_value = "10", value_parser = at_least_one)]
    pub(crate) steps: usize,
    /// Steps before them that are not
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) warm_up: usize,
    /// Rounds, in each of which ours and every peer run once
    #[arg(long, value_name = "N", default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// Libraries to time beside ours; a comma separates several
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "torch")]
    pub(crate) peer: Vec<Peer>,
    /// A peer's training steps of a round, warm-up included, end after so many seconds, but not
    /// before two are timed; likewise its inferences
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    #[arg(value_parser = positive, allow_negative_numbers = true)]
    pub(crate) peer_seconds: f64,
    /// The Python that has PyTorch, or Keras and TensorFlow
    #[arg(long, value_name = "FILE", default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Run the steps in this process and print their times as JSON
    #[arg(long, value_name = "WHAT", hide = true)]
    pub(crate) worker: Option<Worker>,
}

/// A library that has the paper's network too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// PyTorch, eager, channels last; by Python
    Torch,
    /// Keras 3 on TensorFlow; by Python
    Keras,
    /// candle's own operations; no path holds it to fewer instructions
    Candle,
}

/// What a worker process runs: a path of ours, or candle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    Ours(KernelPath),
    Candle,
}

impl FromStr for Worker {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "candle" { Ok(Self::Candle) } else { name.parse().map(Self::Ours) }
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(path) => path.fmt(formatter),
            Self::Candle => formatter.write_str("candle"),
        }
    }
}

/// A path of the kernels that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelPath(pub(crate) cantus_kernels::Path);

impl FromStr for KernelPath {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        cantus_kernels::Path::named(name).map(Self).ok_or_else(|| {
            let paths = cantus_kernels::Path::available();
            let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
            format!("this processor has {}", names.join(", "))
        })
    }
}

impl fmt::Display for KernelPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse::<NonZeroUsize>().map(NonZeroUsize::get).map_err(|_| "write a number above 0".into())
}

fn frames(text: &str) -> Result<usize, String> {
    let least = ModelConfig::default().minimum_frames();
    match text.parse() {
        Ok(frames) if frames >= least => Ok(frames),
        _ => Err(format!("the network needs {least} frames or more")),
    }
}

/// Flags of `bench preprocess`.
#[derive(Debug, Args)]
pub(crate) struct BenchPreprocessFlags {
    /// Music files, or folders of them
    #[arg(required = true, value_name = "DIR")]
    pub(crate) music: Vec<PathBuf>,
    /// Rounds, in each of which ours and every peer run once
    #[arg(long, value_name = "N", default_value = "3", value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// What to time beside ours, where it is installed; a comma separates several
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "librosa,ffmpeg,mpg123"
    )]
    pub(crate) peer: Vec<PreprocessPeer>,
    /// The Python that has librosa
    #[arg(long, value_name = "FILE", default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Work in this process on the files that standard input lists and print the times as JSON
    #[arg(long, value_name = "WHAT", hide = true)]
    pub(crate) worker: Option<PreprocessWorker>,
}

/// A program that does some of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreprocessPeer {
    /// librosa with soundfile and soxr: all of it; by Python
    Librosa,
    /// ffmpeg: decodes and resamples
    Ffmpeg,
    /// mpg123: decodes mp3 files
    Mpg123,
}

/// What a worker process of `bench preprocess` does with each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreprocessWorker {
    /// All of it.
    LogMel,
    /// To mono samples at the rate of the spectrograms.
    Resample,
    /// To mono samples at the file's own rate.
    Decode,
    /// All of it, without a time: which files cannot be used.
    Check,
}
