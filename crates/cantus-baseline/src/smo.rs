/// Stands in for a curvature that is not positive, as in LIBSVM.
const LEAST_CURVATURE: f64 = 1e-12;

/// A border between two sets: `sum(coefficients[i] kernel(i, x)) + bias` is above 0 on the side of
/// those labelled 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Border {
    /// Label times dual variable of each example; 0 of those that do not support the border.
    pub(crate) coefficients: Vec<f64>,
    pub(crate) bias: f64,
}

/// Trains a support vector machine with cost `cost` on examples labelled 1 and -1, both of which
/// occur, by sequential minimal optimisation; `kernel[i * n + j]` is symmetric. Ends when no pair
/// violates the optimum's conditions by more than `tolerance`, or with `None` after `most_steps`.
///
/// The working set is chosen by second-order information (Fan, Chen & Lin 2005), as in LIBSVM, and
/// so is the bias: the mean over the examples on the margin, else the middle of what is allowed.
pub(crate) fn train(
    kernel: &[f64],
    labels: &[f64],
    cost: f64,
    tolerance: f64,
    most_steps: usize,
) -> Option<Border> {
    let n = labels.len();
    let mut alphas = vec![0.0_f64; n];
    // Of half alpha'Q alpha - sum(alpha), where Q is the kernel times both labels.
    let mut gradient = vec![-1.0_f64; n];
    for _ in 0..most_steps {
        let Some((i, j)) = working_set(kernel, labels, &alphas, &gradient, cost, tolerance) else {
            return Some(border(labels, &alphas, &gradient, cost));
        };
        let (before_i, before_j) = (alphas[i], alphas[j]);
        let curvature =
            (kernel[i * n + i] + kernel[j * n + j] - 2.0 * kernel[i * n + j]).max(LEAST_CURVATURE);
        // The step along which both move by as much, alpha_i with its label, alpha_j against it.
        let step = (labels[j] * gradient[j] - labels[i] * gradient[i]) / curvature;
        let step = step.min(room(labels[i], before_i, cost)).min(room(-labels[j], before_j, cost));
        alphas[i] = moved(before_i, labels[i] * step, cost);
        alphas[j] = moved(before_j, -labels[j] * step, cost);
        let (change_i, change_j) =
            (labels[i] * (alphas[i] - before_i), labels[j] * (alphas[j] - before_j));
        let (of_i, of_j) = (&kernel[i * n..][..n], &kernel[j * n..][..n]);
        for (((gradient, label), of_i), of_j) in gradient.iter_mut().zip(labels).zip(of_i).zip(of_j)
        {
            *gradient += label * (change_i * of_i + change_j * of_j);
        }
    }
    None
}

/// How far an alpha can go, up if `direction` is 1, down if it is -1.
fn room(direction: f64, alpha: f64, cost: f64) -> f64 {
    if direction > 0.0 { cost - alpha } else { alpha }
}

/// Lands on a bound that rounding would miss by a hair.
fn moved(alpha: f64, by: f64, cost: f64) -> f64 {
    let alpha = alpha + by;
    let hair = 1e-14 * cost;
    if alpha < hair {
        0.0
    } else if alpha > cost - hair {
        cost
    } else {
        alpha
    }
}

