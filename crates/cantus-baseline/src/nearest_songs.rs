use serde::{Deserialize, Serialize};

use crate::{BaselineError, LabelledSongs, SongGaussian};

/// Settings of [`NearestSongs`]. With serde, missing fields take the defaults and unknown ones are
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NearestSongsConfig {
    /// How many songs vote; 1 by default, the nearest alone.
    pub neighbours: usize,
}

impl Default for NearestSongsConfig {
    fn default() -> Self {
        Self { neighbours: 1 }
    }
}

/// Who made a song, by the songs nearest to it: each of them votes for its artist.
#[derive(Debug, Clone, PartialEq)]
pub struct NearestSongs {
    songs: LabelledSongs,
    neighbours: usize,
}

impl NearestSongs {
    /// Keeps the songs; there is nothing to learn.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Setting`] if `neighbours` is 0 or more than there are songs.
    pub fn new(songs: LabelledSongs, config: &NearestSongsConfig) -> Result<Self, BaselineError> {
        let most = songs.songs().len();
        if !(1..=most).contains(&config.neighbours) {
            return Err(BaselineError::Setting {
                setting: "neighbours",
                value: config.neighbours.to_string(),
                expected: format!("1 to {most}, the number of songs"),
            });
        }
        Ok(Self { songs, neighbours: config.neighbours })
    }

    /// The songs that vote.
    pub fn songs(&self) -> &LabelledSongs {
        &self.songs
    }

    /// Each class's share of the votes of the nearest songs. Between classes of as many votes, the
    /// one whose voters lie nearer gets more: a class's votes count 1 each and together up to a
    /// half more, by its part in the distances of all voters, the more the smaller that is. So the
    /// largest share is that of the majority, ties broken by distance.
    ///
    /// Shares are probabilities in form and not calibrated: with one neighbour, one of them is 1.
    /// Of songs equally far, the one that was given first votes.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Width`] if the song has another number of coefficients than those known.
    pub fn probabilities(&self, song: &SongGaussian) -> Result<Vec<f64>, BaselineError> {
        Ok(self.vote(&self.songs.distances(song)?, None))
    }

    /// [`probabilities`](Self::probabilities) of each known song by all others: how well the songs
    /// predict each other. A song at index `i` of [`LabelledSongs::songs`] has row `i`.
    pub fn leave_one_out(&self) -> Vec<Vec<f64>> {
        let distances = self.songs.all_distances();
        let rows = distances.chunks_exact(self.songs.songs().len());
        rows.enumerate().map(|(song, distances)| self.vote(distances, Some(song))).collect()
    }

    fn vote(&self, distances: &[f64], without: Option<usize>) -> Vec<f64> {
        let mut order: Vec<usize> =
            (0..distances.len()).filter(|&song| Some(song) != without).collect();
        // By index where distances are equal, so that nothing depends on the sort.
        order.sort_unstable_by(|&a, &b| distances[a].total_cmp(&distances[b]).then(a.cmp(&b)));
        order.truncate(self.neighbours);

        let mut votes = vec![0.0; self.songs.n_classes()];
        let mut of_class = vec![0.0; self.songs.n_classes()];
        for &song in &order {
            let class = self.songs.classes()[song];
            votes[class] += 1.0;
            of_class[class] += distances[song];
        }
        let all: f64 = of_class.iter().sum();
        let mut sum = 0.0;
        for (votes, of_class) in votes.iter_mut().zip(of_class) {
            if *votes > 0.0 {
                *votes += 0.5 * if all > 0.0 { 1.0 - of_class / all } else { 1.0 };
            }
            sum += *votes;
        }
        for votes in &mut votes {
            *votes /= sum;
        }
        votes
    }
}
