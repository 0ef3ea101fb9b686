//! The built-in corpus: music synthesised here, so that everything can be tried without a download.
//!
//! Eight invented artists, each a palette of timbres, scales, rhythms and tempi (`artist`), four
//! albums each with a production of its own (`production`), four songs an album. It is made so that
//! telling the artists apart is possible but not trivial, and harder on albums that have not been
//! heard; `strength` holds the numbers that decide how hard. It is not music anybody made, and
//! scores on it say nothing about real artists.

mod artist;
mod composition;
mod draws;
mod drums;
mod envelope;
mod instruments;
mod production;
mod song_file;
mod strength;
mod titles;
mod voice;
mod wavetable;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use cantus_pipeline::write_atomic_bytes;
use rayon::prelude::*;

use artist::{ALBUMS, ARTISTS};
use composition::compose;
use draws::{Draws, Place, Purpose};
use drums::DrumKit;
use instruments::timbre_draws;
use production::Production;
use voice::Voice;

/// Counts up whenever the same settings give other sound or other names.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// Samples a second.
pub(crate) const SAMPLE_RATE: u32 = 16_000;
/// Songs of an album.
const SONGS: usize = 4;
/// Songs of the whole corpus.
pub(crate) const TOTAL_SONGS: usize = ARTISTS.len() * ALBUMS * SONGS;

const README: &str = "README.txt";

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DemoSettings {
    /// Another seed is another corpus by the same artists.
    pub(crate) seed: u64,
    /// Length of every song.
    pub(crate) song_seconds: u32,
}

impl Default for DemoSettings {
    fn default() -> Self {
        Self { seed: 0, song_seconds: 64 }
    }
}

/// What [`generate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoSummary {
    /// Songs of the corpus.
    pub(crate) songs: usize,
    /// Those of them that stood there already.
    pub(crate) kept: usize,
    /// Paths under the destination of those that it was stopped before.
    pub(crate) missing: Vec<PathBuf>,
}

