//! Makes up the predictions of a classifier that hears well, but not perfectly, and writes all that
//! this crate can say about them: `predictions.parquet`, `metrics.json`, `map.parquet`, pictures,
//! `report.html`.
//!
//! ```text
//! cargo run --release --package cantus-eval --example made_up_run -- FOLDER [ARTISTS]
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;

use cantus_eval::{
    BootstrapOptions, ClipMap, ClipPrediction, EpochRecord, MapClip, MapSong, Metrics, PartCounts,
    Placement, Predictions, ReportInput, SongRemark, StageTiming, TsnePlan, confusion_svg,
    history_svg, render_report, scatter_svg, song_votes,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SONGS_PER_ARTIST: usize = 7;
const CLIPS_PER_SONG: u32 = 60;
const CLIP_SECONDS: f64 = 3.008;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder to write to?")?);
    let artists: usize = arguments.next().map_or(Ok(20), |number| number.parse())?;
    fs::create_dir_all(&folder)?;

    let predictions = predictions(artists)?;
    predictions.write_parquet(File::create(folder.join("predictions.parquet"))?)?;
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default())?;
    fs::write(folder.join("metrics.json"), metrics.to_json()?)?;

    let history = history();
    let picture = history_svg(&history, "Loss and accuracy by epoch", Placement::Standalone)?;
    fs::write(folder.join("history.svg"), picture)?;
    for (level, name, unit) in
        [(&metrics.song_vote, "Songs, by vote", "songs"), (&metrics.clip, "Clips", "clips")]
    {
        let picture = confusion_svg(&level.confusion, name, unit, Placement::Standalone)?;
        fs::write(folder.join(format!("confusion_{unit}.svg")), picture)?;
    }
    let map = map(&predictions)?;
    map.write_parquet(File::create(folder.join("map.parquet"))?)?;
    for (points, name, unit) in [
        (map.clip_points(), "Clips by artist", "clips"),
        (map.song_points(), "Songs by artist", "songs"),
    ] {
        let picture = scatter_svg(&points, map.labels(), name, unit, Placement::Standalone)?;
        fs::write(folder.join(format!("map_{unit}.svg")), picture)?;
    }
    let mut report = report(metrics, &predictions, history);
    report.map = Some(map);
    fs::write(folder.join("report.html"), render_report(&report)?)?;
    Ok(())
}

/// Clips whose logits are noise, plus a hint of the truth, plus a song's own wrong hint.
fn predictions(artists: usize) -> Result<Predictions, Box<dyn Error>> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let labels: Vec<String> = (0..artists).map(artist_name).collect();
    let mut clips = Vec::new();
    for truth in 0..artists {
        for song in 0..SONGS_PER_ARTIST {
            let difficulty = uniform(&mut random);
            let lure = (uniform(&mut random) * artists as f64) as usize;
            for clip in 0..CLIPS_PER_SONG {
                let mut logits: Vec<f64> = (0..artists)
                    .map(|_| (0..4).map(|_| uniform(&mut random) - 0.5).sum::<f64>() * 2.6)
                    .collect();
                logits[truth] += 5.2 - 3.4 * difficulty;
                logits[lure] += 3.4 * difficulty;
                clips.push(ClipPrediction {
                    song_id: format!(
                        "{}/album_{}/{:02}-Song No. {song}.mp3",
                        labels[truth],
                        song / 3,
                        song + 1
                    ),
                    clip,
                    start_seconds: f64::from(clip) * CLIP_SECONDS,
                    truth,
                    probabilities: softmax(&logits),
                });
            }
        }
    }
    Ok(Predictions::new(labels, clips)?)
}

