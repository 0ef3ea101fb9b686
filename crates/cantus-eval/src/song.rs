//! From clips to songs: the vote of the original and the mean probability.

use serde::{Deserialize, Serialize};

use crate::predictions::{Predictions, argmax};

/// A clip votes when its largest probability lies **above** this.
const CONFIDENT: f32 = 0.5;

/// What the clips of one song say together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SongPrediction {
    /// The song's id: its path under the corpus, `/`-separated.
    pub song_id: String,
    /// Index of the true class.
    pub truth: usize,
    /// Number of clips.
    pub clips: usize,
    /// Number of clips that were sure enough to vote; 0 means that all voted.
    pub confident_clips: usize,
    /// The class with the most votes, as the original counts them ([`original_vote`]).
    pub vote: usize,
    /// Share of the voting clips that voted for [`vote`](Self::vote), 0 to 1.
    pub vote_share: f64,
    /// The class with the largest mean probability over all clips; of equals the smallest.
    pub mean: usize,
    /// The mean probability of each class over all clips.
    pub mean_probabilities: Vec<f64>,
}

/// Predictions of songs from those of their clips, in the order of the song ids.
///
/// Songs are told apart by id, so songs of one name on two albums stay two songs.
pub fn song_votes(predictions: &Predictions) -> Vec<SongPrediction> {
    let classes = predictions.labels().len();
    predictions
        .songs()
        .map(|clips| {
            let rows: Vec<&[f32]> = clips.iter().map(|c| c.probabilities.as_slice()).collect();
            let (votes, confident_clips) = count_votes(&rows, classes);
            let vote = argmax(&votes);
            let voters: usize = votes.iter().sum();
            let mut mean_probabilities = vec![0.0; classes];
            for row in &rows {
                for (sum, &probability) in mean_probabilities.iter_mut().zip(*row) {
                    *sum += f64::from(probability);
                }
            }
            for sum in &mut mean_probabilities {
                *sum /= rows.len() as f64;
            }
            SongPrediction {
                song_id: clips[0].song_id.clone(),
                truth: clips[0].truth,
                clips: clips.len(),
                confident_clips,
                vote,
                vote_share: votes[vote] as f64 / voters as f64,
                mean: argmax(&mean_probabilities),
                mean_probabilities,
            }
        })
        .collect()
}

/// The class that the clips of a song vote for, as the original counts; `None` without clips.
///
/// `clips` holds one row of class probabilities a clip, rows of equal length. Each clip whose
/// largest probability is above 0.5 votes for that class (the first of equals); if no clip is that
/// sure, all vote. The class with the most votes wins, of equals the smallest.
pub fn original_vote(clips: &[&[f32]]) -> Option<usize> {
    let classes = clips.iter().map(|row| row.len()).max().filter(|&classes| classes > 0)?;
    Some(argmax(&count_votes(clips, classes).0))
}

/// Votes for each class, and how many clips were sure enough to vote by themselves.
fn count_votes(clips: &[&[f32]], classes: usize) -> (Vec<usize>, usize) {
    let choices: Vec<(usize, bool)> = clips
        .iter()
        .filter(|row| !row.is_empty())
        .map(|row| {
            let choice = argmax(row);
            (choice, row[choice] > CONFIDENT)
        })
        .collect();
    let confident_clips = choices.iter().filter(|(_, confident)| *confident).count();
    let mut votes = vec![0; classes];
    for (choice, confident) in choices {
        if confident || confident_clips == 0 {
            votes[choice] += 1;
        }
    }
    (votes, confident_clips)
}
