//! What a network said of the clips of a recording, and what that comes to.

/// A clip votes when its largest probability lies above this.
const CONFIDENT: f32 = 0.5;

/// Who made a recording, as far as a model can tell: one of the artists that it was trained on,
/// whoever it is in truth.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Identification {
    /// Every artist of the model, the most probable first; of equals, the first of the labels.
    pub ranking: Vec<RankedArtist>,
    /// The artist by the vote of the clips, as the paper's code counts.
    pub vote: SongVote,
    /// The timeline: each clip in order, without overlap; at least one.
    pub clips: Vec<IdentifiedClip>,
    /// Length of each clip.
    pub clip_seconds: f64,
    /// Where in the recording the part that was heard starts: above 0 for an excerpt from its middle.
    pub start_seconds: f64,
    /// How much of the recording was heard, a last piece shorter than a clip included.
    pub seconds: f64,
    /// What of the recording could not be decoded, in words; `None` where all could.
    pub damage: Option<String>,
    /// How unlike every artist of the model the recording is.
    pub stranger: Stranger,
}

/// How unlike every artist of a model a recording is: whether a stranger may have made it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Stranger {
    /// From 0, surely one of the artists, up: see [`stranger_score`].
    pub score: f32,
    /// What the score means; `None` for a model that was not calibrated, of which the bare score says
    /// little.
    pub odds: Option<StrangerOdds>,
}

/// Shares of songs that no training heard, measured with models like this one that were trained without
/// some of the artists.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StrangerOdds {
    /// Of songs by artists that the model knew, how many score as much or more: the false alarms, if
    /// such a recording is called a stranger's.
    pub false_alarms: f64,
    /// Of songs by artists that it did not know, how many do: the strangers that are found so.
    pub found: f64,
}

/// The name of [`stranger_score`] in a model file that was calibrated by it.
pub const STRANGER_MEASURE: &str = "embedding length";

/// How unlike all artists music is, from the embedding of each of its clips: 1 less the mean of their
/// lengths, as shares of the longest that there can be.
///
/// The numbers of an embedding are states of a recurrent layer, from -1 to 1. Training drives those of
/// what it hears far from 0, and what it never heard drives them less: unknown classes show by short
/// features (Dhamija et al., NeurIPS 2018) more than by low probabilities.
pub fn stranger_score<'a>(embeddings: impl IntoIterator<Item = &'a [f32]>) -> f32 {
    let (mut sum, mut clips) = (0.0, 0_usize);
    for embedding in embeddings {
        let squares: f64 = embedding.iter().map(|&number| f64::from(number).powi(2)).sum();
        sum += (squares / embedding.len().max(1) as f64).sqrt();
        clips += 1;
    }
    (1.0 - sum / clips.max(1) as f64).clamp(0.0, 1.0) as f32
}

/// One artist's place among all.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RankedArtist {
    /// The artist's name.
    pub artist: String,
    /// Its index in [`Identifier::labels`](crate::Identifier::labels).
    pub class: usize,
    /// Mean probability over all clips; those of all artists add up to 1.
    pub probability: f64,
    /// Clips that voted for it.
    pub votes: usize,
}

/// The vote of the clips: each whose largest probability is above 0.5 votes for that artist, or all
/// do if none is that sure. Most votes win, of equals the first of the labels.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SongVote {
    /// The artist's name.
    pub artist: String,
    /// Its index in [`Identifier::labels`](crate::Identifier::labels).
    pub class: usize,
    /// Clips that voted for it.
    pub votes: usize,
    /// Clips that voted.
    pub voters: usize,
    /// Clips that were sure enough to vote by themselves; 0 means that all voted.
    pub confident_clips: usize,
}

impl Identification {
    /// The mean of the clips' [embeddings](IdentifiedClip::embedding): what the network makes of
    /// the recording as a whole, to be compared with the means of other recordings by the same model.
    pub fn mean_embedding(&self) -> Vec<f32> {
        let width = self.clips.first().map_or(0, |clip| clip.embedding.len());
        let mut sums = vec![0.0_f64; width];
        for clip in &self.clips {
            for (sum, &number) in sums.iter_mut().zip(&clip.embedding) {
                *sum += f64::from(number);
            }
        }
        sums.into_iter().map(|sum| (sum / self.clips.len() as f64) as f32).collect()
    }
}

