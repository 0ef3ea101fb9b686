//! The operations as their definitions say, written for reading. All in f64, C order.

/// `[batch, channel, height, width]`
#[derive(Clone, Copy)]
pub(crate) struct Shape4(pub(crate) usize, pub(crate) usize, pub(crate) usize, pub(crate) usize);

impl Shape4 {
    pub(crate) fn at(self, b: usize, c: usize, y: usize, x: usize) -> usize {
        ((b * self.1 + c) * self.2 + y) * self.3 + x
    }

    pub(crate) fn dims(self) -> [usize; 4] {
        [self.0, self.1, self.2, self.3]
    }

    pub(crate) fn count(self) -> usize {
        self.0 * self.1 * self.2 * self.3
    }
}

pub(crate) fn conv2d_same(
    x: &[f64],
    xs: Shape4,
    weight: &[f64],
    ws: Shape4,
    bias: &[f64],
) -> Vec<f64> {
    let Shape4(batch, channels, height, width) = xs;
    let Shape4(filters, _, kernel_height, kernel_width) = ws;
    let mut y = Vec::new();
    for b in 0..batch {
        for f in 0..filters {
            for row in 0..height {
                for column in 0..width {
                    let mut sum = bias[f];
                    for c in 0..channels {
                        for i in 0..kernel_height {
                            for j in 0..kernel_width {
                                let (row, column) = (row + i, column + j);
                                let (up, left) = (kernel_height / 2, kernel_width / 2);
                                let inside = row >= up
                                    && row - up < height
                                    && column >= left
                                    && column - left < width;
                                if inside {
                                    sum += weight[ws.at(f, c, i, j)]
                                        * x[xs.at(b, c, row - up, column - left)];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

/// `x` is `[batch, channels, frames]`, `weight` `[filters, channels, taps]`; `padding` zeros stand on
/// either side of `x`.
pub(crate) fn conv1d(
    x: &[f64],
    (batch, channels, frames): (usize, usize, usize),
    weight: &[f64],
    (filters, taps): (usize, usize),
    bias: &[f64],
    padding: usize,
) -> Vec<f64> {
    let mut y = Vec::new();
    for b in 0..batch {
        for f in 0..filters {
            for first in 0..frames + 2 * padding + 1 - taps {
                let mut sum = bias[f];
                for c in 0..channels {
                    for tap in 0..taps {
                        let padded = first + tap;
                        if padded >= padding && padded - padding < frames {
                            sum += weight[(f * channels + c) * taps + tap]
                                * x[(b * channels + c) * frames + padded - padding];
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

/// The pooled values, and the gradient of the input for a gradient `dy` of the output.
pub(crate) fn max_pool2d(
    x: &[f64],
    xs: Shape4,
    window: (usize, usize),
    dy: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let Shape4(batch, channels, height, width) = xs;
    let (mut y, mut dx) = (Vec::new(), vec![0.0; x.len()]);
    for b in 0..batch {
        for c in 0..channels {
            for row in 0..height / window.0 {
                for column in 0..width / window.1 {
                    let mut best = xs.at(b, c, row * window.0, column * window.1);
                    for i in 0..window.0 {
                        for j in 0..window.1 {
                            let here = xs.at(b, c, row * window.0 + i, column * window.1 + j);
                            if x[here] > x[best] {
                                best = here;
                            }
                        }
                    }
                    dx[best] += dy[y.len()];
                    y.push(x[best]);
                }
            }
        }
    }
    (y, dx)
}

pub(crate) fn elu(x: f64) -> f64 {
    if x > 0.0 { x } else { x.exp_m1() }
}

/// Mean and biased variance of each channel of `[outer, channels, inner]`.
pub(crate) fn moments(
    x: &[f64],
    outer: usize,
    channels: usize,
    inner: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for c in 0..channels {
        let of_channel = |i: usize| x[(i / inner * channels + c) * inner + i % inner];
        let count = outer * inner;
        let mean = (0..count).map(of_channel).sum::<f64>() / count as f64;
        let squares: f64 = (0..count).map(of_channel).map(|v| (v - mean).powi(2)).sum();
        means.push(mean);
        variances.push(squares / count as f64);
    }
    (means, variances)
}
