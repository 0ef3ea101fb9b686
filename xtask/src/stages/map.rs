//! The stage `map`: what the network makes of every clip, and a map on which like clips lie together.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cantus_cache::SpectrogramStore;
use cantus_crnn::Model;
use cantus_eval::{ClipMap, EvalError, MapClip, MapSong, TsnePlan};
use cantus_pipeline::{AtomicFile, Fingerprint, Stage};
use cantus_train::ClipSet;

use crate::errors::Damaged;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::evaluate::predict_unless_asked;
use crate::stages::train;
use crate::stages::trial::Songs;

const FORMAT_VERSION: u32 = 1;

/// More clips than this are too many for the eye, and for a map whose time grows with their square.
const MOST_CLIPS: usize = 100_000;

/// Songs whose spectrograms are in memory at a time.
const SONGS_AT_ONCE: usize = 64;

/// The map.
pub(crate) fn path(run: &Path) -> PathBuf {
    run.join("map.parquet")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("map").after("train").output(path(run))
}

/// What the map is made of: the model, and the clips of all parts.
pub(crate) fn wanted(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Fingerprint> {
    let labels = clips::labels(&songs.usable);
    let builder = Fingerprint::builder("map", FORMAT_VERSION).setting("seed", config.seed);
    let parts = [("all", all(songs))];
    let builder = clips::add_to_fingerprint(builder, config, songs.store, &parts, &labels);
    let model = train::model_path(run);
    let builder =
        if model.exists() { builder.input("model", session.hash(model)?) } else { builder };
    Ok(builder.build())
}

/// Puts every clip through the network, as the paper does, and lays out the numbers of its bottleneck
/// by t-SNE.
pub(crate) fn run(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Outcome> {
    let model = train::read_model(run)?;
    let all = all(songs);
    let classes = all.classes(&model.labels)?;
    let Some(clips) = embedded(session, config, &model.model()?, &all)? else {
        return Ok(Outcome::Interrupted);
    };
    let every = clips.len().div_ceil(MOST_CLIPS).max(1);
    if every > 1 {
        session.progress.say(format!("the map shows one clip in {every}"));
    }
    let mut clips: Vec<MapClip> = one_in(every, clips);
    let dimensions = clips.first().map_or(0, |clip| clip.features.len());
    let points: Vec<f32> = clips.iter().flat_map(|clip| clip.features.iter().copied()).collect();
    let plan = TsnePlan { seed: config.seed, ..TsnePlan::default() };
    let bar = session.progress.bar(0, "map", "iterations");
    let laid_out = plan.run_observed(&points, dimensions, |progress| {
        bar.set_length(progress.iterations as u64);
        bar.set_position(progress.iteration as u64);
        if session.interrupt.is_asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    match laid_out {
        // So few all lie in one place.
        Err(EvalError::TooFewPoints { .. }) => {}
        laid_out => {
            for (clip, position) in clips.iter_mut().zip(laid_out?.positions) {
                clip.position = position;
            }
        }
    }
    if session.interrupt.is_asked() {
        return Ok(Outcome::Interrupted);
    }
    let songs = all.songs.iter().zip(classes).map(|(song, class)| MapSong {
        song_id: song.song.id.clone(),
        class,
        position: [0.0; 2],
    });
    let map = ClipMap::new(model.labels, songs.collect(), clips)?.with_mean_songs();
    map.write_parquet(AtomicFile::create(path(run))?)?.commit()?;
    Ok(Outcome::Done)
}

/// One in so many of each song's clips, the first of each song for certain.
fn one_in(every: usize, clips: Vec<MapClip>) -> Vec<MapClip> {
    let mut of_song = (usize::MAX, 0);
    let is_taken = |clip: &MapClip| {
        of_song = if of_song.0 == clip.song { (clip.song, of_song.1 + 1) } else { (clip.song, 0) };
        of_song.1 % every == 0
    };
    let mut is_taken = is_taken;
    clips.into_iter().filter(|clip| is_taken(clip)).collect()
}

fn all<'a>(songs: &'a Songs<'_>) -> PartSongs<'a> {
    PartSongs { songs: songs.usable.iter().collect() }
}

/// Every clip with the numbers of its bottleneck, not yet laid out; or none where the user asked for
/// a stop.
fn embedded(
    session: &Session,
    config: &Config,
    network: &Model,
    all: &PartSongs<'_>,
) -> Result<Option<Vec<MapClip>>> {
    let frames = config.frames_per_clip();
    let seconds_per_frame = config.seconds_per_frame();
    let bar =
        session.progress.bar(all.clips(config).iter().sum::<usize>() as u64, "embed", "clips");
    let mut clips: Vec<MapClip> = Vec::new();
    for (chunk, places) in all.places().chunks(SONGS_AT_ONCE).enumerate() {
        let store = SpectrogramStore::load(places, session.memory_bytes)?;
        let numbered: Vec<(usize, usize)> = (0..places.len()).map(|song| (song, 0)).collect();
        let set = ClipSet::cut(&store, &numbered, frames, config.clip_rule)?;
        let before = clips.len();
        let predicted = predict_unless_asked(network, &store, &set, |done| {
            bar.set_position((before + done) as u64);
            session.interrupt.is_asked()
        })?;
        let Some(predicted) = predicted else {
            bar.finish_and_clear();
            return Ok(None);
        };
        clips.extend(set.clips().iter().enumerate().map(|(position, clip)| MapClip {
            song: chunk * SONGS_AT_ONCE + clip.song,
            start_seconds: store.songs()[clip.song].start_seconds
                + clip.first_frame as f64 * seconds_per_frame,
            position: [0.0; 2],
            features: predicted.embedding_of(position).to_vec(),
        }));
    }
    bar.finish_and_clear();
    Ok(Some(clips))
}

/// The map that the stage left.
pub(crate) fn read(run: &Path) -> Result<ClipMap> {
    let path = path(run);
    Ok(ClipMap::read_parquet(&path).map_err(|error| Damaged::to_delete(path, "report", error))?)
}
