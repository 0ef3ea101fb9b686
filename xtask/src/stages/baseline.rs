//! The stage `baseline`: what older methods make of the same split, so that it shows whether the
//! network earns its cost.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_baseline::{
    BaselineError, ClipStatistics, ClipStatisticsConfig, LabelledSongs, LinearDiscriminant,
    LinearDiscriminantConfig, NearestSongs, NearestSongsConfig, SongGaussian, SongGaussianConfig,
    SongGaussianPlan, SongVectorMachine, SongVectorMachineConfig,
};
use cantus_corpus::Part;
use cantus_eval::{BootstrapOptions, ClipPrediction, METRICS_FORMAT, Metrics, Predictions};
use cantus_pipeline::fault::around;
use cantus_pipeline::{AtomicFile, Fingerprint, Stage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::errors::Damaged;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::preprocess::UsableSong;
use crate::stages::split;
use crate::stages::trial::Songs;

const FORMAT_VERSION: u32 = 2;

/// Songs to learn from, above which no support vector machines are trained: they hold a number for
/// each two.
const MOST_SONGS_FOR_MACHINES: usize = 5_000;

/// A method of an age before networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// Statistics of a clip's cepstra with a linear discriminant.
    MfccLda,
    /// A Gaussian a song, by the nearest song of the training part (Mandel & Ellis, 2005).
    GaussianNearest,
    /// The same with support vector machines.
    GaussianSvm,
}

impl Method {
    /// All of them, the simplest first.
    pub(crate) const ALL: [Self; 3] = [Self::MfccLda, Self::GaussianNearest, Self::GaussianSvm];

    /// The name in tables and files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::MfccLda => "mfcc-lda",
            Self::GaussianNearest => "gaussian-nearest",
            Self::GaussianSvm => "gaussian-svm",
        }
    }

    /// What it does, for somebody who reads the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::MfccLda => "MFCC statistics of a clip, linear discriminant",
            Self::GaussianNearest => "a Gaussian a song, nearest song",
            Self::GaussianSvm => "a Gaussian a song, support vector machines",
        }
    }
}

/// How a method scored, or why it did not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodScores {
    /// Which.
    pub(crate) method: Method,
    /// Its scores. What a method says of a song counts for each of the song's clips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<Metrics>,
    /// Why it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

/// What `baselines.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scores {
    format: u32,
    methods: Vec<MethodScores>,
}

/// The scores.
pub(crate) fn path(run: &Path) -> PathBuf {
    run.join("baselines.json")
}

fn predictions_path(run: &Path, method: Method) -> PathBuf {
    run.join("baselines").join(format!("{}.parquet", method.as_str()))
}

/// The stage with its outputs. A method that could not be scored leaves no predictions.
pub(crate) fn stage(run: &Path) -> Stage {
    let scores = read_scores(run).unwrap_or_default();
    let has_none = |method: &Method| {
        scores.iter().any(|scores| scores.method == *method && scores.failure.is_some())
    };
    let stage = Stage::new("baseline").after("split").output(path(run));
    Method::ALL
        .into_iter()
        .filter(|method| !has_none(method))
        .fold(stage, |stage, method| stage.output(predictions_path(run, method)))
}

/// What the scores are made of: the clips of the training and the test part.
pub(crate) fn wanted(config: &Config, songs: &Songs<'_>, run: &Path) -> Fingerprint {
    let labels = clips::labels(&songs.usable);
    let mut builder =
        Fingerprint::builder("baseline", FORMAT_VERSION).setting("metrics_format", METRICS_FORMAT);
    if let Some(split) = split::expected(config, songs, run) {
        let parts = [
            ("training", PartSongs::of(Part::Train, split, &songs.usable)),
            ("test", PartSongs::of(Part::Test, split, &songs.usable)),
        ];
        builder = clips::add_to_fingerprint(builder, config, songs.store, &parts, &labels);
    }
    builder.build()
}