/// The pair to move, or `None` at the optimum.
fn working_set(
    kernel: &[f64],
    labels: &[f64],
    alphas: &[f64],
    gradient: &[f64],
    cost: f64,
    tolerance: f64,
) -> Option<(usize, usize)> {
    let n = labels.len();
    let up = |t: usize| room(labels[t], alphas[t], cost) > 0.0;
    let down = |t: usize| room(-labels[t], alphas[t], cost) > 0.0;
    let slope = |t: usize| -labels[t] * gradient[t];

    let mut first: Option<usize> = None;
    for t in (0..n).filter(|&t| up(t)) {
        if first.is_none_or(|best| slope(t) > slope(best)) {
            first = Some(t);
        }
    }
    let i = first?;
    let mut least = f64::INFINITY;
    let mut second: Option<(usize, f64)> = None;
    for t in (0..n).filter(|&t| down(t)) {
        least = least.min(slope(t));
        let violation = slope(i) - slope(t);
        if violation > 0.0 {
            let curvature = (kernel[i * n + i] + kernel[t * n + t] - 2.0 * kernel[i * n + t])
                .max(LEAST_CURVATURE);
            let gain = violation * violation / curvature;
            if second.is_none_or(|(_, best)| gain > best) {
                second = Some((t, gain));
            }
        }
    }
    let (j, _) = second?;
    (slope(i) - least >= tolerance).then_some((i, j))
}

fn border(labels: &[f64], alphas: &[f64], gradient: &[f64], cost: f64) -> Border {
    let (mut sum, mut free) = (0.0, 0_usize);
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    for ((&label, &alpha), &gradient) in labels.iter().zip(alphas).zip(gradient) {
        let bias = -label * gradient;
        let at_bound = alpha <= 0.0 || alpha >= cost;
        if !at_bound {
            sum += bias;
            free += 1;
        } else if room(label, alpha, cost) > 0.0 {
            least = least.max(bias);
        } else {
            most = most.min(bias);
        }
    }
    let bias = if free > 0 { sum / free as f64 } else { 0.5 * (least + most) };
    let coefficients = labels.iter().zip(alphas).map(|(label, alpha)| label * alpha).collect();
    Border { coefficients, bias }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(points: &[f64]) -> Vec<f64> {
        points.iter().flat_map(|a| points.iter().map(move |b| a * b)).collect()
    }

    #[test]
    fn the_widest_border_between_points_on_a_line_lies_in_the_middle_of_the_gap() {
        let points = [-7.0, -3.0, 1.0, 6.0];
        let border = train(&linear(&points), &[-1.0, -1.0, 1.0, 1.0], 1e3, 1e-10, 1000).unwrap();
        let slope: f64 = border.coefficients.iter().zip(points).map(|(c, x)| c * x).sum();
        assert!((slope - 0.5).abs() < 1e-9, "{slope}");
        assert!((border.bias - 0.5).abs() < 1e-9, "{}", border.bias);
        assert_eq!((border.coefficients[0], border.coefficients[3]), (0.0, 0.0));
    }

    #[test]
    fn at_the_optimum_every_example_is_on_its_side_of_the_margin_or_pays() {
        let points: Vec<f64> = (0..40).map(|i| f64::from(i * 37 % 41) / 4.0).collect();
        let labels: Vec<f64> = (0..40).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
        let kernel: Vec<f64> = points
            .iter()
            .flat_map(|a| points.iter().map(move |b| (-(a - b).powi(2)).exp()))
            .collect();
        let cost = 2.0;
        let border = train(&kernel, &labels, cost, 1e-9, 100_000).unwrap();
        let balance: f64 = border.coefficients.iter().sum();
        assert!(balance.abs() < 1e-9, "{balance}");
        for (i, &label) in labels.iter().enumerate() {
            let score: f64 = (0..40).map(|j| border.coefficients[j] * kernel[i * 40 + j]).sum();
            let margin = label * (score + border.bias);
            let alpha = label * border.coefficients[i];
            assert!((0.0..=cost).contains(&alpha));
            assert!(alpha > 0.0 || margin > 1.0 - 1e-6, "{i} is inside the margin for nothing");
            assert!(alpha < cost || margin < 1.0 + 1e-6, "{i} pays in full outside the margin");
        }
    }

    #[test]
    fn too_few_steps_are_told() {
        let points = [-7.0, -3.0, 1.0, 6.0];
        assert_eq!(train(&linear(&points), &[-1.0, -1.0, 1.0, 1.0], 1e3, 1e-10, 1), None);
    }
}