/// Makes the corpus: `<destination>/<artist>/<album>/<song>.wav`, mono, 16 bits, 16 kHz, and a
/// `README.txt` that says what it is. Songs that stand there already are kept, unless they were
/// made with other settings or by another [`FORMAT_VERSION`], which the readme tells. A song
/// appears whole or not at all. Runs in rayon's current pool; `progress` hears how many songs are
/// done, of how many. `stop` is asked before each song; what was made until then stays.
///
/// # Errors
///
/// If a folder or file cannot be written; the message names it.
pub(crate) fn generate(
    destination: &Path,
    settings: &DemoSettings,
    progress: &(dyn Fn(usize, usize) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> anyhow::Result<DemoSummary> {
    renew_readme(destination, settings)?;

    let done = AtomicUsize::new(0);
    progress(0, TOTAL_SONGS);
    let states: Vec<Song> = (0..TOTAL_SONGS)
        .into_par_iter()
        .map(|number| {
            if stop() {
                return Ok(Song::Missing(titles::path(Path::new(""), place_of(number))));
            }
            let song = make_song(destination, settings, place_of(number))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, TOTAL_SONGS);
            Ok(song)
        })
        .collect::<anyhow::Result<_>>()?;

    let mut summary = DemoSummary { songs: TOTAL_SONGS, kept: 0, missing: Vec::new() };
    for state in states {
        match state {
            Song::Made => {}
            Song::Kept => summary.kept += 1,
            Song::Missing(path) => summary.missing.push(path),
        }
    }
    Ok(summary)
}

/// What became of one song.
enum Song {
    Made,
    Kept,
    Missing(PathBuf),
}

/// How many songs [`generate`] would make: those that are not there, not whole, or of other
/// settings.
pub(crate) fn songs_to_make(destination: &Path, settings: &DemoSettings) -> usize {
    if !is_of(destination, settings) {
        return TOTAL_SONGS;
    }
    (0..TOTAL_SONGS)
        .filter(|&number| !is_whole(&titles::path(destination, place_of(number)), settings))
        .count()
}

/// The song of this number, counted through artists, albums and songs.
fn place_of(number: usize) -> Place {
    Place {
        artist: number / (ALBUMS * SONGS),
        album: number / SONGS % ALBUMS,
        song: number % SONGS,
    }
}

fn sample_count(settings: &DemoSettings) -> usize {
    settings.song_seconds as usize * SAMPLE_RATE as usize
}

/// Makes sure that the readme tells of these settings before any song of theirs is written. Songs
/// beside another readme, or none, are not ours to keep.
fn renew_readme(destination: &Path, settings: &DemoSettings) -> anyhow::Result<()> {
    if is_of(destination, settings) {
        return Ok(());
    }
    for number in 0..TOTAL_SONGS {
        let song = titles::path(destination, place_of(number));
        if song.exists() {
            fs::remove_file(&song)
                .with_context(|| format!("cannot remove the outdated song `{}`", song.display()))?;
        }
    }
    Ok(write_atomic_bytes(destination.join(README), readme(settings).as_bytes())?)
}

/// Whether the readme tells of these settings.
fn is_of(destination: &Path, settings: &DemoSettings) -> bool {
    fs::read_to_string(destination.join(README)).is_ok_and(|found| found == readme(settings))
}

fn readme(settings: &DemoSettings) -> String {
    let DemoSettings { seed, song_seconds } = settings;
    format!(
        "The built-in corpus of Cantus\n\
         \n\
         This is synthesised sound. Every artist, album and song here is invented; no musician\n\
         played or wrote any of it, and any likeness of a name is chance. It exists so that the\n\
         whole way from audio to a scored classifier can be tried without a download. How well\n\
         these artists are told apart says nothing about real ones.\n\
         \n\
         {artists} artists, {ALBUMS} albums each, {SONGS} songs an album,\n\
         {song_seconds} s a song.\n\
         Made by `cargo xtask fetch demo`: format {FORMAT_VERSION}, seed {seed}.\n",
        artists = ARTISTS.len(),
    )
}

/// Writes a song unless it stands there already.
fn make_song(destination: &Path, settings: &DemoSettings, place: Place) -> anyhow::Result<Song> {
    let path = titles::path(destination, place);
    if is_whole(&path, settings) {
        return Ok(Song::Kept);
    }
    song_file::write_song(&path, &synthesise(settings, place))?;
    Ok(Song::Made)
}

fn is_whole(song: &Path, settings: &DemoSettings) -> bool {
    let expected_bytes = song_file::bytes(sample_count(settings));
    fs::metadata(song).is_ok_and(|found| found.is_file() && found.len() == expected_bytes)
}

/// One song, a pure function of the seed, the length and the place.
fn synthesise(settings: &DemoSettings, place: Place) -> Vec<f32> {
    let seed = settings.seed;
    let length = sample_count(settings);
    let score = compose(seed, place, f64::from(settings.song_seconds));
    let artist = &ARTISTS[place.artist];
    let mut timbres = timbre_draws(seed, place);
    let mut performance = Draws::of_song(seed, Purpose::Performance, place);

    let voices = [
        (score.lead_instrument, &score.lead),
        (score.harmony_instrument, &score.harmony),
        (artist.bass, &score.bass),
    ];
    let [lead, harmony, bass] = voices.map(|(instrument, notes)| {
        let mut sound = vec![0.0; length];
        let mut voice = Voice::new(instrument.timbre_in_song(&mut timbres));
        voice.play(notes, &mut performance, &mut sound);
        sound
    });
    let mut drums = vec![0.0; length];
    DrumKit::new(artist.kit, &mut Draws::of_song(seed, Purpose::Drums, place))
        .play(&score.drums, &mut drums);

    Production::of_album(seed, place.artist, place.album).produce(
        &[lead, harmony, bass, drums],
        &mut Draws::of_album(seed, Purpose::Reverberation, place.artist, place.album),
        &mut Draws::of_song(seed, Purpose::Hiss, place),
    )
}

#[cfg(test)]
mod tests;
