use serde::{Deserialize, Serialize};

use crate::smo::{self, Border};
use crate::{BaselineError, LabelledSongs, SongGaussian, checks};

/// Settings of [`SongVectorMachine`]. With serde, missing fields take the defaults and unknown ones
/// are refused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SongVectorMachineConfig {
    /// What a training song inside the margin costs; above 0. 10 by default.
    pub cost: f64,
    /// The kernel is `exp(-gamma * symmetric divergence)`; above 0. `None`, the default, is 1 over
    /// the median divergence between two training songs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// How far the conditions of the optimum may be missed; 1e-3, as LIBSVM.
    pub tolerance: f64,
}

impl Default for SongVectorMachineConfig {
    fn default() -> Self {
        Self { cost: 10.0, gamma: None, tolerance: 1e-3 }
    }
}

/// Who made a song, by support vector machines on `exp(-gamma * symmetric divergence)`: one for
/// each two artists, each of which votes. The classifier of Mandel & Ellis (ISMIR 2005).
///
/// They run the machines along a directed graph that asks one fewer than there are classes; here
/// all vote, as in LIBSVM and scikit-learn's `SVC(kernel="precomputed")`, since a network's scores
/// are computed from a number for every class.
#[derive(Debug, Clone, PartialEq)]
pub struct SongVectorMachine {
    songs: LabelledSongs,
    gamma: f64,
    pairs: Vec<Pair>,
}

/// The border between two classes, above 0 on the side of the lower.
#[derive(Debug, Clone, PartialEq)]
struct Pair {
    lower: usize,
    higher: usize,
    /// Song and coefficient.
    support: Vec<(usize, f64)>,
    bias: f64,
}

impl SongVectorMachine {
    /// Trains a machine for each two classes, in one thread.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Setting`] for settings that are not positive, or a median divergence of 0
    /// (most songs are the same) without a `gamma`, [`BaselineError::NoConvergence`].
    pub fn fit(
        songs: LabelledSongs,
        config: &SongVectorMachineConfig,
    ) -> Result<Self, BaselineError> {
        let SongVectorMachineConfig { cost, gamma, tolerance } = *config;
        checks::positive("cost", cost)?;
        checks::positive("tolerance", tolerance)?;
        let (count, distances) = (songs.songs().len(), songs.all_distances());
        let gamma = gamma.unwrap_or_else(|| 1.0 / median_distance(&distances, count));
        checks::positive("gamma", gamma)?;

        let mut of_class = vec![Vec::new(); songs.n_classes()];
        for (song, &class) in songs.classes().iter().enumerate() {
            of_class[class].push(song);
        }
        let mut pairs = Vec::new();
        for (lower, of_lower) in of_class.iter().enumerate() {
            for (higher, of_higher) in of_class.iter().enumerate().skip(lower + 1) {
                let members = [&of_lower[..], of_higher].concat();
                let kernel: Vec<f64> = members
                    .iter()
                    .flat_map(|i| members.iter().map(move |j| i * count + j))
                    .map(|index| (-gamma * distances[index]).exp())
                    .collect();
                let labels: Vec<f64> = (0..members.len())
                    .map(|member| if member < of_lower.len() { 1.0 } else { -1.0 })
                    .collect();
                let steps = 100_000_usize.max(1000 * members.len());
                let Some(Border { coefficients, bias }) =
                    smo::train(&kernel, &labels, cost, tolerance, steps)
                else {
                    return Err(BaselineError::NoConvergence {
                        first: lower,
                        second: higher,
                        steps,
                    });
                };
                let support = members
                    .into_iter()
                    .zip(coefficients)
                    .filter(|(_, coefficient)| *coefficient != 0.0)
                    .collect();
                pairs.push(Pair { lower, higher, support, bias });
            }
        }
        Ok(Self { songs, gamma, pairs })
    }

    /// The factor of the divergence in the kernel, as set or found.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// What each machine says of a song, in scikit-learn's order of pairs (0 and 1, 0 and 2, ...,
    /// 1 and 2, ...): above 0 for the lower class, beyond 1 or -1 outside of the margin.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Width`] if the song has another number of coefficients than those trained
    /// on.
    pub fn decisions(&self, song: &SongGaussian) -> Result<Vec<f64>, BaselineError> {
        let mut kernel = self.songs.distances(song)?;
        for value in &mut kernel {
            *value = (-self.gamma * *value).exp();
        }
        let decision = |pair: &Pair| {
            let parts = pair.support.iter().map(|&(song, coefficient)| coefficient * kernel[song]);
            pair.bias + parts.sum::<f64>()
        };
        Ok(self.pairs.iter().map(decision).collect())
    }

    /// Each class's share of the machines' votes, between classes of as many votes more to the one
    /// with the larger [decisions](Self::decisions): scikit-learn's
    /// `decision_function_shape="ovr"`, raised by a third (above 0, that is) and divided by the
    /// sum. The largest is the predicted class.
    ///
    /// Shares are probabilities in form and not calibrated: even a class that wins every vote gets
    /// no more than about 2 over the number of classes.
    ///
    /// # Errors
    ///
    /// As [`decisions`](Self::decisions).
    pub fn probabilities(&self, song: &SongGaussian) -> Result<Vec<f64>, BaselineError> {
        let decisions = self.decisions(song)?;
        let mut votes = vec![0.0; self.songs.n_classes()];
        let mut confidences = vec![0.0; self.songs.n_classes()];
        for (pair, decision) in self.pairs.iter().zip(decisions) {
            votes[if decision >= 0.0 { pair.lower } else { pair.higher }] += 1.0;
            confidences[pair.lower] += decision;
            confidences[pair.higher] -= decision;
        }
        let mut sum = 0.0;
        for (votes, confidence) in votes.iter_mut().zip(confidences) {
            *votes += (1.0 + confidence / (f64::abs(confidence) + 1.0)) / 3.0;
            sum += *votes;
        }
        for votes in &mut votes {
            *votes /= sum;
        }
        Ok(votes)
    }
}

/// The upper of the middle two, of an even number.
fn median_distance(distances: &[f64], songs: usize) -> f64 {
    let mut of_pairs: Vec<f64> =
        (0..songs).flat_map(|i| distances[i * songs..][..i].iter().copied()).collect();
    let middle = of_pairs.len() / 2;
    *of_pairs.select_nth_unstable_by(middle, f64::total_cmp).1
}
