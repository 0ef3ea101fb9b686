//! Makes up music in the mel domain and a grid of scores, and draws them: `spectrogram.svg` (a clip),
//! `song.svg`, `artists.svg`, `timeline.svg` and `clip_length.svg`.
//!
//! ```text
//! cargo run --release --package cantus-eval --example made_up_pictures -- FOLDER
//! ```

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use cantus_eval::{
    ArtistClip, Estimate, Grid, GridPoint, GridTrial, Level, LevelScores, Placement,
    PublishedScore, SpectrogramLayout, SpectrogramView, TimelineClip, clip_length_svg,
    spectrogram_grid_svg, spectrogram_svg, timeline_svg,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const BANDS: usize = 128;
const SECONDS_PER_FRAME: f64 = 512.0 / 16_000.0;
const CLIP_FRAMES: usize = 94;
const SONG_FRAMES: usize = 7_000;
const CHANCE: f64 = 0.05;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder to write to?")?);
    fs::create_dir_all(&folder)?;
    let centres = band_centres();
    let spectrogram = |decibels| SpectrogramView {
        decibels,
        layout: SpectrogramLayout::TimeMajor,
        band_centres_hz: &centres,
        seconds_per_frame: SECONDS_PER_FRAME,
    };
    let write = |name: &str, svg: String| fs::write(folder.join(name), svg);
    let alone = Placement::Standalone;

    let clip = music(3, CLIP_FRAMES, &centres);
    write("spectrogram.svg", spectrogram_svg(&spectrogram(&clip), "Three seconds", alone)?)?;
    let song = music(4, SONG_FRAMES, &centres);
    write("song.svg", spectrogram_svg(&spectrogram(&song), "A whole song", alone)?)?;

    let clips: Vec<Vec<f32>> = (0..20).map(|artist| music(artist, CLIP_FRAMES, &centres)).collect();
    let names: Vec<(String, String)> = (0..20).map(names).collect();
    let clips: Vec<ArtistClip<'_>> = clips
        .iter()
        .zip(&names)
        .map(|(clip, (artist, song))| ArtistClip { artist, song, spectrogram: spectrogram(clip) })
        .collect();
    write("artists.svg", spectrogram_grid_svg(&clips, "Three seconds an artist", alone)?)?;

    let (labels, told) = timeline();
    let clips: Vec<TimelineClip<'_>> = (0..)
        .zip(&told)
        .map(|(clip, probabilities)| TimelineClip {
            start_seconds: clip_start(clip),
            probabilities,
        })
        .collect();
    let seconds = clip_start(1);
    write("timeline.svg", timeline_svg(&clips, seconds, &labels, "Who is it, and when?", alone)?)?;

    let (grid, levels) = (grid(), [Level::Clip, Level::SongVote]);
    let svg = clip_length_svg(&grid, &levels, Some(CHANCE), "F1 by clip length", alone)?;
    write("clip_length.svg", svg)?;
    Ok(())
}

/// The middles of bands on Slaney's mel scale from 0 to 8000 Hz.
fn band_centres() -> Vec<f64> {
    let last = 15.0 + 8.0_f64.log(6.4) * 27.0;
    let hz = |mel: f64| {
        if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * 6.4_f64.powf((mel - 15.0) / 27.0) }
    };
    (1..=BANDS).map(|band| hz(band as f64 * last / (BANDS + 1) as f64)).collect()
}

