//! Clips changed by chance before the network sees them, each time in another way.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::config::expect;
use crate::error::TrainError;
use crate::order::generator;

/// The number of the random stream that changes clips.
const AUGMENT_STREAM: u64 = 2;
/// Random words set aside for a clip: of two words each, a shift, a filter's gains and the ends of the
/// most masks are 35 of 64.
const WORDS_PER_CLIP_LOG2: u32 = 7;
const MOST_MASKS: usize = 7;

/// Places of a filter, evenly over the bands, whose gains are drawn.
const FILTER_POINTS: usize = 6;

/// A filter of more than this is none that a studio would use.
const MOST_FILTER_DECIBELS: f64 = 40.0;

/// How the clips of the training part are changed; the default changes nothing, as in the paper.
///
/// What happens to a clip is a function of the seed, the epoch and the clip's place in it. The clips
/// that validate and test are never changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// A clip starts earlier or later by up to this share of its length, as far as its song goes.
    pub shift: f64,
    /// A clip sounds through a random filter: gains of up to so many decibels up or down at 6 places
    /// evenly over the bands, with straight lines between them, as if another studio or another codec
    /// had shaped it (FilterAugment, Nam et al. 2022).
    #[serde(skip_serializing_if = "is_nought")]
    pub filter_decibels: f64,
    /// Stretches of time that are hidden (SpecAugment, Park et al. 2019); at most 7.
    pub time_masks: usize,
    /// The longest of them, as a share of the clip; each is drawn from none to that.
    pub time_mask: f64,
    /// Stretches of mel bands that are hidden; at most 7.
    pub mel_masks: usize,
    /// The widest of them, as a share of the bands.
    pub mel_mask: f64,
}

impl Augment {
    /// True where nothing is changed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let shares =
            [("shift", self.shift), ("time_mask", self.time_mask), ("mel_mask", self.mel_mask)];
        for (field, share) in shares {
            expect(field, share, (0.0..=1.0).contains(&share), "from 0 to 1")?;
        }
        let decibels = self.filter_decibels;
        let is_usable = (0.0..=MOST_FILTER_DECIBELS).contains(&decibels);
        expect("filter_decibels", decibels, is_usable, "from 0 to 40")?;
        for (field, count) in [("time_masks", self.time_masks), ("mel_masks", self.mel_masks)] {
            expect(field, count, count <= MOST_MASKS, "at most 7")?;
        }
        Ok(())
    }
}

/// The changes of one epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Augmenter {
    pub(crate) settings: Augment,
    pub(crate) seed: u64,
    pub(crate) epoch: usize,
}

impl Augmenter {
    /// The draws for the clip at a place in the epoch.
    pub(crate) fn draws(&self, position: usize) -> Draws {
        let word = (position as u128) << WORDS_PER_CLIP_LOG2;
        Draws(generator(self.seed, AUGMENT_STREAM, self.epoch, word))
    }

    /// Where the clip starts, drawn first.
    pub(crate) fn first_frame(
        &self,
        draws: &mut Draws,
        first_frame: usize,
        n_frames: usize,
        frames_of_song: usize,
    ) -> usize {
        let reach = (self.settings.shift * n_frames as f64) as usize;
        let earliest = first_frame.saturating_sub(reach);
        let latest = (first_frame + reach).min(frames_of_song.saturating_sub(n_frames));
        // Of a song whose length is not known the clip goes no further.
        earliest + draws.below(latest.max(first_frame) - earliest + 1)
    }

    /// Filters a clip, `clip[band * n_frames + frame]`, and hides stretches of it.
    pub(crate) fn change(&self, draws: &mut Draws, clip: &mut [f32], n_frames: usize) {
        self.filter(draws, clip, n_frames);
        self.mask(draws, clip, n_frames);
    }

    fn filter(&self, draws: &mut Draws, clip: &mut [f32], n_frames: usize) {
        let most = self.settings.filter_decibels;
        if most <= 0.0 {
            return;
        }
        let gains: [f64; FILTER_POINTS] = std::array::from_fn(|_| most * draws.signed_unit());
        let last_band = (clip.len() / n_frames).saturating_sub(1).max(1);
        for (band, levels) in clip.chunks_exact_mut(n_frames).enumerate() {
            let place = (FILTER_POINTS - 1) as f64 * band as f64 / last_band as f64;
            let before = (place as usize).min(FILTER_POINTS - 2);
            let share = place - before as f64;
            let gain = (gains[before] * (1.0 - share) + gains[before + 1] * share) as f32;
            for level in levels {
                *level += gain;
            }
        }
    }

    /// Hides stretches under the clip's mean level.
    fn mask(&self, draws: &mut Draws, clip: &mut [f32], n_frames: usize) {
        let Augment { time_masks, time_mask, mel_masks, mel_mask, .. } = self.settings;
        if time_masks + mel_masks == 0 {
            return;
        }
        let mean =
            (clip.iter().map(|&level| f64::from(level)).sum::<f64>() / clip.len() as f64) as f32;
        let n_mels = clip.len() / n_frames;
        for _ in 0..mel_masks {
            let (start, end) = draws.stretch(n_mels, mel_mask);
            clip[start * n_frames..end * n_frames].fill(mean);
        }
        for _ in 0..time_masks {
            let (start, end) = draws.stretch(n_frames, time_mask);
            for band in clip.chunks_exact_mut(n_frames) {
                band[start..end].fill(mean);
            }
        }
    }
}

