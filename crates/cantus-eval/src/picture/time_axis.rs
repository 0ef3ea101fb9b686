//! Where times stand along a piece of music.

use super::axis::{Tick, between, round_step};
use super::pixel;

/// From here on, times are minutes and seconds.
const LONG_SECONDS: f64 = 90.0;
/// And from here on hours as well.
const HOUR_SECONDS: f64 = 3600.0;
/// Round numbers of seconds in a longer piece.
const LONG_STEPS: [f64; 13] = [
    15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
    43_200.0,
];

/// The times along an axis.
pub(super) struct TimeAxis {
    pub(super) ticks: Vec<Tick>,
    /// What the numbers are.
    pub(super) name: &'static str,
}

/// Times along `width` pixels that stand for the seconds from `first` to `last`, a mark in every
/// `pixels_per_mark` at most.
pub(super) fn time_axis(first: f64, last: f64, width: f64, pixels_per_mark: f64) -> TimeAxis {
    let seconds = last - first;
    let most = (width / pixels_per_mark).max(2.0);
    let at = |time: f64| pixel((time - first) / seconds * width);
    if last < LONG_SECONDS {
        let ticks = between(round_step(seconds, most), first, last);
        let ticks = ticks.map(|(time, text)| Tick { at: at(time), text }).collect();
        return TimeAxis { ticks, name: "seconds" };
    }
    // A short part of a long piece has marks of whole seconds as well.
    let short_steps = [1.0, 2.0, 5.0, 10.0].into_iter().filter(|_| seconds < LONG_SECONDS);
    let step = short_steps.chain(LONG_STEPS).find(|step| seconds / step <= most);
    let step = step.unwrap_or_else(|| round_step(seconds, most));
    let has_hours = last >= HOUR_SECONDS;
    let ticks = between(step, first, last)
        .map(|(time, _)| Tick { at: at(time), text: time_text(time, has_hours) });
    let name = if has_hours { "hours:minutes:seconds" } else { "minutes:seconds" };
    TimeAxis { ticks: ticks.collect(), name }
}

/// A time in a recording as people read it: minutes and whole seconds, `4:05`, from an hour on with
/// hours, `1:04:05`. Nothing is before `0:00`.
pub fn clock_time(seconds: f64) -> String {
    time_text(seconds, seconds >= HOUR_SECONDS)
}

fn time_text(seconds: f64, has_hours: bool) -> String {
    let whole = seconds as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if has_hours {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(first: f64, last: f64) -> Vec<String> {
        time_axis(first, last, 400.0, 70.0).ticks.into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn a_short_part_of_a_long_piece_has_marks_at_its_own_times() {
        assert_eq!(texts(98.0, 142.0), ["1:40", "1:50", "2:00", "2:10", "2:20"]);
        let at = time_axis(98.0, 142.0, 440.0, 70.0).ticks[0].at;
        assert!((at - 20.0).abs() < 1e-9, "{at}");
    }

    #[test]
    fn a_piece_from_its_begin_has_marks_from_nought() {
        assert_eq!(texts(0.0, 240.0), ["0:00", "1:00", "2:00", "3:00", "4:00"]);
        assert_eq!(texts(0.0, 3.0), ["0", "1", "2", "3"]);
        assert_eq!(texts(0.0, 7200.0), ["0:00:00", "0:30:00", "1:00:00", "1:30:00", "2:00:00"]);
    }

    #[test]
    fn hours_are_said_where_there_are_any() {
        assert_eq!([0.0, 59.99, 61.0, 3661.0].map(clock_time), ["0:00", "0:59", "1:01", "1:01:01"]);
        for (last, name) in [(3.0, "seconds"), (3599.0, "minutes:seconds")] {
            assert_eq!(time_axis(0.0, last, 400.0, 70.0).name, name);
        }
        assert_eq!(time_axis(3590.0, 3610.0, 400.0, 70.0).name, "hours:minutes:seconds");
    }
}
