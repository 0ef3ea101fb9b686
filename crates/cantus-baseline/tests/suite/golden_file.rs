//! `tests/golden/baseline.json`, which its README.md describes.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) clip_statistics: Vec<ClipCase>,
    pub(crate) discriminants: Discriminants,
    pub(crate) songs: Songs,
}

#[derive(Deserialize)]
pub(crate) struct ClipCase {
    pub(crate) n_mels: usize,
    pub(crate) n_mfcc: usize,
    pub(crate) delta_width: usize,
    pub(crate) eighths_of_decibel: Vec<i16>,
    pub(crate) statistics: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Discriminants {
    pub(crate) sets: std::collections::BTreeMap<String, Set>,
    pub(crate) cases: Vec<DiscriminantCase>,
}

#[derive(Deserialize)]
pub(crate) struct Set {
    pub(crate) n_features: usize,
    pub(crate) n_classes: usize,
    pub(crate) features: Vec<f64>,
    pub(crate) classes: Vec<usize>,
    pub(crate) test: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct DiscriminantCase {
    pub(crate) set: String,
    pub(crate) shrinkage: Option<f64>,
    pub(crate) equal_priors: bool,
    pub(crate) probabilities: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Songs {
    pub(crate) n_coefficients: usize,
    pub(crate) ridge: f64,
    pub(crate) classes: Vec<usize>,
    pub(crate) frames: Vec<Vec<f32>>,
    pub(crate) divergences: Vec<f64>,
    pub(crate) symmetric_divergences: Vec<f64>,
    pub(crate) asked: Vec<usize>,
    pub(crate) learnt: Vec<usize>,
    pub(crate) machines: Vec<MachineCase>,
}

#[derive(Deserialize)]
pub(crate) struct MachineCase {
    pub(crate) cost: f64,
    pub(crate) gamma: f64,
    pub(crate) decisions: Vec<f64>,
    pub(crate) votes: Vec<f64>,
    pub(crate) predicted: Vec<usize>,
}

pub(crate) fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/baseline.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The largest of `|ours - theirs| / (|theirs| + least)`.
pub(crate) fn largest_difference(ours: &[f64], theirs: &[f64], least: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let differences = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| (ours - theirs).abs() / (theirs.abs() + least));
    // A NaN must not pass for small.
    differences.fold(0.0, |most, difference| if difference <= most { most } else { difference })
}
