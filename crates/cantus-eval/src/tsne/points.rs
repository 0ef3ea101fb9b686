//! The points as given, checked, around their mean, and of a size at which nothing overflows.

use crate::error::EvalError;

/// Points around 0, the largest number 1.
///
/// A map of t-SNE does not depend on where its points lie or on their unit, for the bandwidths
/// follow the distances; so squares of even the largest numbers stay finite.
pub(super) struct Points {
    numbers: Vec<f32>,
    dimensions: usize,
}

impl Points {
    /// Fewer make no map: each point needs three neighbours.
    pub(super) const FEWEST: usize = 4;

    /// Checks `numbers`, one point after another, `dimensions` numbers each.
    pub(super) fn new(numbers: &[f32], dimensions: usize) -> Result<Self, EvalError> {
        if dimensions == 0 || !numbers.len().is_multiple_of(dimensions) {
            return Err(EvalError::PointShape { numbers: numbers.len(), dimensions });
        }
        let found = numbers.len() / dimensions;
        if found < Self::FEWEST {
            return Err(EvalError::TooFewPoints { found, fewest: Self::FEWEST });
        }
        // An index is 32 bits wide among the neighbours.
        if found > u32::MAX as usize {
            return Err(EvalError::PointShape { numbers: numbers.len(), dimensions });
        }
        if let Some(position) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(EvalError::NotFinite { point: position / dimensions });
        }
        let mut means = vec![0.0_f64; dimensions];
        for point in numbers.chunks_exact(dimensions) {
            for (mean, &number) in means.iter_mut().zip(point) {
                *mean += f64::from(number) / found as f64;
            }
        }
        let centred = || numbers.iter().zip(means.iter().cycle()).map(|(&x, m)| f64::from(x) - m);
        let largest = centred().fold(0.0, |largest: f64, number| largest.max(number.abs()));
        let unit = if largest > 0.0 { largest } else { 1.0 };
        Ok(Self { numbers: centred().map(|number| (number / unit) as f32).collect(), dimensions })
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len() / self.dimensions
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn row(&self, point: usize) -> &[f32] {
        &self.numbers[point * self.dimensions..][..self.dimensions]
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers.chunks_exact(self.dimensions)
    }
}
