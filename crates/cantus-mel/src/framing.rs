//! Frames out of samples, padded and windowed.

use crate::Padding;

/// A signal of which the beginning may be gone already and the end not yet there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a> {
    samples: &'a [f32],
    /// Position of the first of them in the signal.
    first: usize,
}

impl<'a> Held<'a> {
    /// All of a signal.
    pub(crate) fn whole(samples: &'a [f32]) -> Self {
        Self { samples, first: 0 }
    }

    /// What is held of a signal, from position `first` on.
    pub(crate) fn tail(first: usize, samples: &'a [f32]) -> Self {
        Self { samples, first }
    }

    /// The samples from a position on, or `None` where not all of them are held.
    fn inside(&self, start: isize, length: usize) -> Option<&'a [f32]> {
        let from = usize::try_from(start).ok()?.checked_sub(self.first)?;
        self.samples.get(from..from.checked_add(length)?)
    }

    /// The sample at a position that may lie up to half a window beyond either end.
    fn padded(&self, position: isize, padding: Padding) -> f32 {
        let last = (self.first + self.samples.len()) as isize - 1;
        let index = match padding {
            Padding::Reflect if position < 0 => -position,
            Padding::Reflect if position > last => 2 * last - position,
            Padding::Reflect | Padding::Zero => position,
        };
        debug_assert!(
            padding == Padding::Zero || (self.first as isize..=last).contains(&index),
            "sample {index} of a frame is not held"
        );
        let index = usize::try_from(index).ok().and_then(|index| index.checked_sub(self.first));
        index.and_then(|index| self.samples.get(index)).copied().unwrap_or(0.0)
    }
}

/// The frame that starts at `start` (negative before the first sample) times the window.
///
/// Padding is never built: a frame that reaches beyond the samples looks each of them up.
#[inline(always)]
pub(crate) fn windowed_frame(
    samples: Held<'_>,
    start: isize,
    window: &[f64],
    padding: Padding,
    out: &mut [f64],
) {
    if let Some(inside) = samples.inside(start, window.len()) {
        for ((value, &weight), &sample) in out.iter_mut().zip(window).zip(inside) {
            *value = weight * f64::from(sample);
        }
        return;
    }
    for ((position, value), &weight) in (start..).zip(out.iter_mut()).zip(window) {
        *value = weight * f64::from(samples.padded(position, padding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(samples: &[f32], start: isize, length: usize, padding: Padding) -> Vec<f64> {
        windowed(Held::whole(samples), start, &vec![1.0; length], padding)
    }

    fn windowed(samples: Held<'_>, start: isize, window: &[f64], padding: Padding) -> Vec<f64> {
        let mut out = vec![f64::NAN; window.len()];
        windowed_frame(samples, start, window, padding, &mut out);
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
        let samples = Held::whole(&[1.0, 2.0, 3.0, 4.0]);
        for (start, expected) in [(0, [0.5, 4.0]), (3, [2.0, 0.0]), (-1, [0.0, 2.0])] {
            assert_eq!(windowed(samples, start, &[0.5, 2.0], Padding::Zero), expected);
        }
    }

    #[test]
    fn a_beginning_that_is_gone_changes_no_frame_behind_it() {
        let all: Vec<f32> = (0_u8..20).map(f32::from).collect();
        for start in [10, 13, 14, 17] {
            let whole = windowed(Held::whole(&all), start, &[1.0; 6], Padding::Reflect);
            let tail = windowed(Held::tail(9, &all[9..]), start, &[1.0; 6], Padding::Reflect);
            assert_eq!(whole, tail);
        }
    }
}