/// Learns from the training part by each method and scores it on the test part.
pub(crate) fn run(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Outcome> {
    let labels = clips::labels(&songs.usable);
    let split = split::read(songs, run)?;
    let training = PartSongs::of(Part::Train, &split, &songs.usable);
    let test = PartSongs::of(Part::Test, &split, &songs.usable);
    let Some(known) = features(session, config, &training)? else {
        return Ok(Outcome::Interrupted);
    };
    let Some(asked) = features(session, config, &test)? else { return Ok(Outcome::Interrupted) };
    let known = Labelled { songs: known, classes: training.classes(&labels)? };
    let truth = test.classes(&labels)?;
    // A method that has no scores any more leaves none behind.
    for method in Method::ALL {
        forget(&predictions_path(run, method))?;
    }
    let mut methods = Vec::new();
    for method in Method::ALL {
        let said = match method {
            Method::MfccLda => by_clip(&known, &asked, labels.len()),
            Method::GaussianNearest => by_nearest_song(&known, &asked, labels.len()),
            Method::GaussianSvm if known.songs.len() > MOST_SONGS_FOR_MACHINES => {
                let failure = format!(
                    "{} songs to learn from are more than the {MOST_SONGS_FOR_MACHINES} that \
                     machines are trained on",
                    known.songs.len()
                );
                methods.push(MethodScores { method, metrics: None, failure: Some(failure) });
                continue;
            }
            Method::GaussianSvm => by_song_machine(&known, &asked, labels.len()),
        };
        let said = match said {
            Ok(said) => said,
            // An artist without a song in the training part, say: the others are scored all the same.
            Err(error) => {
                let failure = match &error {
                    BaselineError::EmptyClass { class } => {
                        format!("no song of `{}` is in the training part", labels[*class])
                    }
                    _ => error.to_string(),
                };
                let failure = Some(failure);
                methods.push(MethodScores { method, metrics: None, failure });
                continue;
            }
        };
        let test = Asked { songs: &test.songs, features: &asked, truth: &truth };
        let predictions = test.predictions(config, &labels, said)?;
        let file = AtomicFile::create(predictions_path(run, method))?;
        predictions.write_parquet(file)?.commit()?;
        let metrics = Some(Metrics::new(&predictions, &BootstrapOptions::default())?);
        methods.push(MethodScores { method, metrics, failure: None });
    }
    let scores = Scores { format: FORMAT_VERSION, methods };
    session.write(&path(run), &serde_json::to_vec(&scores)?)?;
    Ok(Outcome::Done)
}

/// What the methods see of a song.
struct SongFeatures {
    n_clips: usize,
    /// Statistics of each clip. Where they are none, the methods that need them are not scored.
    clips: Result<Vec<Vec<f64>>, BaselineError>,
    gaussian: Result<SongGaussian, BaselineError>,
    /// Where in the song the first clip starts.
    start_seconds: f64,
}

struct Labelled {
    songs: Vec<SongFeatures>,
    classes: Vec<usize>,
}

/// The features of each song, or none where the user asked for a stop.
fn features(
    session: &Session,
    config: &Config,
    songs: &PartSongs<'_>,
) -> Result<Option<Vec<SongFeatures>>> {
    let statistics = ClipStatistics::new(config.mel.n_mels, &ClipStatisticsConfig::default())?;
    let gaussian = SongGaussianPlan::new(config.mel.n_mels, &SongGaussianConfig::default())?;
    let clips = songs.clips(config);
    let values_per_clip = config.frames_per_clip() * config.mel.n_mels;
    let bar = session.progress.bar(songs.songs.len() as u64, "baseline", "songs");
    let features: Result<Vec<Option<SongFeatures>>> = songs
        .songs
        .par_iter()
        .zip(clips)
        .map(|(song, clips)| {
            if session.interrupt.is_asked() {
                return Ok(None);
            }
            let (info, mel) = song.spectrogram()?;
            let of_clips = mel.chunks_exact(values_per_clip).take(clips);
            let features = SongFeatures {
                n_clips: clips,
                clips: of_clips.map(|clip| statistics.compute(clip)).collect(),
                gaussian: gaussian.compute(&mel),
                start_seconds: info.start_seconds,
            };
            bar.inc(1);
            Ok(Some(features))
        })
        .collect();
    bar.finish_and_clear();
    Ok(features?.into_iter().collect())
}

/// Probabilities of the classes by song and clip.
type Said = Vec<Vec<Vec<f64>>>;

fn by_clip(
    known: &Labelled,
    asked: &[SongFeatures],
    n_classes: usize,
) -> Result<Said, BaselineError> {
    let mut rows = Vec::new();
    let mut classes = Vec::new();
    for (song, class) in known.songs.iter().zip(&known.classes) {
        rows.extend(song.clips.as_ref().map_err(Clone::clone)?.iter().flatten());
        classes.extend(std::iter::repeat_n(*class, song.n_clips));
    }
    let n_features = rows.len() / classes.len().max(1);
    let config = LinearDiscriminantConfig::default();
    let discriminant = LinearDiscriminant::fit(&rows, n_features, &classes, n_classes, &config)?;
    let of_song = |song: &SongFeatures| {
        let clips = song.clips.as_ref().map_err(Clone::clone)?;
        clips.iter().map(|clip| discriminant.probabilities(clip)).collect()
    };
    asked.iter().map(of_song).collect()
}

fn by_nearest_song(
    known: &Labelled,
    asked: &[SongFeatures],
    n_classes: usize,
) -> Result<Said, BaselineError> {
    let nearest = NearestSongs::new(gaussians(known, n_classes)?, &NearestSongsConfig::default())?;
    for_each_clip(asked, |song| nearest.probabilities(song))
}

fn by_song_machine(
    known: &Labelled,
    asked: &[SongFeatures],
    n_classes: usize,
) -> Result<Said, BaselineError> {
    let config = SongVectorMachineConfig::default();
    let machine = SongVectorMachine::fit(gaussians(known, n_classes)?, &config)?;
    for_each_clip(asked, |song| machine.probabilities(song))
}

fn gaussians(known: &Labelled, n_classes: usize) -> Result<LabelledSongs, BaselineError> {
    let songs: Result<_, _> = known.songs.iter().map(|song| song.gaussian.clone()).collect();
    LabelledSongs::new(songs?, known.classes.clone(), n_classes)
}

/// What is said of a song, as if it were said of each of its clips.
fn for_each_clip(
    asked: &[SongFeatures],
    say: impl Fn(&SongGaussian) -> Result<Vec<f64>, BaselineError> + Sync,
) -> Result<Said, BaselineError> {
    asked
        .par_iter()
        .map(|song| {
            let gaussian = song.gaussian.as_ref().map_err(Clone::clone)?;
            Ok(vec![say(gaussian)?; song.n_clips])
        })
        .collect()
}

/// The songs of the test part.
struct Asked<'a> {
    songs: &'a [&'a UsableSong],
    features: &'a [SongFeatures],
    truth: &'a [usize],
}

