//! Predictions to test with.

use cantus_eval::{ClipPrediction, Predictions};
use proptest::prelude::*;

pub(crate) fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(crate) fn numbered_labels(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("artist {class}")).collect()
}

pub(crate) fn clip(
    song_id: &str,
    clip: u32,
    truth: usize,
    probabilities: &[f32],
) -> ClipPrediction {
    ClipPrediction {
        song_id: song_id.to_owned(),
        clip,
        start_seconds: f64::from(clip) * 3.008,
        truth,
        probabilities: probabilities.to_vec(),
    }
}

/// Probabilities that favour one class.
pub(crate) fn favouring(class: usize, classes: usize) -> Vec<f32> {
    let rest = 0.2 / classes as f32;
    (0..classes).map(|other| if other == class { 0.8 + rest } else { rest }).collect()
}

/// A small set of predictions: 4 classes, 12 songs, some of them wrong.
pub(crate) fn some_predictions() -> Predictions {
    let mut clips = Vec::new();
    for song in 0..12_usize {
        let truth = song % 4;
        for index in 0..5_u32 {
            let says = if index as usize % 3 == song % 3 { (truth + 1) % 4 } else { truth };
            let id = format!("artist {truth}/album/{song:02}.mp3");
            clips.push(clip(&id, index, truth, &favouring(says, 4)));
        }
    }
    Predictions::new(numbered_labels(4), clips).unwrap()
}

/// Any predictions of 2 to 5 classes, clips in any order.
pub(crate) fn any_clips() -> impl Strategy<Value = (Vec<String>, Vec<ClipPrediction>)> {
    (2..6_usize)
        .prop_flat_map(|classes| {
            let row = prop::collection::vec(0.0_f32..1.0, classes);
            let song = (0..classes, prop::collection::vec(row, 1..6));
            (Just(classes), prop::collection::vec(song, 1..12))
        })
        .prop_map(|(classes, songs)| {
            let mut clips = Vec::new();
            for (number, (truth, rows)) in songs.into_iter().enumerate() {
                for (index, row) in rows.into_iter().enumerate() {
                    let share = 1e-3 / classes as f32;
                    let sum: f32 = row.iter().map(|p| p + share).sum();
                    let row: Vec<f32> = row.iter().map(|p| (p + share) / sum).collect();
                    clips.push(clip(&format!("song {number}"), index as u32, truth, &row));
                }
            }
            (numbered_labels(classes), clips)
        })
        .prop_flat_map(|(labels, clips)| (Just(labels), Just(clips).prop_shuffle()))
}
