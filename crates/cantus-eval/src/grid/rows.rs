//! The trials for programs: a row a trial and level, as CSV and as Parquet.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;

use super::{Grid, GridTrial, Level};
use crate::bootstrap::Estimate;
use crate::error::EvalError;

/// The scores of a row, each with its interval.
const SCORES: [&str; 4] = ["weighted_f1", "macro_f1", "accuracy", "balanced_accuracy"];

impl Grid {
    /// A row a trial and level, with a header: `model`, `split`, `clip`, `clip_seconds`, `seed`,
    /// `folds`, `level`, `count`, the songs and clips of each part, and of each score its value and
    /// the ends of its interval.
    pub fn to_csv(&self) -> String {
        let columns = self.columns();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let mut text = names.join(",") + "\n";
        for row in 0..self.trials.len() * Level::ALL.len() {
            let cells: Vec<String> = columns.iter().map(|(_, column)| column.cell(row)).collect();
            text += &(cells.join(",") + "\n");
        }
        text
    }

    /// The same rows as Parquet; returns the writer.
    ///
    /// # Errors
    ///
    /// The writer's, as [`EvalError::WriteGrid`].
    pub fn write_parquet<W: Write + Send>(&self, writer: W) -> Result<W, EvalError> {
        let write = || -> Result<W, Box<dyn std::error::Error + Send + Sync>> {
            let columns = self.columns().into_iter();
            let arrays = columns.map(|(name, column)| (name, column.into_array()));
            let batch = RecordBatch::try_from_iter(arrays)?;
            let mut parquet = ArrowWriter::try_new(writer, batch.schema(), None)?;
            parquet.write(&batch)?;
            Ok(parquet.into_inner()?)
        };
        write().map_err(|source| EvalError::WriteGrid { source })
    }

    fn columns(&self) -> Vec<(String, Column)> {
        let rows: Vec<(&GridTrial, Level)> = self
            .trials
            .iter()
            .flat_map(|trial| Level::ALL.into_iter().map(move |level| (trial, level)))
            .collect();
        let texts = |text: &dyn Fn(&GridTrial, Level) -> String| {
            Column::Text(rows.iter().map(|&(trial, level)| text(trial, level)).collect())
        };
        let counts = |count: &dyn Fn(&GridTrial, Level) -> Option<u64>| {
            Column::Count(rows.iter().map(|&(trial, level)| count(trial, level)).collect())
        };
        let numbers = |number: &dyn Fn(&GridTrial, Level) -> Option<f64>| {
            Column::Number(rows.iter().map(|&(trial, level)| number(trial, level)).collect())
        };
        let mut columns = vec![
            ("model".to_owned(), texts(&|trial, _| trial.point.model.clone())),
            ("split".to_owned(), texts(&|trial, _| trial.point.split.clone())),
            ("clip".to_owned(), texts(&|trial, _| trial.point.clip.clone())),
            ("clip_seconds".to_owned(), numbers(&|trial, _| Some(trial.point.clip_seconds))),
            ("seed".to_owned(), counts(&|trial, _| Some(trial.seed))),
            ("folds".to_owned(), counts(&|trial, _| trial.folds.map(|folds| folds as u64))),
            ("level".to_owned(), texts(&|_, level| level.key().to_owned())),
            ("count".to_owned(), counts(&|trial, level| Some(trial.scores(level).count))),
        ];
        for part in ["train", "validation", "test"] {
            let of =
                |trial: &GridTrial| trial.parts.iter().find(|counts| counts.part == part).cloned();
            columns.push((
                format!("{part}_songs"),
                counts(&|trial, _| of(trial).map(|counts| counts.songs)),
            ));
            columns.push((
                format!("{part}_clips"),
                counts(&|trial, _| of(trial).map(|counts| counts.clips)),
            ));
        }
        for name in SCORES {
            let of = |trial: &GridTrial, level: Level| -> Estimate {
                let scores = trial.scores(level);
                match name {
                    "weighted_f1" => scores.weighted_f1,
                    "macro_f1" => scores.macro_f1,
                    "accuracy" => scores.accuracy,
                    _ => scores.balanced_accuracy,
                }
            };
            let ends = [("", 0), ("_low", 1), ("_high", 2)];
            for (suffix, end) in ends {
                let column = numbers(&|trial, level| {
                    let Estimate { value, low, high } = of(trial, level);
                    [Some(value), low, high][end]
                });
                columns.push((format!("{name}{suffix}"), column));
            }
        }
        columns
    }
}

enum Column {
    Text(Vec<String>),
    Count(Vec<Option<u64>>),
    Number(Vec<Option<f64>>),
}

impl Column {
    fn cell(&self, row: usize) -> String {
        match self {
            Self::Text(texts) => quoted(&texts[row]),
            Self::Count(counts) => counts[row].map_or_else(String::new, |count| count.to_string()),
            Self::Number(numbers) => {
                numbers[row].map_or_else(String::new, |number| number.to_string())
            }
        }
    }

    fn into_array(self) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(StringArray::from_iter_values(texts)),
            Self::Count(counts) => Arc::new(UInt64Array::from(counts)),
            Self::Number(numbers) => Arc::new(Float64Array::from(numbers)),
        }
    }
}

/// As RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