/// The chance that one clip has.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// One of `0..bound`; with so few the bias of a product of 64 bits is beyond notice, and each
    /// draw takes one step of the stream.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number from -1 to 1, 1 left out.
    fn signed_unit(&mut self) -> f64 {
        const HALF: f64 = (1_u64 << 52) as f64;
        (self.0.next_u64() >> 11) as f64 / HALF - 1.0
    }

    /// A stretch of up to that share of `of`, anywhere in it.
    fn stretch(&mut self, of: usize, share: f64) -> (usize, usize) {
        let width = self.below((share * of as f64) as usize + 1);
        let start = self.below(of - width + 1);
        (start, start + width)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_nought(number: &f64) -> bool {
    *number == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn augmenter(settings: Augment) -> Augmenter {
        Augmenter { settings, seed: 3, epoch: 2 }
    }

    #[test]
    fn a_clip_shifts_within_its_reach_and_its_song() {
        let augmenter = augmenter(Augment { shift: 0.5, ..Augment::default() });
        let starts: Vec<usize> = (0..2_000)
            .map(|place| augmenter.first_frame(&mut augmenter.draws(place), 100, 40, 1_000))
            .collect();
        assert_eq!((starts.iter().min(), starts.iter().max()), (Some(&80), Some(&120)));
        let at_the_end = |place| augmenter.first_frame(&mut augmenter.draws(place), 960, 40, 1_000);
        assert!((0..100).all(|place| (940..=960).contains(&at_the_end(place))));
        let at_the_start = |place| augmenter.first_frame(&mut augmenter.draws(place), 0, 40, 45);
        assert!((0..100).all(|place| at_the_start(place) <= 5));
    }

    #[test]
    fn masks_hide_whole_bands_and_whole_frames_under_the_mean() {
        let settings = Augment {
            time_masks: 1,
            time_mask: 0.3,
            mel_masks: 1,
            mel_mask: 0.5,
            ..Augment::default()
        };
        let augmenter = augmenter(settings);
        let mut most = (0, 0);
        for place in 0..300 {
            let whole: Vec<f32> = (0..8 * 20).map(|at| at as f32).collect();
            let mean = 79.5_f32.to_bits();
            let mut clip = whole.clone();
            augmenter.mask(&mut augmenter.draws(place), &mut clip, 20);
            let is_hidden = |band: usize, frame: usize| clip[band * 20 + frame].to_bits() == mean;
            let bands = (0..8).filter(|&band| (0..20).all(|frame| is_hidden(band, frame))).count();
            let frames = (0..20).filter(|&frame| (0..8).all(|band| is_hidden(band, frame))).count();
            assert!(bands <= 4 && frames <= 6, "{bands} bands, {frames} frames");
            let hidden = clip.iter().filter(|level| level.to_bits() == mean).count();
            assert_eq!(hidden, 8 * 20 - (8 - bands) * (20 - frames));
            most = (most.0.max(bands), most.1.max(frames));
        }
        assert_eq!(most, (4, 6), "each width up to the widest comes");
    }

    #[test]
    fn a_filter_has_its_gains_at_six_places_and_straight_lines_between_them() {
        let augmenter = augmenter(Augment { filter_decibels: 6.0, ..Augment::default() });
        let mut extremes = (0.0_f32, 0.0_f32);
        for place in 0..300 {
            let mut clip = vec![-40.0_f32; 101 * 3];
            augmenter.change(&mut augmenter.draws(place), &mut clip, 3);
            let gains: Vec<f32> = clip.iter().step_by(3).map(|level| level + 40.0).collect();
            let held = |(band, levels): (usize, &[f32])| {
                levels.iter().all(|level| (level + 40.0 - gains[band]).abs() < 1e-6)
            };
            assert!(clip.chunks(3).enumerate().all(held), "every frame of a band alike");
            for band in (1..100).filter(|band| band % 20 != 0) {
                let bend = gains[band - 1] - 2.0 * gains[band] + gains[band + 1];
                assert!(bend.abs() < 1e-4, "bent at {band}");
            }
            let [least, most] = [f32::min, f32::max].map(|of| gains.iter().copied().fold(0.0, of));
            extremes = (extremes.0.min(least), extremes.1.max(most));
        }
        assert!((-6.0..-5.9).contains(&extremes.0) && (5.9..6.0).contains(&extremes.1));
    }

    #[test]
    fn the_same_place_has_the_same_chance_and_another_epoch_another() {
        let settings = Augment { shift: 1.0, ..Augment::default() };
        let at = |epoch, place| {
            let augmenter = Augmenter { settings, seed: 3, epoch };
            augmenter.first_frame(&mut augmenter.draws(place), 500, 400, 2_000)
        };
        let of_epoch = |epoch| (0..20).map(|place| at(epoch, place)).collect::<Vec<_>>();
        assert_eq!(of_epoch(1), of_epoch(1));
        assert_ne!(of_epoch(1), of_epoch(2));
    }

    #[test]
    fn senseless_settings_are_refused() {
        Augment::default().check().unwrap();
        assert!(Augment { shift: 1.5, ..Augment::default() }.check().is_err());
        assert!(Augment { time_mask: f64::NAN, ..Augment::default() }.check().is_err());
        assert!(Augment { mel_masks: 8, ..Augment::default() }.check().is_err());
        for decibels in [-1.0, 41.0, f64::NAN] {
            let filter = Augment { filter_decibels: decibels, ..Augment::default() };
            assert!(filter.check().is_err());
        }
    }
}
