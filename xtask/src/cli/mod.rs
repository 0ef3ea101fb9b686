//! The command line.

mod bench;
mod embed;
mod predict;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::value_parser;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use bench::{
    BenchCommand, BenchPreprocessFlags, BenchTrainFlags, KernelPath, Peer, PreprocessPeer,
    PreprocessWorker, Worker,
};
pub(crate) use embed::{EmbedFlags, EmbeddingFlags, SimilarFlags};
pub(crate) use predict::PredictFlags;

use crate::corpora::demo::DemoSettings;
use crate::corpora::freemusic::Profile;
use crate::settings::{CorpusFlags, TrialFlags};

/// Cantus learns who made a recording: folders of songs in, a scored artist classifier out.
///
/// A later command runs the stale stages before it, and only those: `cargo xtask report` on a
/// fresh folder of songs scans, preprocesses, splits, trains and evaluates first.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 bad usage, 3 done but some songs could \
not be used (they are listed), 130 interrupted (run the same command to go on).")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What means the same in every command.
    #[command(flatten)]
    pub(crate) common: CommonFlags,
}

/// Flags of every command.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common")]
pub(crate) struct CommonFlags {
    /// Folder for raw music, caches and runs
    #[arg(long, global = true, value_name = "DIR", default_value = "data")]
    pub(crate) data: PathBuf,
    /// Threads to use [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Memory for the spectrograms held at a time, in GiB
    #[arg(long, global = true, value_name = "GIB", default_value_t = 3.0)]
    #[arg(value_parser = positive, allow_negative_numbers = true)]
    pub(crate) memory: f64,
    /// Seconds between two saves of what is going on: checkpoints within an epoch, what `embed` heard; 0
    /// saves after every step
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) checkpoint_seconds: u64,
    /// Run the command's own stage even where it is fresh
    #[arg(long, global = true)]
    pub(crate) force: bool,
    /// Say what would run, and run nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON on standard output, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress bars, no notices; errors and results only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// More about what happens; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The main job on the built-in corpus: make it, preprocess, train, evaluate, report
    Demo(DemoFlags),
    /// Get a corpus
    Fetch(FetchFlags),
    /// Turn songs into spectrograms; only new or changed songs
    Preprocess(CorpusFlags),
    /// Train a network and save it with its history
    Train(TrialFlags),
    /// Score a trained network on the test part, by clip and by song
    Evaluate(TrialFlags),
    /// Score older methods on the same split: cepstral statistics with a linear discriminant, and a
    /// Gaussian a song with its nearest song or support vector machines
    Baseline(TrialFlags),
    /// Run a grid of trials, by default the paper's, and print its tables
    Experiment(ExperimentFlags),
    /// Write one self-contained HTML page about a trial
    Report(TrialFlags),
    /// Draw spectrograms: a clip of each artist, or whole songs
    Visualize(VisualizeFlags),
    /// Write a trained network in a form that other programs run
    Export(ExportFlags),
    /// Say who made recordings, by a trained model: one second by second, or many in a table
    Predict(PredictFlags),
    /// Find out how a trained network tells music by artists that it does not know: train it again,
    /// each time without some artists, and ask about their songs
    Calibrate(CalibrateFlags),
    /// Write what a trained model makes of every clip and song of a corpus, as Parquet
    ///
    /// That is the numbers before its last layer, of a song their mean over its clips. Songs are heard
    /// as the model was trained; only those that are new or changed go through the network.
    Embed(EmbedFlags),
    /// Name the songs and artists of a corpus that a recording is most like, by a trained model
    ///
    /// The measure is the cosine similarity of mean embeddings, the numbers before the model's last layer:
    /// of the recording and of a song the mean over its clips, of an artist the mean over its songs. 1 is
    /// the same direction, 0 nothing in common, -1 the opposite; 1.0000 is printed where embeddings are
    /// equal, as of the recording itself. What is stale of the corpus' embeddings is made first.
    Similar(SimilarFlags),
    /// Say what is stale
    Status(StatusFlags),
    /// Read everything made and name what is damaged
    ///
    /// Spectrograms, splits, models, checkpoints, predictions and scores are compared with the sums that
    /// were written with them, and the sums with theirs. Times, TensorBoard's file and the tables of
    /// `experiment` have none. Without `--repair` nothing is changed. Exit code 1 where something is damaged.
    Verify(VerifyFlags),
    /// Remove what no run needs
    ///
    /// That is spectrograms by settings that no run of their corpus has, unless a model has embeddings of
    /// them, and embeddings of models that are gone. What is made of music without any run stays, and so
    /// does every run. `--dry-run` says what would go.
    Gc,
    /// Time ours beside the peers
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// Flags of `demo`. The defaults are what two cores learn from within minutes.
#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    /// Length of each song of the corpus; another length is another corpus, made anew
    #[arg(long, value_name = "SECONDS", default_value_t = DemoSettings::default().song_seconds)]
    #[arg(value_parser = clap::value_parser!(u32).range(3..=600))]
    pub(crate) song_seconds: u32,
    /// At most this many seconds of each song, from its middle
    #[arg(long, value_name = "SECONDS", default_value_t = 44.0)]
    #[arg(value_parser = positive, allow_negative_numbers = true)]
    pub(crate) max_seconds: f64,
    /// At most this many epochs
    #[arg(long, value_name = "N", default_value = "14")]
    pub(crate) epochs: NonZeroUsize,
}