impl Asked<'_> {
    fn predictions(&self, config: &Config, labels: &[String], said: Said) -> Result<Predictions> {
        let seconds_per_clip = config.frames_per_clip() as f64 * config.seconds_per_frame();
        let mut clips = Vec::new();
        for (position, of_clips) in said.into_iter().enumerate() {
            for (clip, probabilities) in of_clips.into_iter().enumerate() {
                clips.push(ClipPrediction {
                    song_id: self.songs[position].song.id.clone(),
                    clip: clip as u32,
                    start_seconds: self.features[position].start_seconds
                        + clip as f64 * seconds_per_clip,
                    truth: self.truth[position],
                    probabilities: probabilities.into_iter().map(|p| p as f32).collect(),
                });
            }
        }
        Ok(Predictions::new(labels.to_vec(), clips)?)
    }
}

fn forget(path: &Path) -> Result<()> {
    match around("remove", path, || std::fs::remove_file(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// The scores that the stage left.
pub(crate) fn read_scores(run: &Path) -> Result<Vec<MethodScores>> {
    let path = path(run);
    let bytes =
        std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let scores: Scores =
        serde_json::from_slice(&bytes).map_err(|error| Damaged::new(path, "baseline", error))?;
    Ok(scores.methods)
}

/// The probabilities of a method that the stage left.
pub(crate) fn read_predictions(run: &Path, method: Method) -> Result<Predictions> {
    let path = predictions_path(run, method);
    let read = Predictions::read_parquet(&path);
    Ok(read.map_err(|error| Damaged::new(path, "baseline", error))?)
}
