//! Audio fingerprints: by which one recording is known again in another encoding.

use crate::{MelError, log_mel::count_frames};

/// Frames on either side of a difference over time: 0.19 s at the paper's settings.
const HALF: usize = 6;

/// A word of bits for each frame of a spectrogram, much the same for one recording at another
/// loudness, in another encoding or with its beginning cut off.
///
/// Each bit says whether the difference between two neighbouring bands grows: the spectral
/// differences of Haitsma & Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002), on
/// [`FINGERPRINT_BITS`] + 1 groups of mel bands (or on as many as there are bands) and on means of 6
/// frames before against 6 after, where theirs has a window of 0.37 s. Bit 0 is of the two lowest
/// groups. Unlike recordings differ in half of their bits. Silence, where no difference grows, is 0.
///
/// Word `n` is of the frames `n` to `n + 11`, so that there are 11 words fewer than frames; none
/// where there are fewer than 12 frames or 2 bands. `mel` is time-major, with `n_mels` values a
/// frame.
///
/// # Errors
///
/// [`MelError::Setting`] if `n_mels` is 0, [`MelError::RaggedFrames`] if `mel` does not consist of
/// whole frames.
///
/// ```
/// use cantus_mel::{LogMelPlan, MelConfig, audio_fingerprint};
///
/// let tone: Vec<f32> = (0..32_000).map(|n| (n as f32 * 0.2 * (1.0 + n as f32 * 1e-5)).sin()).collect();
/// let quieter: Vec<f32> = tone.iter().map(|sample| 0.5 * sample).collect();
/// let plan = LogMelPlan::new(&MelConfig::default())?;
/// let words = |samples: &[f32]| audio_fingerprint(&plan.compute(samples)?.values, 128);
/// let (first, second) = (words(&tone)?, words(&quieter)?);
/// assert_eq!(first.len(), 63 - 11);
/// let different: u32 = first.iter().zip(&second).map(|(a, b)| (a ^ b).count_ones()).sum();
/// assert!(different < 52 * 32 / 20);
/// # Ok::<(), cantus_mel::MelError>(())
/// ```
pub fn audio_fingerprint(mel: &[f32], n_mels: usize) -> Result<Vec<u32>, MelError> {
    let n_frames = count_frames(mel, "n_mels", n_mels)?;
    let groups = n_mels.min(FINGERPRINT_BITS + 1);
    if groups < 2 || n_frames < 2 * HALF {
        return Ok(Vec::new());
    }
    let edges: Vec<usize> = (0..=groups).map(|group| group * n_mels / groups).collect();
    let levels: Vec<f32> = mel
        .chunks_exact(n_mels)
        .flat_map(|frame| {
            edges.windows(2).map(|edge| {
                let bands = &frame[edge[0]..edge[1]];
                bands.iter().sum::<f32>() / bands.len() as f32
            })
        })
        .collect();
    let mut growth = vec![0.0_f32; groups];
    let words = levels
        .windows(2 * HALF * groups)
        .step_by(groups)
        .map(|frames| {
            let (before, after) = frames.split_at(HALF * groups);
            growth.fill(0.0);
            for (before, after) in before.chunks_exact(groups).zip(after.chunks_exact(groups)) {
                for ((growth, before), after) in growth.iter_mut().zip(before).zip(after) {
                    *growth += after - before;
                }
            }
            growth
                .windows(2)
                .enumerate()
                .fold(0, |word, (bit, pair)| word | (u32::from(pair[0] > pair[1]) << bit))
        })
        .collect();
    Ok(words)
}

/// The most bits in a word of [`audio_fingerprint`].
pub const FINGERPRINT_BITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(mel: &[f32], n_mels: usize) -> Vec<u32> {
        audio_fingerprint(mel, n_mels).unwrap()
    }

    #[test]
    fn a_bit_is_set_where_the_lower_band_grows_more() {
        let values: Vec<f32> =
            (0..12).flat_map(|frame| [0.0, if frame < 6 { 1.0 } else { 2.0 }, 0.0]).collect();
        // Band 1 grows by 1: more than its upper neighbour, and its lower neighbour less than it.
        assert_eq!(words(&values, 3), [0b10]);
    }

    #[test]
    fn silence_and_a_steady_sound_are_zero() {
        assert_eq!(words(&[-80.0; 128 * 20], 128), [0; 9]);
        let steady: Vec<f32> = (0..20 * 128).map(|at| (at % 128) as f32).collect();
        assert_eq!(words(&steady, 128), [0; 9]);
    }

    #[test]
    fn loudness_changes_nothing_and_a_shift_moves_the_words() {
        let values: Vec<f32> = (0..40 * 128).map(|at| ((at * at) % 251) as f32).collect();
        let louder: Vec<f32> = values.iter().map(|value| value + 4.0).collect();
        let whole = words(&values, 128);
        assert_eq!(words(&louder, 128), whole);
        let shifted = words(&values[7 * 128..], 128);
        assert_eq!(shifted, whole[7..]);
    }

    #[test]
    fn what_is_too_small_has_no_words() {
        assert!(words(&[0.0; 11 * 128], 128).is_empty());
        assert!(words(&[0.0; 40], 1).is_empty());
        assert!(words(&[], 2).is_empty());
        assert!(audio_fingerprint(&[0.0; 5], 2).is_err());
        assert!(audio_fingerprint(&[], 0).is_err());
    }
}