/// What the network says of one clip.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IdentifiedClip {
    /// Where in the recording the clip starts.
    pub start_seconds: f64,
    /// The probability of each artist, in the order of
    /// [`Identifier::labels`](crate::Identifier::labels).
    pub probabilities: Vec<f32>,
    /// The bottleneck: the numbers before the network's last layer, its last recurrent state. They mean
    /// something only beside others of the same model.
    pub embedding: Vec<f32>,
}

impl IdentifiedClip {
    /// The class with the largest probability, the first of equals.
    pub fn class(&self) -> usize {
        first_largest(&self.probabilities)
    }
}

/// The artists by mean probability and by vote, of at least one clip.
pub(crate) fn sum_up(labels: &[String], clips: &[IdentifiedClip]) -> (Vec<RankedArtist>, SongVote) {
    let classes = labels.len();
    let confident_clips = clips.iter().filter(|clip| is_confident(clip)).count();
    let (mut votes, mut means) = (vec![0_usize; classes], vec![0.0; classes]);
    for clip in clips {
        if confident_clips == 0 || is_confident(clip) {
            votes[clip.class()] += 1;
        }
        for (mean, &probability) in means.iter_mut().zip(&clip.probabilities) {
            *mean += f64::from(probability);
        }
    }
    let winner = first_largest(&votes);
    let vote = SongVote {
        artist: labels[winner].clone(),
        class: winner,
        votes: votes[winner],
        voters: votes.iter().sum(),
        confident_clips,
    };
    let mut ranking: Vec<RankedArtist> = labels
        .iter()
        .enumerate()
        .map(|(class, artist)| RankedArtist {
            artist: artist.clone(),
            class,
            probability: means[class] / clips.len().max(1) as f64,
            votes: votes[class],
        })
        .collect();
    // Stable: equals stay in the order of the labels.
    ranking.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    (ranking, vote)
}

fn is_confident(clip: &IdentifiedClip) -> bool {
    clip.probabilities.iter().any(|&probability| probability > CONFIDENT)
}

/// The first of the largest values, as numpy's `argmax` gives it; 0 of none.
fn first_largest<T: PartialOrd + Copy>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rows: &[[f32; 3]]) -> (Vec<RankedArtist>, SongVote) {
        let labels = ["Alto", "Basso", "Canto"].map(str::to_owned);
        let clips: Vec<IdentifiedClip> = rows
            .iter()
            .map(|row| IdentifiedClip {
                start_seconds: 0.0,
                probabilities: row.to_vec(),
                embedding: Vec::new(),
            })
            .collect();
        sum_up(&labels, &clips)
    }

    #[test]
    fn clips_that_are_not_sure_do_not_vote_where_one_is() {
        let (_, vote) = told(&[[0.4, 0.3, 0.3], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]);
        assert_eq!((vote.artist.as_str(), vote.votes, vote.voters), ("Canto", 1, 1));
        assert_eq!(vote.confident_clips, 1);
    }

    #[test]
    fn all_clips_vote_where_none_is_sure_and_the_first_of_equals_wins() {
        let (_, vote) = told(&[[0.3, 0.4, 0.3], [0.5, 0.25, 0.25]]);
        assert_eq!((vote.class, vote.votes, vote.voters), (0, 1, 2));
        assert_eq!(vote.confident_clips, 0);
    }

    #[test]
    fn the_ranking_is_by_mean_probability_whatever_the_vote() {
        let (ranking, vote) = told(&[[0.51, 0.49, 0.0], [0.51, 0.49, 0.0], [0.0, 1.0, 0.0]]);
        assert_eq!(vote.artist, "Alto");
        let names: Vec<&str> = ranking.iter().map(|ranked| ranked.artist.as_str()).collect();
        assert_eq!(names, ["Basso", "Alto", "Canto"]);
        assert!((ranking[0].probability - 0.66).abs() < 1e-7);
        assert_eq!([1, 2, 0], [ranking[0].votes, ranking[1].votes, ranking[2].votes]);
    }

    #[test]
    fn artists_of_equal_probability_keep_the_order_of_the_labels() {
        let (ranking, _) = told(&[[0.25, 0.5, 0.25]]);
        let classes: Vec<usize> = ranking.iter().map(|ranked| ranked.class).collect();
        assert_eq!(classes, [1, 0, 2]);
    }
}