/// Notes with harmonics that die away, drums, and some noise: frame by frame, in decibel.
fn music(artist: u64, frames: usize, centres: &[f64]) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(artist);
    let frames_per_note = 6 + (uniform(&mut random) * 14.0) as usize;
    let (root, darkness) = (80.0 + 140.0 * uniform(&mut random), 3.0 + 9.0 * uniform(&mut random));
    let (decay, drums) = (0.5 + 2.0 * uniform(&mut random), uniform(&mut random) > 0.4);
    let mut levels = Vec::with_capacity(frames * centres.len());
    let (mut pitch, mut is_quiet) = (root, false);
    for frame in 0..frames {
        let since = frame % frames_per_note;
        if since == 0 {
            let steps = [0, 3, 5, 7, 10, 12, 15][(uniform(&mut random) * 7.0) as usize];
            pitch = root * 2.0_f64.powf(f64::from(steps) / 12.0);
            is_quiet = frame / (frames_per_note * 64) % 4 == 3;
        }
        let beat = frame / frames_per_note % 4;
        for &hz in centres {
            let harmonic = (hz / pitch).round().max(1.0);
            let width = 25.0 + hz * 0.02;
            let apart = (hz - harmonic * pitch) / width;
            let tone = -darkness * harmonic.log2() - apart * apart * 8.0 - decay * since as f64;
            let snare = if drums && beat == 2 { -22.0 - 4.0 * since as f64 } else { -90.0 };
            let kick =
                if drums && beat == 0 { -2.0 - 5.0 * since as f64 - hz / 12.0 } else { -90.0 };
            let rest = if is_quiet { -18.0 } else { 0.0 };
            let noise = (0..3).map(|_| uniform(&mut random)).sum::<f64>() * 6.0 - 9.0;
            let floor = -58.0 - hz / 500.0;
            let loudest = [tone + rest, snare + rest, kick + rest, floor];
            let loudest = loudest.into_iter().fold(f64::NEG_INFINITY, f64::max);
            levels.push((loudest + noise).max(-80.0) as f32);
        }
    }
    levels
}

fn names(artist: usize) -> (String, String) {
    const FIRST: [&str; 5] = ["Amber", "Iron", "Silent", "Northern", "Paper"];
    const SECOND: [&str; 4] = ["Lanterns", "Orchestra of the Lower Harbour", "Fox", "Choir"];
    let name = match artist {
        3 => "Zoë & the \"Quoted\" <b>Angles</b>".to_owned(),
        5 => "音楽家 🎹".to_owned(),
        _ => format!("{} {}", FIRST[artist % 5], SECOND[artist / 5]),
    };
    (name, format!("album_{}/{:02}-Song No. {artist}.mp3", artist % 3, artist % 9 + 1))
}

fn clip_start(clip: u32) -> f64 {
    f64::from(clip) * CLIP_FRAMES as f64 * SECONDS_PER_FRAME
}

/// What a model might say of a song of twelve artists: a guest sings in its third quarter.
fn timeline() -> (Vec<String>, Vec<Vec<f32>>) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let clips = 80;
    let told = (0..clips).map(|clip| {
        let singer = if (clips / 2..clips * 3 / 4).contains(&clip) { 3 } else { 5 };
        let shares: Vec<f64> = (0..12)
            .map(|artist| uniform(&mut random).powi(6) + if artist == singer { 2.0 } else { 0.0 })
            .collect();
        let sum: f64 = shares.iter().sum();
        shares.into_iter().map(|share| (share / sum) as f32).collect()
    });
    let told = told.collect();
    ((0..12).map(|artist| names(artist).0).collect(), told)
}

/// Scores as the paper has them: longer clips help clips, and songs up to a point.
fn grid() -> Grid {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let (mut trials, mut published) = (Vec::new(), Vec::new());
    for (split, best, spread) in [("song", 0.9, 0.03), ("album", 0.62, 0.1)] {
        for seconds in [1.0, 3.0, 5.0, 6.0, 10.0, 20.0, 30.0_f64] {
            let clip = best - 0.35 / (1.0 + seconds.ln());
            let song = best + 0.07 - 0.012 * seconds.ln().powi(2);
            for seed in [0, 21, 42] {
                let mut scores = |f1: f64| scores(f1 + spread * (uniform(&mut random) - 0.5));
                trials.push(GridTrial {
                    point: GridPoint {
                        model: "crnn2d".to_owned(),
                        split: split.to_owned(),
                        clip: format!("{seconds}s"),
                        clip_seconds: seconds,
                    },
                    seed,
                    folds: None,
                    parts: Vec::new(),
                    clip: scores(clip),
                    song_vote: scores(song),
                    song_mean: scores(song),
                });
            }
            for (level, f1) in [(Level::Clip, clip), (Level::SongVote, song)] {
                published.push(PublishedScore {
                    model: "crnn2d".to_owned(),
                    split: split.to_owned(),
                    clip_seconds: seconds,
                    level,
                    mean: f1 - 0.03,
                    best: f1 - 0.02,
                });
            }
        }
    }
    Grid::new(trials).beside(published)
}

fn scores(f1: f64) -> LevelScores {
    let estimate = Estimate { value: f1, low: None, high: None };
    LevelScores {
        count: 140,
        weighted_f1: estimate,
        macro_f1: estimate,
        accuracy: estimate,
        balanced_accuracy: estimate,
    }
}

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
