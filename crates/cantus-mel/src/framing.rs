//! Frames out of samples, padded and windowed.

use rustfft::num_complex::Complex;

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
    pub(crate) fn from(first: usize, samples: &'a [f32]) -> Self {
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
        let index = usize::try_from(index).ok().and_then(|index| index.checked_sub(self.first));
        index.and_then(|index| self.samples.get(index)).copied().unwrap_or(0.0)
    }
}

/// Two frames times the window, one as the real and one as the imaginary part; without a second
/// frame that part is zero. `starts` are negative before the first sample.
///
/// Padding is never built: a frame that reaches beyond the samples looks each of them up.
#[inline(always)]
pub(crate) fn windowed_pair(
    samples: Held<'_>,
    starts: (isize, Option<isize>),
    window: &[f64],
    padding: Padding,
    out: &mut [Complex<f64>],
) {
    let inside = |start| samples.inside(start, window.len());
    let (start, second_start) = starts;
    if let (Some(first), Some(second)) = (inside(start), second_start.and_then(inside)) {
        for (((value, &weight), &a), &b) in out.iter_mut().zip(window).zip(first).zip(second) {
            *value = Complex::new(weight * f64::from(a), weight * f64::from(b));
        }
        return;
    }
    for (offset, (value, &weight)) in (0_isize..).zip(out.iter_mut().zip(window)) {
        let part = |start| weight * f64::from(samples.padded(start + offset, padding));
        *value = Complex::new(part(start), second_start.map_or(0.0, part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(samples: &[f32], start: isize, length: usize, padding: Padding) -> Vec<f64> {
        pair(Held::whole(samples), (start, None), &vec![1.0; length], padding).0
    }

    fn pair(
        samples: Held<'_>,
        starts: (isize, Option<isize>),
        window: &[f64],
        padding: Padding,
    ) -> (Vec<f64>, Vec<f64>) {
        let mut out = vec![Complex::new(f64::NAN, f64::NAN); window.len()];
        windowed_pair(samples, starts, window, padding, &mut out);
        out.iter().map(|value| (value.re, value.im)).unzip()
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
        for (starts, first, second) in [
            ((0, Some(2)), [0.5, 4.0], [1.5, 8.0]),
            ((-1, Some(3)), [0.0, 2.0], [2.0, 0.0]),
            ((2, None), [1.5, 8.0], [0.0, 0.0]),
        ] {
            let parts = pair(samples, starts, &[0.5, 2.0], Padding::Zero);
            assert_eq!(parts, (first.to_vec(), second.to_vec()));
        }
    }

    #[test]
    fn a_beginning_that_is_gone_changes_no_frame_behind_it() {
        let all: Vec<f32> = (0_u8..20).map(f32::from).collect();
        let window = [1.0; 6];
        for starts in [(10, Some(13)), (14, Some(17)), (13, None)] {
            let whole = pair(Held::whole(&all), starts, &window, Padding::Reflect);
            let tail = pair(Held::from(9, &all[9..]), starts, &window, Padding::Reflect);
            assert_eq!(whole, tail);
        }
    }
}
