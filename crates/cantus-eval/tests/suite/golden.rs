//! scikit-learn's reports and the original's vote.

use std::collections::BTreeMap;
use std::path::Path;

use cantus_eval::{
    ClassificationReport, ConfusionMatrix, Predictions, classification_report, original_vote,
    song_votes,
};
use serde::Deserialize;
use serde_json::Value;

use crate::samples::{clip, numbered_labels};

fn golden(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");
    std::fs::read_to_string(Path::new(folder).join(name)).unwrap()
}

#[derive(Deserialize)]
struct GoldenReport {
    names: Vec<String>,
    y_true: Vec<usize>,
    y_pred: Vec<usize>,
    report: BTreeMap<String, Value>,
    text: String,
    confusion_rows_true: Vec<Vec<u64>>,
}

fn golden_report() -> (GoldenReport, ClassificationReport) {
    let golden: GoldenReport = serde_json::from_str(&golden("report.json")).unwrap();
    let report = classification_report(&golden.y_true, &golden.y_pred, &golden.names).unwrap();
    (golden, report)
}

fn assert_near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-12, "{what}: {found} where {expected} is expected");
}

/// Compares all rows of a report; returns how many numbers were compared.
fn compare(report: &ClassificationReport, expected: &BTreeMap<String, Value>) -> usize {
    let mut compared = 0;
    let mut row = |name: &str, scores: [f64; 3], support: u64| {
        let expected = &expected[name];
        for (score, key) in scores.into_iter().zip(["precision", "recall", "f1-score"]) {
            assert_near(score, &expected[key], &format!("{key} of {name}"));
        }
        assert_near(support as f64, &expected["support"], &format!("support of {name}"));
        compared += 4;
    };
    for class in &report.classes {
        row(&class.label, [class.precision, class.recall, class.f1], class.support);
    }
    let averages =
        [("macro avg", &report.macro_average), ("weighted avg", &report.weighted_average)];
    for (name, average) in averages {
        row(name, [average.precision, average.recall, average.f1], report.support);
    }
    compared
}

#[test]
fn every_number_of_the_report_is_scikit_learns() {
    let (golden, report) = golden_report();
    assert_eq!(compare(&report, &golden.report), 36);
    assert_near(report.accuracy, &golden.report["accuracy"], "accuracy");
    assert_eq!(golden.report.len(), 10);
}

#[test]
fn every_number_of_the_report_is_scikit_learn_0_20s() {
    let (_, report) = golden_report();
    let old: BTreeMap<String, Value> =
        serde_json::from_str(&golden("report_sklearn020.json")).unwrap();
    assert_eq!(compare(&report, &old), 36);
    for key in ["precision", "recall", "f1-score"] {
        assert_near(report.accuracy, &old["micro avg"][key], key);
    }
}

#[test]
fn the_printed_report_is_scikit_learns() {
    let (golden, report) = golden_report();
    assert_eq!(report.to_string(), golden.text);
}

#[test]
fn the_confusion_matrix_is_scikit_learns() {
    let (golden, _) = golden_report();
    let confusion = ConfusionMatrix::new(&golden.y_true, &golden.y_pred, &golden.names).unwrap();
    assert_eq!(confusion.counts(), golden.confusion_rows_true);
}

#[test]
fn balanced_accuracy_is_the_mean_recall() {
    let (golden, report) = golden_report();
    // Class 4 is never predicted but occurs, so all 7 recalls count.
    assert_near(report.balanced_accuracy(), &golden.report["macro avg"]["recall"], "balanced");
    assert_near(report.macro_f1(), &golden.report["macro avg"]["f1-score"], "macro F1");
    assert_near(report.weighted_f1(), &golden.report["weighted avg"]["f1-score"], "weighted F1");
}

#[derive(Deserialize)]
struct GoldenSong {
    clips: Vec<Vec<f32>>,
    predicted: usize,
}

fn golden_songs() -> Vec<GoldenSong> {
    serde_json::from_str(&golden("song_vote.json")).unwrap()
}

#[test]
fn every_song_gets_the_vote_of_the_original() {
    let songs = golden_songs();
    assert_eq!(songs.len(), 12);
    for (number, song) in songs.iter().enumerate() {
        let rows: Vec<&[f32]> = song.clips.iter().map(Vec::as_slice).collect();
        assert_eq!(original_vote(&rows), Some(song.predicted), "song {number}");
    }
}

#[test]
fn all_songs_voted_on_at_once_get_the_vote_of_the_original() {
    let songs = golden_songs();
    let mut clips = Vec::new();
    for (number, song) in songs.iter().enumerate() {
        for (index, row) in song.clips.iter().enumerate() {
            clips.push(clip(&format!("album/{number:02}"), index as u32, 0, row));
        }
    }
    let predictions = Predictions::new(numbered_labels(5), clips).unwrap();
    let found: Vec<usize> = song_votes(&predictions).iter().map(|song| song.vote).collect();
    let expected: Vec<usize> = songs.iter().map(|song| song.predicted).collect();
    assert_eq!(found, expected);
}
