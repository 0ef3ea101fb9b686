//! Round numbers for axes.

use serde::Serialize;

/// A mark on an axis.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Tick {
    /// Where it stands, in pixels from the axis' start.
    pub(super) at: f64,
    /// What it says.
    pub(super) text: String,
}

/// The distance between about `most` marks over `range`: 1, 2 or 5 times a power of ten.
pub(super) fn round_step(range: f64, most: f64) -> f64 {
    let rough = range / most;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

/// The multiples of `step` from 0 up to `last`, with as many decimals as the step needs.
pub(super) fn multiples(step: f64, last: f64) -> impl Iterator<Item = (f64, String)> {
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let count = (last / step + 1e-9).floor() as usize;
    (0..=count).map(move |index| {
        let value = index as f64 * step;
        (value, format!("{value:.digits$}"))
    })
}

/// The multiples of `step` from `first` to `last`, with as many decimals as the step needs.
pub(super) fn between(step: f64, first: f64, last: f64) -> impl Iterator<Item = (f64, String)> {
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let (from, to) = ((first / step - 1e-9).ceil() as i64, (last / step + 1e-9).floor() as i64);
    (from..=to).map(move |index| {
        let value = index as f64 * step;
        (value, format!("{value:.digits$}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_give_at_most_the_marks_asked_for() {
        for range in [0.013, 0.4, 1.0, 2.9, 7.0, 31.0, 200.0, 12345.0] {
            let step = round_step(range, 5.0);
            assert!(range / step <= 5.01 && range / step >= 1.9, "{range}: {step}");
        }
    }

    #[test]
    fn marks_have_the_decimals_their_step_needs() {
        let texts: Vec<String> = multiples(0.2, 0.6).map(|(_, text)| text).collect();
        assert_eq!(texts, ["0.0", "0.2", "0.4", "0.6"]);
        let texts: Vec<String> = multiples(50.0, 120.0).map(|(_, text)| text).collect();
        assert_eq!(texts, ["0", "50", "100"]);
    }

    #[test]
    fn marks_between_two_numbers_lie_between_them_and_have_no_negative_nought() {
        let texts: Vec<String> = between(20.0, -73.5, 6.5).map(|(_, text)| text).collect();
        assert_eq!(texts, ["-60", "-40", "-20", "0"]);
    }
}
