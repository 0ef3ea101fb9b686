//! The stage `evaluate`: what the trained network says of every clip of the test part.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cantus_cache::SpectrogramStore;
use cantus_corpus::Part;
use cantus_crnn::Model;
use cantus_eval::{BootstrapOptions, ClipPrediction, Metrics, Predictions};
use cantus_pipeline::{AtomicFile, Fingerprint, Stage};
use cantus_train::{ClipPredictions, ClipSet, ClipSource, Control, TrainError, predict};

use crate::errors::Damaged;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::trial::Songs;
use crate::stages::{environment, split, train};

const FORMAT_VERSION: u32 = 3;

/// Clips computed at a time; scores do not depend on it.
const BATCH_SIZE: usize = 32;

/// The probabilities of every test clip.
pub(crate) fn predictions_path(run: &Path) -> PathBuf {
    run.join("predictions.parquet")
}

/// The scores.
pub(crate) fn metrics_path(run: &Path) -> PathBuf {
    run.join("metrics.json")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("evaluate").after("train").output(predictions_path(run)).output(metrics_path(run))
}

/// What the scores are made of: the model, and the clips of the test part.
pub(crate) fn wanted(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Fingerprint> {
    let labels = clips::labels(&songs.usable);
    let mut builder = Fingerprint::builder("evaluate", FORMAT_VERSION);
    if let Some(split) = split::expected(config, songs, run) {
        let parts = [("test", PartSongs::of(Part::Test, split, &songs.usable))];
        builder = clips::add_to_fingerprint(builder, config, songs.store, &parts, &labels);
    }
    let model = train::model_path(run);
    if model.exists() {
        builder = builder.input("model", session.hash(model)?);
    }
    Ok(builder.build())
}

/// Predicts every clip of the test part and scores the predictions.
pub(crate) fn run(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Outcome> {
    let model = train::read_model(run)?;
    let network = model.model()?;
    let split = split::read(songs, run)?;
    let test = PartSongs::of(Part::Test, &split, &songs.usable);
    let classes = test.classes(&model.labels)?;
    let store = SpectrogramStore::load(&test.places(), session.memory_bytes)?;
    environment::record(session, run, "evaluate", store.precision())?;
    let frames = config.frames_per_clip();
    let numbered: Vec<(usize, usize)> = classes.iter().copied().enumerate().collect();
    let set = ClipSet::cut(&store, &numbered, frames, config.clip_rule)?;
    if set.is_empty() {
        bail!("no song of the test part is as long as a clip of {}", config.clip);
    }
    let bar = session.progress.bar(set.len() as u64, "evaluate", "clips");
    let predicted = predict_unless_asked(&network, &store, &set, |done| {
        bar.set_position(done as u64);
        session.interrupt.is_asked()
    });
    bar.finish_and_clear();
    let Some(predicted) = predicted? else { return Ok(Outcome::Interrupted) };
    let seconds_per_frame = config.seconds_per_frame();
    let clips = set.clips().iter().enumerate().map(|(position, clip)| ClipPrediction {
        song_id: test.songs[clip.song].song.id.clone(),
        clip: (clip.first_frame / frames) as u32,
        start_seconds: store.songs()[clip.song].start_seconds
            + clip.first_frame as f64 * seconds_per_frame,
        truth: clip.class,
        probabilities: predicted.probabilities_of(position).to_vec(),
    });
    let predictions = Predictions::new(model.labels, clips.collect())?;
    let file = predictions.write_parquet(AtomicFile::create(predictions_path(run))?)?;
    file.commit()?;
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default())?;
    session.write(&metrics_path(run), metrics.to_json()?.as_bytes())?;
    Ok(Outcome::Done)
}

/// What the network says of all clips, or nothing where `is_asked`, which hears after each batch of
/// the clips done, says to stop.
pub(crate) fn predict_unless_asked(
    network: &Model,
    source: &dyn ClipSource,
    set: &ClipSet,
    mut is_asked: impl FnMut(usize) -> bool,
) -> Result<Option<ClipPredictions>> {
    let predicted = predict(network, source, set, BATCH_SIZE, &mut |done, _| {
        if is_asked(done) { Control::Stop } else { Control::Continue }
    });
    match predicted {
        Ok(predicted) => Ok(Some(predicted)),
        Err(TrainError::Interrupted) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The scores that the stage left.
pub(crate) fn read_metrics(run: &Path) -> Result<Metrics> {
    let path = metrics_path(run);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(Metrics::from_json(&text).map_err(|error| Damaged::new(path, "evaluate", error))?)
}

/// The probabilities that the stage left.
pub(crate) fn read_predictions(run: &Path) -> Result<Predictions> {
    let path = predictions_path(run);
    let read = Predictions::read_parquet(&path);
    Ok(read.map_err(|error| Damaged::new(path, "evaluate", error))?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use cantus_crnn::Crnn2dConfig;
    use cantus_train::{Clip, SourceError};

    use super::*;

    struct Silence;

    impl ClipSource for Silence {
        fn n_mels(&self) -> usize {
            128
        }

        fn n_frames(&self, _: usize) -> Option<usize> {
            Some(16)
        }

        fn read_clip(
            &self,
            _: usize,
            _: usize,
            _: usize,
            out: &mut [f32],
        ) -> Result<(), SourceError> {
            out.fill(-80.0);
            Ok(())
        }
    }

    #[test]
    fn a_request_to_stop_is_no_failure_and_gives_no_predictions() {
        let config = Crnn2dConfig { classes: 2, ..Crnn2dConfig::default() };
        let network = Model::new(config, 0, &Device::Cpu, DType::F32).unwrap();
        let clip = Clip { song: 0, first_frame: 0, class: 1 };
        let set = ClipSet::new(vec![clip; BATCH_SIZE + 1], 16);
        let mut heard = Vec::new();
        let stopped = predict_unless_asked(&network, &Silence, &set, |done| {
            heard.push(done);
            true
        });
        assert_eq!(stopped.unwrap(), None);
        assert_eq!(heard, [BATCH_SIZE]);
        let whole = predict_unless_asked(&network, &Silence, &set, |_| false).unwrap().unwrap();
        assert_eq!(whole.probabilities.len(), 2 * (BATCH_SIZE + 1));
    }
}
