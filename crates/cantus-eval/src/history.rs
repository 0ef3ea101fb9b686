//! The course of a training: `history.jsonl`, one JSON object an epoch.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::EvalError;

/// One epoch of a training. Fields that are not named here are skipped.
///
/// JSON knows no NaN: a measure that is `null` is NaN here, and is written as `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// Mean loss of the training clips.
    #[serde(deserialize_with = "number_or_null")]
    pub training_loss: f64,
    /// Accuracy on the training clips, 0 to 1.
    #[serde(deserialize_with = "number_or_null")]
    pub training_accuracy: f64,
    /// Mean loss of the validation clips.
    #[serde(deserialize_with = "number_or_null")]
    pub validation_loss: f64,
    /// Accuracy on the validation clips, 0 to 1.
    #[serde(deserialize_with = "number_or_null")]
    pub validation_accuracy: f64,
    /// Whether this epoch was the best until then.
    #[serde(default)]
    pub is_best: bool,
    /// The learning rate of the epoch.
    #[serde(deserialize_with = "number_or_null")]
    pub learning_rate: f64,
}

fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Reads a history, one JSON object a line; empty lines are skipped.
///
/// # Errors
///
/// The first line that is not a record.
pub fn parse_history(text: &str) -> Result<Vec<EpochRecord>, EvalError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|source| EvalError::History { line: index + 1, source })
        })
        .collect()
}

/// Reads a history from a file.
///
/// # Errors
///
/// The file cannot be read, or a line of it is not a record.
pub fn read_history(path: &Path) -> Result<Vec<EpochRecord>, EvalError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| EvalError::Read { path: path.to_path_buf(), source })?;
    parse_history(&text)
}

/// The epoch whose weights were kept: the last one marked as best.
pub fn best_epoch(history: &[EpochRecord]) -> Option<&EpochRecord> {
    history.iter().rev().find(|record| record.is_best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_unknown_fields_is_read() {
        let line =
            r#"{"epoch":2,"training_loss":1.5,"training_accuracy":0.5,"validation_loss":1.25,
            "validation_accuracy":0.75,"is_best":true,"learning_rate":0.001,"clips":99}"#
                .replace('\n', "");
        let history = parse_history(&line).unwrap();
        assert_eq!(history[0].epoch, 2);
        assert_eq!(history[0].validation_accuracy.to_bits(), 0.75_f64.to_bits());
        assert!(history[0].is_best);
    }

    const FIRST: &str = concat!(
        r#"{"epoch":1,"training_loss":null,"training_accuracy":0.5,"#,
        r#""validation_loss":2.0,"validation_accuracy":0.5,"is_best":true,"learning_rate":0.001}"#
    );

    #[test]
    fn a_measure_that_is_null_is_nan_and_comes_back_as_null() {
        let history = parse_history(&format!("{FIRST}\n\n")).unwrap();
        assert_eq!(history.len(), 1);
        assert!(history[0].training_loss.is_nan());
        assert_eq!(serde_json::to_string(&history[0]).unwrap(), FIRST);
    }

    #[test]
    fn a_record_without_one_of_its_measures_is_refused() {
        let error = parse_history(&FIRST.replace("training_loss", "loss")).unwrap_err();
        assert!(matches!(error, EvalError::History { line: 1, .. }), "{error:?}");
    }

    #[test]
    fn a_torn_line_is_named_by_its_number() {
        let error = parse_history(&format!("{FIRST}\n{{\"epoch\":2,\"tra")).unwrap_err();
        assert!(matches!(error, EvalError::History { line: 2, .. }), "{error:?}");
    }

    #[test]
    fn the_last_epoch_marked_as_best_is_the_best() {
        let later = |epoch: u32, best: bool| {
            FIRST
                .replace("\"epoch\":1", &format!("\"epoch\":{epoch}"))
                .replace("\"is_best\":true", &format!("\"is_best\":{best}"))
        };
        let text = [FIRST.to_owned(), later(2, true), later(3, false)].join("\n");
        let history = parse_history(&text).unwrap();
        assert_eq!(best_epoch(&history).unwrap().epoch, 2);
        assert!(best_epoch(&[]).is_none());
    }
}
