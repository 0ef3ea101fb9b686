use serde::{Deserialize, Serialize};

use crate::CrnnError;

/// More scores than this are thinned: they are shares of a whole, which a thousand tell well enough.
const MOST_SCORES: usize = 1_000;

/// How unlike all its artists a model finds songs by artists that it knows, and by others: scores from 0
/// to 1, of songs that no training heard.
///
/// What the scores are made of is for those to say who measure and who ask, and so they have a name; this
/// crate keeps them beside the weights that they are about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSet {
    known: Vec<f32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    measure: String,
    unknown: Vec<f32>,
}

impl OpenSet {
    /// Takes scores of what `measure` names of songs by known and by unknown artists, in any order. Of more than a thousand it
    /// keeps as many, evenly spread over their ranks.
    ///
    /// # Errors
    /// [`CrnnError::OpenSet`] where there are no scores of a kind, or one lies outside 0 to 1.
    pub fn new(
        measure: impl Into<String>,
        known: Vec<f32>,
        unknown: Vec<f32>,
    ) -> Result<Self, CrnnError> {
        let measure = measure.into();
        let open_set = Self { known: thinned(known), measure, unknown: thinned(unknown) };
        open_set.check()?;
        Ok(open_set)
    }

    /// What was measured, by the name that who measured gave it; empty in files of version 3.
    pub fn measure(&self) -> &str {
        &self.measure
    }

    /// Scores of songs by known artists, ascending.
    pub fn known(&self) -> &[f32] {
        &self.known
    }

    /// Scores of songs by unknown artists, ascending.
    pub fn unknown(&self) -> &[f32] {
        &self.unknown
    }

    /// The share of songs by known artists that score as much or more: false alarms, if so much were
    /// called unknown.
    pub fn known_from(&self, score: f32) -> f64 {
        share_from(&self.known, score)
    }

    /// The share of songs by unknown artists that score as much or more: those found, if so much were
    /// called unknown.
    pub fn unknown_from(&self, score: f32) -> f64 {
        share_from(&self.unknown, score)
    }

    pub(crate) fn check(&self) -> Result<(), CrnnError> {
        for (kind, scores) in [("known", &self.known), ("unknown", &self.unknown)] {
            let problem = if scores.is_empty() {
                "there are none"
            } else if scores.len() > MOST_SCORES {
                "there are more than 1000"
            } else if !scores.iter().all(|score| (0.0..=1.0).contains(score)) {
                "one lies outside 0 to 1"
            } else if !scores.is_sorted() {
                "they are not in order"
            } else {
                continue;
            };
            let problem = format!("scores of songs by {kind} artists: {problem}");
            return Err(CrnnError::OpenSet { problem });
        }
        Ok(())
    }
}

/// In order; of too many, as many as there may be, from the middles of equal parts.
fn thinned(mut scores: Vec<f32>) -> Vec<f32> {
    scores.sort_by(f32::total_cmp);
    let there = scores.len();
    if there <= MOST_SCORES {
        return scores;
    }
    (0..MOST_SCORES).map(|place| scores[(2 * place + 1) * there / (2 * MOST_SCORES)]).collect()
}

fn share_from(ascending: &[f32], score: f32) -> f64 {
    let below = ascending.partition_point(|&other| other < score);
    (ascending.len() - below) as f64 / ascending.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_scores_from_the_one_asked_about() {
        let open_set = OpenSet::new("m", vec![0.5, 0.1, 0.3, 0.2], vec![0.9, 0.3]).unwrap();
        assert_eq!(open_set.known(), [0.1, 0.2, 0.3, 0.5]);
        let shares = |score| (open_set.known_from(score), open_set.unknown_from(score));
        assert_eq!(shares(0.3), (0.5, 1.0));
        assert_eq!(shares(0.31), (0.25, 0.5));
        assert_eq!(shares(0.0), (1.0, 1.0));
        assert_eq!(shares(1.0), (0.0, 0.0));
    }

    #[test]
    fn of_many_scores_a_thousand_keep_the_shares() {
        let many: Vec<f32> = (0..12_345).rev().map(|at| at as f32 / 12_345.0).collect();
        let open_set = OpenSet::new("m", many, vec![1.0]).unwrap();
        assert_eq!(open_set.known().len(), MOST_SCORES);
        for at in 0..=100 {
            let score = at as f32 / 100.0;
            assert!(
                (open_set.known_from(score) - f64::from(1.0 - score)).abs() < 1.5e-3,
                "{score}"
            );
        }
    }

    #[test]
    fn scores_that_are_none_are_refused() {
        for (known, unknown, said) in [
            (vec![], vec![0.5], "by known artists: there are none"),
            (vec![0.5], vec![], "by unknown artists: there are none"),
            (vec![0.5], vec![1.5], "by unknown artists: one lies outside"),
            (vec![f32::NAN], vec![0.5], "by known artists: one lies outside"),
        ] {
            let error = OpenSet::new("m", known, unknown).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