/// Flags of `experiment`. Lists that neither they nor a grid file give are the paper's: seven clip
/// lengths, both splits, three seeds.
#[derive(Debug, Args)]
pub(crate) struct ExperimentFlags {
    /// The trials.
    #[command(flatten)]
    pub(crate) trial: TrialFlags,
    /// Trials at once, which share the threads: worth it where there are more cores than one
    /// training keeps busy, some eight. Each holds spectrograms of its own, see `--memory`
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// The lists from a TOML file: `clip`, `split`, `seed`, `model`, `folds`; flags win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) grid: Option<PathBuf>,
}

/// Flags of `visualize`.
#[derive(Debug, Args)]
pub(crate) struct VisualizeFlags {
    /// The corpus and the length of the clips.
    #[command(flatten)]
    pub(crate) trial: TrialFlags,
    /// Draw this song as a whole, by its path or a part of it; several times for several songs
    /// [default: one clip of each artist]
    #[arg(long, value_name = "SONG")]
    pub(crate) song: Vec<String>,
    /// Where to put the pictures [default: <data>/pictures/<corpus>]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyFlags {
    /// Make anew what is damaged, and no more: of spectrograms the song (or the album, where the file
    /// cannot be read at all), of a run the stage and those after it
    #[arg(long)]
    pub(crate) repair: bool,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportFlags {
    /// As ONNX, into this file [default: beside the weights, by their name with `.onnx`]
    #[arg(long, value_name = "FILE", required = true, num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap's form of a flag whose value may be left out")]
    pub(crate) onnx: Option<Option<PathBuf>>,
    /// This network as it is, and nothing is trained: a file of weights, the folder of a run, or
    /// `bundled`, the model of this repository [default: that of the trial, trained first where it is
    /// stale]
    #[arg(long, value_name = "FILE|RUN|bundled")]
    pub(crate) weights: Option<PathBuf>,
    /// The trials.
    #[command(flatten)]
    pub(crate) trial: TrialFlags,
}

/// Flags of `calibrate`.
#[derive(Debug, Args)]
pub(crate) struct CalibrateFlags {
    /// Groups that the artists are dealt to in the order of their names: as many trainings, each
    /// without one of them
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) groups: u16,
    /// Where to write the trial's model with its calibration [default: calibrated.safetensors in the
    /// run's folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The trial.
    #[command(flatten)]
    pub(crate) trial: TrialFlags,
}

/// Flags of `fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchFlags {
    /// Which corpus
    #[arg(value_name = "NAME")]
    pub(crate) corpus: FetchableCorpus,
    /// freemusic: take the packages from a folder of .deb files. artist20: the folder to check
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Keep the downloaded packages in `<data>/debs`
    #[arg(long)]
    pub(crate) keep_packages: bool,
}

/// What `fetch` can get or check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchableCorpus {
    /// The built-in corpus.
    Demo,
    /// A profile of the open corpus.
    FreeMusic(Profile),
    /// The paper's corpus, which every user has to ask for.
    Artist20,
}

impl ValueEnum for FetchableCorpus {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Demo,
            Self::FreeMusic(Profile::Small),
            Self::FreeMusic(Profile::Albums),
            Self::FreeMusic(Profile::All),
            Self::Artist20,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Demo => ("demo", "synthesised here"),
            Self::FreeMusic(profile) => {
                (profile.corpus_name(), "openly licensed music from Debian packages")
            }
            Self::Artist20 => ("artist20", "checks your own copy"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// Reads a finite number above 0.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("write a number above 0".to_owned()),
    }
}

/// Flags of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusFlags {
    /// The trials to look at.
    #[command(flatten)]
    pub(crate) trial: TrialFlags,
    /// Say why: which setting or input differs, old and new
    #[arg(long)]
    pub(crate) explain: bool,
}
