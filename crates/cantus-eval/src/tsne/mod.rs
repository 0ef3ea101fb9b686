//! t-SNE: a map on which what is near in many dimensions stays near.

mod affinities;
mod attraction;
mod descent;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod made_up;
mod neighbours;
mod pca;
mod points;
mod repulsion;

use std::ops::ControlFlow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use self::affinities::Affinities;
use self::descent::{Descent, Pace};
use self::neighbours::nearest;
use self::pca::principal_coordinates;
use self::points::Points;
use crate::error::EvalError;

/// The generator's stream for this purpose: the letters of "tsnestrt".
const STREAM: u64 = u64::from_be_bytes(*b"tsnestrt");
/// Standard deviation of the first coordinate at the start, as in scikit-learn and openTSNE.
const START_DEVIATION: f64 = 1e-4;
/// How far chance moves a point at the start: enough to part what is equal.
const START_NOISE: f64 = 1e-6;
/// The divergence is measured, and the caller told, after so many iterations.
const ITERATIONS_PER_REPORT: usize = 50;
/// The least learning rate, that of van der Maaten 2014.
const LEAST_LEARNING_RATE: f64 = 200.0;

/// How a map is made; the default's numbers are those of van der Maaten 2014 and of scikit-learn.
///
/// The divergence of the map from the points' affinities is minimised by gradient descent (van der
/// Maaten & Hinton 2008). Affinities are taken over the nearest 3 · perplexity neighbours, which are
/// found exactly. The repulsion of all pairs is exact for few points and goes by way of a mesh for
/// many, as in FIt-SNE (Linderman et al. 2019). The start is the plane of the first two principal
/// components (Kobak & Berens 2019).
///
/// The work is done in rayon's pool of the caller; the bits of the result do not depend on its size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsnePlan {
    /// How many neighbours a point has, in effect; at least 1. Of n points at most (n - 1) / 3, and
    /// larger ones are taken to be that.
    pub perplexity: f64,
    /// By what the attraction is multiplied at first, so that clusters form; at least 1.
    pub early_exaggeration: f64,
    /// For how many iterations it is, with the smaller momentum.
    pub early_iterations: usize,
    /// How many iterations come after that.
    pub iterations: usize,
    /// The learning rate of a gradient without its factor of 4, that is, four times scikit-learn's;
    /// or none for n / exaggeration (Belkina et al. 2019), which is larger once the exaggeration has
    /// ended, but at least 200.
    pub learning_rate: Option<f64>,
    /// Momentum of the early iterations, from 0 and below 1.
    pub early_momentum: f64,
    /// Momentum of the later ones.
    pub momentum: f64,
    /// Seed of the noise that parts equal points at the start.
    pub seed: u64,
}

impl Default for TsnePlan {
    /// Perplexity 30; 250 iterations with exaggeration 12 and momentum 0.5, then 750 with 0.8.
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            early_exaggeration: 12.0,
            early_iterations: 250,
            iterations: 750,
            learning_rate: None,
            early_momentum: 0.5,
            momentum: 0.8,
            seed: 0,
        }
    }
}

/// How far a map has come.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TsneProgress {
    /// Iterations done.
    pub iteration: usize,
    /// Of so many.
    pub iterations: usize,
    /// The Kullback-Leibler divergence of the map from the affinities, without exaggeration, in
    /// nats.
    pub kl_divergence: f64,
}

/// Points on a plane.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TsneMap {
    /// Where each point lies, in the order given; around 0.
    pub positions: Vec<[f32; 2]>,
    /// The Kullback-Leibler divergence of the map from the affinities, in nats.
    pub kl_divergence: f64,
    /// The perplexity used, smaller than the plan's if there are few points.
    pub perplexity: f64,
    /// Iterations done: fewer than planned if the caller stopped.
    pub iterations: usize,
}

