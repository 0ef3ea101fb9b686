//! `visualize`: pictures of spectrograms, of one for each artist or of whole songs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use cantus_eval::{
    ArtistClip, Placement, SpectrogramLayout, SpectrogramView, spectrogram_grid_svg,
    spectrogram_svg,
};
use serde::Serialize;

use crate::cli::{CommonFlags, VisualizeFlags};
use crate::commands::{print, print_json, status};
use crate::errors::bad_usage;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::Config;
use crate::stages::preprocess::{UsableSong, readable};
use crate::stages::trial::{StageName, Trial};

/// What `visualize --json` prints for each picture.
#[derive(Debug, Serialize)]
struct Picture {
    file: String,
    /// The song or songs that it shows, by id.
    songs: Vec<String>,
}

/// Brings the spectrograms of a corpus up to date and draws them.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &VisualizeFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let configs = flags.trial.trials()?;
    let [config] = configs.as_slice() else {
        return bad_usage(
            "one trial at a time can be drawn\n\nhint: give each list a single value",
        );
    };
    if common.dry_run {
        return status::of_trials(common, configs, true, StageName::Preprocess, progress);
    }
    Session::writing(common, progress)?.run(|session| {
        let trial = Trial::new(session, config.clone())?;
        let outcome = trial.bring_up_to_date(session, StageName::Preprocess)?.outcome;
        if outcome == Outcome::Interrupted {
            return Ok(session.interrupted());
        }
        let songs = trial.usable(session)?;
        let folder = flags.out.clone().unwrap_or_else(|| session.data.pictures(&trial.source.name));
        let pictures = if flags.song.is_empty() {
            vec![grid(session, config, &songs, &folder)?]
        } else {
            named(&songs, &flags.song)?
                .into_iter()
                .map(|song| whole(session, config, song, &folder))
                .collect::<Result<_>>()?
        };
        for picture in &pictures {
            if common.json {
                print_json(picture)?;
            } else {
                print(&format!("{}\n", picture.file))?;
            }
        }
        Ok(outcome)
    })
}

/// The songs whose ids are those asked for, or hold them.
fn named<'a>(songs: &'a [UsableSong], names: &[String]) -> Result<Vec<&'a UsableSong>> {
    let mut found = Vec::new();
    for name in names {
        let is_it = |song: &&UsableSong| song.song.id == *name;
        let holds = |song: &&UsableSong| song.song.id.contains(name.as_str());
        let matching: Vec<&UsableSong> = match songs.iter().find(is_it) {
            Some(song) => vec![song],
            None => songs.iter().filter(holds).collect(),
        };
        match matching.as_slice() {
            [] => bail!(
                "no song that can be used has `{name}` in its path\n\n\
                 hint: name it as in `<artist>/<album>/<song>`, or by a part of that"
            ),
            [song] => found.push(*song),
            several => bail!(
                "`{name}` is in the paths of {} songs, the first being `{}` and `{}`\n\n\
                 hint: write more of the path",
                several.len(),
                several[0].song.id,
                several[1].song.id
            ),
        }
    }
    Ok(found)
}

/// A whole song.
fn whole(session: &Session, config: &Config, song: &UsableSong, folder: &Path) -> Result<Picture> {
    let (_, mel) = song.spectrogram()?;
    let centres = config.mel.band_centres_hz();
    let svg =
        spectrogram_svg(&log_mel(config, &mel, &centres), &song.song.id, Placement::Standalone)?;
    let hash = blake3::hash(song.song.id.as_bytes()).to_hex();
    let title = readable(&song.song.title);
    let path = folder.join(format!("{title}-{}.svg", &hash[..8]));
    session.write(&path, svg.as_bytes())?;
    Ok(Picture { file: path.display().to_string(), songs: vec![song.song.id.clone()] })
}

/// The clip in the middle of each artist's first song.
fn grid(
    session: &Session,
    config: &Config,
    songs: &[UsableSong],
    folder: &Path,
) -> Result<Picture> {
    let frames = config.frames_per_clip();
    let mut first: BTreeMap<&str, &UsableSong> = BTreeMap::new();
    for song in songs.iter().filter(|song| song.n_frames() >= frames) {
        first.entry(&song.song.artist).or_insert(song);
    }
    if first.is_empty() {
        bail!("no song is as long as a clip of {}", config.clip);
    }
    let clips: Result<Vec<(&UsableSong, Vec<f32>)>> = first
        .into_values()
        .map(|song| {
            let (_, mel) = song.spectrogram()?;
            let start = (song.n_frames() - frames) / 2 * config.mel.n_mels;
            Ok((song, mel[start..start + frames * config.mel.n_mels].to_vec()))
        })
        .collect();
    let (clips, centres) = (clips?, config.mel.band_centres_hz());
    let drawn: Vec<ArtistClip<'_>> = clips
        .iter()
        .map(|(song, clip)| ArtistClip {
            artist: &song.song.artist,
            song: &song.song.id,
            spectrogram: log_mel(config, clip, &centres),
        })
        .collect();
    let title = format!("{} of each artist", config.clip);
    let svg = spectrogram_grid_svg(&drawn, &title, Placement::Standalone)?;
    let path = folder.join(format!("artists-{}.svg", config.clip));
    session.write(&path, svg.as_bytes())?;
    let songs = clips.iter().map(|(song, _)| song.song.id.clone()).collect();
    Ok(Picture { file: path.display().to_string(), songs })
}

fn log_mel<'a>(config: &Config, decibels: &'a [f32], centres: &'a [f64]) -> SpectrogramView<'a> {
    SpectrogramView {
        decibels,
        layout: SpectrogramLayout::TimeMajor,
        band_centres_hz: centres,
        seconds_per_frame: config.seconds_per_frame(),
    }
}
