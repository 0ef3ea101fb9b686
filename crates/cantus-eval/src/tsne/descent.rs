//! The way down: gradient descent with momentum and a gain for every coordinate, as in van der
//! Maaten's own programs.

use rayon::prelude::*;

use super::affinities::Affinities;
use super::attraction::{attraction, divergence};
use super::repulsion::Repulsion;

/// What a gain grows by while a coordinate keeps its direction.
const GAIN_STEP: f64 = 0.2;
/// What it shrinks by where the coordinate turns.
const GAIN_DECAY: f64 = 0.8;
const SMALLEST_GAIN: f64 = 0.01;
/// A point moves no farther than this at once, as in openTSNE.
const LONGEST_STEP: f64 = 5.0;
/// Points of a task: enough to be worth one.
const TASK: usize = 1024;

/// How an iteration goes.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) exaggeration: f64,
    pub(super) momentum: f64,
    pub(super) learning_rate: f64,
}

/// A map on its way.
pub(super) struct Descent<'a> {
    affinities: &'a Affinities,
    repulsion: Repulsion,
    positions: Vec<[f64; 2]>,
    velocities: Vec<[f64; 2]>,
    gains: Vec<[f64; 2]>,
    attractions: Vec<[f64; 2]>,
    repulsions: Vec<[f64; 2]>,
}

impl<'a> Descent<'a> {
    pub(super) fn new(affinities: &'a Affinities, positions: Vec<[f64; 2]>) -> Self {
        let points = positions.len();
        Self {
            affinities,
            repulsion: Repulsion::for_points(points),
            positions,
            velocities: vec![[0.0; 2]; points],
            gains: vec![[1.0; 2]; points],
            attractions: vec![[0.0; 2]; points],
            repulsions: vec![[0.0; 2]; points],
        }
    }

    pub(super) fn positions(&self) -> &[[f64; 2]] {
        &self.positions
    }

    /// One step, after which the map is around 0 again.
    ///
    /// The gradient is taken without its factor of 4, as in van der Maaten's programs and openTSNE:
    /// their learning rates are meant so.
    pub(super) fn step(&mut self, pace: Pace) {
        attraction(self.affinities, &self.positions, &mut self.attractions);
        let normaliser = self.repulsion.forces(&self.positions, &mut self.repulsions);
        self.positions
            .par_iter_mut()
            .zip(&mut self.velocities)
            .zip(&mut self.gains)
            .zip(self.attractions.par_iter().zip(&self.repulsions))
            .with_min_len(TASK)
            .for_each(|(((position, velocity), gains), (attraction, repulsion))| {
                for axis in 0..2 {
                    let gradient =
                        pace.exaggeration * attraction[axis] - repulsion[axis] / normaliser;
                    let keeps_on = gradient * velocity[axis] < 0.0;
                    let gain = &mut gains[axis];
                    *gain = if keeps_on { *gain + GAIN_STEP } else { *gain * GAIN_DECAY };
                    *gain = gain.max(SMALLEST_GAIN);
                    velocity[axis] =
                        pace.momentum * velocity[axis] - pace.learning_rate * *gain * gradient;
                }
                let length = velocity[0].hypot(velocity[1]);
                if length > LONGEST_STEP {
                    *velocity = velocity.map(|number| number * LONGEST_STEP / length);
                }
                *position = [position[0] + velocity[0], position[1] + velocity[1]];
            });
        self.centre();
    }

    fn centre(&mut self) {
        let points = self.positions.len() as f64;
        let mean = self.positions.iter().fold([0.0; 2], |sum: [f64; 2], position| {
            [sum[0] + position[0] / points, sum[1] + position[1] / points]
        });
        for position in &mut self.positions {
            *position = [position[0] - mean[0], position[1] - mean[1]];
        }
    }

    /// The divergence of the map as it stands.
    pub(super) fn divergence(&mut self) -> f64 {
        let normaliser = self.repulsion.forces(&self.positions, &mut self.repulsions);
        divergence(self.affinities, &self.positions, normaliser)
    }
}