impl TsnePlan {
    /// A map of `points`, one after another, `dimensions` numbers each.
    ///
    /// # Errors
    ///
    /// [`EvalError::TsnePlan`] if a setting is out of its range, [`EvalError::PointShape`] if the
    /// numbers make no whole points, [`EvalError::TooFewPoints`] under four points, and
    /// [`EvalError::NotFinite`].
    pub fn run(&self, points: &[f32], dimensions: usize) -> Result<TsneMap, EvalError> {
        self.run_observed(points, dimensions, |_| ControlFlow::Continue(()))
    }

    /// As [`run`](Self::run); every 50 iterations and at the end it calls `observe`, which may break
    /// off. Then the map is what there is so far.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_observed(
        &self,
        points: &[f32],
        dimensions: usize,
        mut observe: impl FnMut(TsneProgress) -> ControlFlow<()>,
    ) -> Result<TsneMap, EvalError> {
        self.check()?;
        let points = Points::new(points, dimensions)?;
        let perplexity = self.perplexity.min((points.len() - 1) as f64 / 3.0);
        let neighbours = nearest(&points, (3.0 * perplexity).round_ties_even() as usize);
        let affinities = Affinities::new(&neighbours, perplexity);
        drop(neighbours);
        let mut descent = Descent::new(&affinities, self.start(&points));

        let iterations = self.early_iterations + self.iterations;
        let mut map =
            TsneMap { positions: Vec::new(), kl_divergence: f64::NAN, perplexity, iterations: 0 };
        while map.iterations < iterations {
            descent.step(self.pace(map.iterations, points.len()));
            map.iterations += 1;
            let last = map.iterations == iterations;
            if last || map.iterations.is_multiple_of(ITERATIONS_PER_REPORT) {
                map.kl_divergence = descent.divergence();
                let progress = TsneProgress {
                    iteration: map.iterations,
                    iterations,
                    kl_divergence: map.kl_divergence,
                };
                if observe(progress).is_break() {
                    break;
                }
            }
        }
        if map.iterations == 0 {
            map.kl_divergence = descent.divergence();
        }
        map.positions = descent.positions().iter().map(|place| place.map(|x| x as f32)).collect();
        Ok(map)
    }

    fn check(&self) -> Result<(), EvalError> {
        let settings = [
            ("perplexity", self.perplexity, 1.0..f64::INFINITY),
            ("early_exaggeration", self.early_exaggeration, 1.0..f64::INFINITY),
            ("learning_rate", self.learning_rate.unwrap_or(1.0), f64::MIN_POSITIVE..f64::INFINITY),
            ("early_momentum", self.early_momentum, 0.0..1.0),
            ("momentum", self.momentum, 0.0..1.0),
        ];
        match settings.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((setting, value, _)) => Err(EvalError::TsnePlan { setting, value }),
            None => Ok(()),
        }
    }

    fn pace(&self, iteration: usize, points: usize) -> Pace {
        let (exaggeration, momentum) = if iteration < self.early_iterations {
            (self.early_exaggeration, self.early_momentum)
        } else {
            (1.0, self.momentum)
        };
        let automatic = (points as f64 / exaggeration).max(LEAST_LEARNING_RATE);
        Pace { exaggeration, momentum, learning_rate: self.learning_rate.unwrap_or(automatic) }
    }

    /// The principal components, small, and some noise.
    fn start(&self, points: &Points) -> Vec<[f64; 2]> {
        let mut positions = principal_coordinates(points);
        let squares: f64 = positions.iter().map(|position| position[0] * position[0]).sum();
        let deviation = (squares / positions.len() as f64).sqrt();
        let scale = if deviation > 0.0 { START_DEVIATION / deviation } else { 0.0 };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        let mut random = ChaCha8Rng::from_seed(key);
        random.set_stream(STREAM);
        for coordinate in positions.iter_mut().flatten() {
            let uniform = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            *coordinate = *coordinate * scale + (2.0 * uniform - 1.0) * START_NOISE;
        }
        positions
    }
}
