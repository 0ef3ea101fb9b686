use crate::Padding;

/// Copies the frame that starts at `start` (negative before the first sample) times the window.
///
/// Padding is never built: a frame that reaches beyond the samples looks each of them up.
pub(crate) fn windowed_frame(
    samples: &[f32],
    start: isize,
    window: &[f64],
    padding: Padding,
    out: &mut [f64],
) {
    let inside = usize::try_from(start).ok().and_then(|from| samples.get(from..from + out.len()));
    if let Some(inside) = inside {
        for ((value, &weight), &sample) in out.iter_mut().zip(window).zip(inside) {
            *value = weight * f64::from(sample);
        }
        return;
    }
    for ((position, value), &weight) in (start..).zip(out.iter_mut()).zip(window) {
        *value = weight * f64::from(padded_sample(samples, position, padding));
    }
}

/// The sample at a position that may lie up to `samples.len() - 1` beyond either end.
fn padded_sample(samples: &[f32], position: isize, padding: Padding) -> f32 {
    let last = samples.len() as isize - 1;
    let index = match padding {
        Padding::Reflect if position < 0 => -position,
        Padding::Reflect if position > last => 2 * last - position,
        Padding::Reflect | Padding::Zero => position,
    };
    usize::try_from(index).ok().and_then(|index| samples.get(index)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(samples: &[f32], start: isize, length: usize, padding: Padding) -> Vec<f64> {
        let mut out = vec![f64::NAN; length];
        windowed_frame(samples, start, &vec![1.0; length], padding, &mut out);
        out
    }

    #[test]
    fn reflection_does_not_repeat_the_first_and_last_sample() {
        let samples = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(frame(&samples, -3, 5, Padding::Reflect), [4.0, 3.0, 2.0, 1.0, 2.0]);
        assert_eq!(frame(&samples, 2, 5, Padding::Reflect), [3.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(frame(&samples, 0, 4, Padding::Reflect), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn zero_padding_is_silence_and_takes_any_length() {
        assert_eq!(frame(&[1.0, 2.0], -1, 5, Padding::Zero), [0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(frame(&[1.0], 1, 2, Padding::Zero), [0.0, 0.0]);
    }

    #[test]
    fn the_window_weighs_inner_and_outer_frames_alike() {
        let samples = [1.0, 2.0, 3.0, 4.0];
        for (start, expected) in [(0, [0.5, 4.0]), (3, [2.0, 0.0]), (-1, [0.0, 2.0])] {
            let mut out = vec![f64::NAN; 2];
            windowed_frame(&samples, start, &[0.5, 2.0], Padding::Zero, &mut out);
            assert_eq!(out, expected);
        }
    }
}
