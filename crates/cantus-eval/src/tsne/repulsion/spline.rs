//! The quintic B-spline: how a point is shared out among the nodes of a mesh, and how a field on
//! the nodes is read between them.

/// Nodes along an axis that a point touches.
pub(super) const SUPPORT: usize = 6;
/// Of these, so many lie below the node at or under the point.
pub(super) const BELOW: usize = 2;

/// The spline's values, or its slopes, at the nodes around a point.
pub(super) type Weights = [f64; SUPPORT];

/// Values and slopes for a point `fraction` (0 to 1) of the spacing above a node.
///
/// The recursion is that of Essmann et al. 1995 (smooth particle mesh Ewald), equation 4.1.
#[inline]
pub(super) fn weights(fraction: f64) -> (Weights, Weights) {
    let mut values = [0.0; SUPPORT];
    values[0] = 1.0 - fraction;
    values[1] = fraction;
    let mut slopes = [0.0; SUPPORT];
    for order in 3..=SUPPORT {
        if order == SUPPORT {
            slopes[0] = -values[0];
            for node in 1..SUPPORT {
                slopes[node] = values[node - 1] - values[node];
            }
        }
        let share = 1.0 / (order - 1) as f64;
        values[order - 1] = share * fraction * values[order - 2];
        for node in (1..order - 1).rev() {
            let rising = fraction + (order - 1 - node) as f64;
            let falling = (node + 1) as f64 - fraction;
            values[node] = share * (rising * values[node - 1] + falling * values[node]);
        }
        values[0] *= share * (1.0 - fraction);
    }
    (values, slopes)
}

/// The Fourier transform of the spline's values at whole numbers, at `angle` (0 to 2π).
///
/// A field made of splines goes through given values at the nodes if its coefficients are the
/// values divided by this; it is never below 2/15.
pub(super) fn transform(angle: f64) -> f64 {
    (66.0 + 52.0 * angle.cos() + 2.0 * (2.0 * angle).cos()) / 120.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_node_the_values_are_1_26_66_26_1_of_120() {
        let (values, _) = weights(0.0);
        let expected = [1.0, 26.0, 66.0, 26.0, 1.0, 0.0];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value * 120.0 - expected).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn values_add_up_to_one_and_slopes_are_their_derivatives() {
        for step in 1..50 {
            let (at, width) = (f64::from(step) / 50.0, 1e-6);
            let (values, slopes) = weights(at);
            assert!((values.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            let (after, before) = (weights(at + width).0, weights(at - width).0);
            for node in 0..SUPPORT {
                let difference = (after[node] - before[node]) / (2.0 * width);
                assert!((slopes[node] - difference).abs() < 1e-9, "node {node} at {at}");
            }
        }
    }

    #[test]
    fn the_transform_is_that_of_the_values_at_nodes() {
        let (values, _) = weights(0.0);
        for angle in [0.0, 0.3, 1.7, std::f64::consts::PI, 5.0] {
            let sum: f64 = values
                .iter()
                .enumerate()
                .map(|(node, value)| value * ((node as f64 - BELOW as f64) * angle).cos())
                .sum();
            assert!((transform(angle) - sum).abs() < 1e-14, "{angle}");
        }
    }
}
