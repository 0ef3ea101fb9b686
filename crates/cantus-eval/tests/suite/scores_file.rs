//! `metrics.json`.

use cantus_eval::{BootstrapOptions, EvalError, Metrics};

use crate::samples::some_predictions;

fn metrics() -> Metrics {
    Metrics::new(&some_predictions(), &BootstrapOptions::default()).unwrap()
}

#[test]
fn metrics_come_back_from_json_bit_for_bit() {
    let json = metrics().to_json().unwrap();
    assert_eq!(Metrics::from_json(&json).unwrap(), metrics());
    assert!(json.ends_with("}\n"));
}

#[test]
fn metrics_without_intervals_come_back_too() {
    let options = BootstrapOptions { replicates: 0, ..BootstrapOptions::default() };
    let metrics = Metrics::new(&some_predictions(), &options).unwrap();
    assert_eq!(Metrics::from_json(&metrics.to_json().unwrap()).unwrap(), metrics);
}

#[test]
fn another_format_version_is_named() {
    let json = metrics().to_json().unwrap().replacen("\"format\": 2", "\"format\": 9", 1);
    let error = Metrics::from_json(&json).unwrap_err();
    assert_eq!(error.to_string(), "the metrics cannot be read: format 9 where 2 is known");
}

#[test]
fn metrics_cut_short_are_refused_at_any_length() {
    let json = metrics().to_json().unwrap();
    for end in (0..json.len() - 2).step_by(7) {
        let error = Metrics::from_json(&json[..end]).unwrap_err();
        assert!(matches!(error, EvalError::Metrics { .. }), "{end}: {error}");
    }
}

#[test]
fn a_confusion_matrix_with_a_row_missing_is_refused() {
    let mut json: serde_json::Value = serde_json::from_str(&metrics().to_json().unwrap()).unwrap();
    json["clip"]["confusion"]["counts"].as_array_mut().unwrap().pop();
    let error = Metrics::from_json(&json.to_string()).unwrap_err();
    assert!(error.to_string().contains("a confusion matrix of 4 classes has 3 rows"), "{error}");
}