/// A map of the clips by the logarithms of their probabilities, songs at the means of their clips.
fn map(predictions: &Predictions) -> Result<ClipMap, Box<dyn Error>> {
    let logarithm = |probability: &f32| probability.max(1e-6).ln();
    let numbers: Vec<f32> = predictions
        .clips()
        .iter()
        .flat_map(|clip| clip.probabilities.iter().map(logarithm))
        .collect();
    let places = TsnePlan::default().run(&numbers, predictions.labels().len())?.positions;
    let songs = predictions
        .songs()
        .map(|clips| MapSong {
            song_id: clips[0].song_id.clone(),
            class: clips[0].truth,
            position: [0.0; 2],
        })
        .collect();
    let of_song = predictions
        .songs()
        .enumerate()
        .flat_map(|(song, clips)| clips.iter().map(move |clip| (song, clip.start_seconds)));
    let clips = of_song
        .zip(places)
        .map(|((song, start_seconds), position)| MapClip {
            song,
            start_seconds,
            position,
            features: Vec::new(),
        })
        .collect();
    Ok(ClipMap::new(predictions.labels().to_vec(), songs, clips)?.with_mean_songs())
}

fn artist_name(artist: usize) -> String {
    const FIRST: [&str; 5] = ["Amber", "Iron", "Silent", "Northern", "Paper"];
    const SECOND: [&str; 4] = ["Lanterns", "Orchestra of the Lower Harbour", "Fox", "Choir"];
    match artist {
        3 => "Zoë & the \"Quoted\" <b>Angles</b>".to_owned(),
        5 => "音楽家 🎹".to_owned(),
        _ => format!("{} {} {artist}", FIRST[artist % 5], SECOND[artist / 5 % 4]),
    }
}

fn softmax(logits: &[f64]) -> Vec<f32> {
    let powers: Vec<f64> = logits.iter().map(|logit| logit.exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn history() -> Vec<EpochRecord> {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut best = f64::INFINITY;
    (1..=34)
        .map(|epoch| {
            let time = f64::from(epoch);
            let validation_loss =
                0.55 + 2.1 * (-time / 6.0).exp() + 0.012 * time + 0.12 * uniform(&mut random);
            let is_best = validation_loss < best;
            best = best.min(validation_loss);
            EpochRecord {
                epoch,
                training_loss: 0.12 + 2.7 * (-time / 5.0).exp() + 0.03 * uniform(&mut random),
                training_accuracy: 0.97 - 0.8 * (-time / 5.0).exp(),
                validation_loss,
                validation_accuracy: 0.8 - 0.6 * (-time / 6.0).exp() + 0.03 * uniform(&mut random),
                is_best,
                learning_rate: 1e-3,
            }
        })
        .collect()
}

fn report(metrics: Metrics, predictions: &Predictions, history: Vec<EpochRecord>) -> ReportInput {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let part = |part: &str, songs: u64, artists: u64| PartCounts {
        part: part.to_owned(),
        artists,
        albums: artists * 3,
        songs,
        clips: songs * u64::from(CLIPS_PER_SONG),
    };
    let stage = |stage: &str, seconds: f64| StageTiming { stage: stage.to_owned(), seconds };
    let artists = metrics.labels.len() as u64;
    let songs = metrics.songs;
    let mut report =
        ReportInput::new("crnn2d-3s-song-0", "made up", metrics, song_votes(predictions));
    report.settings = vec![
        setting("clip", "3s (94 frames)"),
        setting("split", "song"),
        setting("seed", "0"),
        setting("model", "crnn2d"),
        setting("learning_rate", "0.001"),
        setting("batch", "16"),
        setting("patience", "10"),
    ];
    report.parts = vec![
        part("train", songs * 8, artists),
        part("validation", songs, artists),
        part("test", songs, artists),
    ];
    report.history = history;
    report.timings = vec![
        stage("scan", 0.8),
        stage("preprocess", 95.0),
        stage("split", 0.1),
        stage("train", 1834.0),
        stage("evaluate", 21.0),
    ];
    report.warnings = vec!["Made-up predictions: nobody listened to anything.".to_owned()];
    report.notes = vec!["Clips: all whole ones of a song.".to_owned()];
    report.skipped = vec![SongRemark {
        song_id: "Paper Fox 14/album_1/09-Broken.mp3".to_owned(),
        remark: "12 % of its packets are damaged".to_owned(),
    }];
    report
}
