use serde::{Deserialize, Serialize};

/// How frequency is bent into mel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MelScale {
    /// Linear up to 1 kHz, logarithmic above: Slaney's Auditory Toolbox, librosa's default
    /// (`htk=False`).
    #[default]
    Slaney,
    /// `2595 log10(1 + f / 700)`: the Hidden Markov Model Toolkit, librosa's `htk=True`.
    Htk,
}

const SLANEY_HZ_PER_MEL: f64 = 200.0 / 3.0;
const SLANEY_BREAK_HZ: f64 = 1000.0;
const SLANEY_BREAK_MEL: f64 = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL;

/// Above the break, 27 mel are a factor of 6.4 in frequency.
fn slaney_log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

impl MelScale {
    /// Hertz to mel (`librosa.hz_to_mel`).
    pub fn mel_from_hz(self, hz: f64) -> f64 {
        match self {
            Self::Slaney if hz >= SLANEY_BREAK_HZ => {
                SLANEY_BREAK_MEL + (hz / SLANEY_BREAK_HZ).ln() / slaney_log_step()
            }
            Self::Slaney => hz / SLANEY_HZ_PER_MEL,
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        }
    }

    /// Mel to hertz (`librosa.mel_to_hz`).
    pub fn hz_from_mel(self, mel: f64) -> f64 {
        match self {
            Self::Slaney if mel >= SLANEY_BREAK_MEL => {
                SLANEY_BREAK_HZ * (slaney_log_step() * (mel - SLANEY_BREAK_MEL)).exp()
            }
            Self::Slaney => mel * SLANEY_HZ_PER_MEL,
            Self::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
        }
    }

    /// `count` frequencies in hertz, evenly spaced in mel, both ends included
    /// (`librosa.mel_frequencies`). `count` is at least 2.
    pub(crate) fn spaced_hz(self, count: usize, f_min_hz: f64, f_max_hz: f64) -> Vec<f64> {
        let first = self.mel_from_hz(f_min_hz);
        let last = self.mel_from_hz(f_max_hz);
        let step = (last - first) / (count - 1) as f64;
        (0..count)
            .map(|i| if i + 1 == count { last } else { first + step * i as f64 })
            .map(|mel| self.hz_from_mel(mel))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_scales_return_to_the_frequency_they_came_from() {
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hz in [0.0, 1.0, 440.0, 999.9, 1000.0, 1000.1, 8000.0, 22050.0] {
                let back = scale.hz_from_mel(scale.mel_from_hz(hz));
                assert!(
                    (back - hz).abs() < 1e-9 * (1.0 + hz),
                    "{scale:?}: {hz} Hz came back as {back}"
                );
            }
        }
    }

    // The examples in librosa's documentation of `hz_to_mel` and `mel_to_hz`.
    #[test]
    fn known_points_of_both_scales_are_met() {
        assert!((MelScale::Slaney.mel_from_hz(60.0) - 0.9).abs() < 1e-12);
        assert!((MelScale::Slaney.mel_from_hz(440.0) - 6.6).abs() < 1e-12);
        assert!((MelScale::Slaney.mel_from_hz(6400.0) - 42.0).abs() < 1e-9);
        assert!((MelScale::Htk.mel_from_hz(1000.0) - 999.985_537_1).abs() < 1e-6);
    }

    #[test]
    fn spaced_frequencies_rise_and_keep_their_ends() {
        let hz = MelScale::Slaney.spaced_hz(130, 0.0, 8000.0);
        assert_eq!(hz.len(), 130);
        assert!(hz[0].abs() < 1e-12 && (hz[129] - 8000.0).abs() < 1e-8);
        assert!(hz.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
