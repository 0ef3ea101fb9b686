use crate::{
    MelConfig, MelError, Padding,
    filter_bank::FilterBank,
    framing::windowed_frame,
    spectrum::{PowerSpectrum, SpectrumScratch, hann_window},
};

/// A log-mel spectrogram in decibels.
#[derive(Debug, Clone, PartialEq)]
pub struct LogMel {
    /// Number of frames.
    pub n_frames: usize,
    /// Number of mel bands.
    pub n_mels: usize,
    /// `values[frame * n_mels + band]`, in decibels; the lowest band first.
    pub values: Vec<f32>,
}

impl LogMel {
    /// The bands of one frame, or `None` past the last frame.
    pub fn frame(&self, frame: usize) -> Option<&[f32]> {
        let first = frame.checked_mul(self.n_mels)?;
        self.values.get(first..first.checked_add(self.n_mels)?)
    }
}

/// Everything that depends on the settings alone: window, transform, filter bank. One plan serves
/// any number of signals and threads.
#[derive(Debug)]
pub struct LogMelPlan {
    config: MelConfig,
    window: Vec<f64>,
    spectrum: PowerSpectrum,
    filter_bank: FilterBank,
}

/// Buffers for one thread at work with a [`LogMelPlan`].
pub struct LogMelScratch {
    spectrum: SpectrumScratch,
    /// Of one frame, `n_fft / 2 + 1` bins.
    power: Vec<f64>,
}

impl std::fmt::Debug for LogMelScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogMelScratch")
            .field("n_fft", &self.spectrum.frame.len())
            .finish_non_exhaustive()
    }
}

impl LogMelPlan {
    /// Plans for these settings.
    ///
    /// # Errors
    ///
    /// What [`MelConfig::validate`] finds. Bands that no bin falls into are not an error, see
    /// [`empty_bands`](Self::empty_bands).
    pub fn new(config: &MelConfig) -> Result<Self, MelError> {
        config.validate()?;
        Ok(Self {
            config: config.clone(),
            window: hann_window(config.n_fft),
            spectrum: PowerSpectrum::new(config.n_fft),
            filter_bank: FilterBank::new(config),
        })
    }

    /// The settings this was planned for.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// Frames of a spectrogram of so many samples; see [`MelConfig::frames`].
    pub fn frames(&self, samples: usize) -> usize {
        self.config.frames(samples)
    }

    /// Bands narrower than the distance of two bins, into which no bin falls: they hold nothing but
    /// the floor. librosa warns of them; here the caller decides what to say. A longer FFT or fewer
    /// bands helps.
    pub fn empty_bands(&self) -> Vec<usize> {
        self.filter_bank.empty_bands()
    }

    /// Buffers for [`process`](Self::process), one for each thread.
    pub fn make_scratch(&self) -> LogMelScratch {
        LogMelScratch {
            spectrum: self.spectrum.make_scratch(),
            power: vec![0.0; self.config.n_bins()],
        }
    }

    /// Writes the spectrogram of mono `samples` at the plan's rate into `out`, time-major,
    /// `frames(samples.len()) * n_mels` values in decibels (`librosa.feature.melspectrogram` with
    /// `power=2`, then `librosa.power_to_db` with `ref=1.0`). Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`MelError::Empty`], [`MelError::TooShort`] (reflection needs more than `n_fft / 2`
    /// samples) or [`MelError::NonFinite`] for the samples, [`MelError::OutputLength`] and
    /// [`MelError::ForeignScratch`] for the buffers. `out` is untouched then.
    pub fn process(
        &self,
        samples: &[f32],
        scratch: &mut LogMelScratch,
        out: &mut [f32],
    ) -> Result<(), MelError> {
        self.check_samples(samples)?;
        self.check_buffers(samples, scratch, out)?;
        let half_window = (self.config.n_fft / 2) as isize;
        for (frame, bands) in out.chunks_exact_mut(self.config.n_mels).enumerate() {
            let start = (frame * self.config.hop_length) as isize - half_window;
            self.process_frame(samples, start, scratch, bands);
        }
        if let Some(top_db) = self.config.top_db {
            raise_to_top_db(out, top_db as f32);
        }
        Ok(())
    }

    /// [`process`](Self::process) with buffers of its own.
    ///
    /// # Errors
    ///
    /// Those of [`process`](Self::process) that concern the samples.
    pub fn compute(&self, samples: &[f32]) -> Result<LogMel, MelError> {
        self.check_samples(samples)?;
        let (n_frames, n_mels) = (self.frames(samples.len()), self.config.n_mels);
        let mut values = vec![0.0; n_frames * n_mels];
        self.process(samples, &mut self.make_scratch(), &mut values)?;
        Ok(LogMel { n_frames, n_mels, values })
    }

    /// One frame in decibels, before the floor that the loudest of all frames sets.
    fn process_frame(
        &self,
        samples: &[f32],
        start: isize,
        scratch: &mut LogMelScratch,
        bands: &mut [f32],
    ) {
        let frame = &mut scratch.spectrum.frame;
        windowed_frame(samples, start, &self.window, self.config.padding, frame);
        self.spectrum.process(&mut scratch.spectrum, &mut scratch.power);
        let amin = self.config.amin;
        self.filter_bank.apply(&scratch.power, |band, power| {
            bands[band] = decibels(power.max(amin)) as f32;
        });
    }

    fn check_samples(&self, samples: &[f32]) -> Result<(), MelError> {
        if samples.is_empty() {
            return Err(MelError::Empty);
        }
        let least = match self.config.padding {
            Padding::Reflect => self.config.n_fft / 2 + 1,
            Padding::Zero => 1,
        };
        if samples.len() < least {
            return Err(MelError::TooShort { samples: samples.len(), least });
        }
        match samples.iter().position(|sample| !sample.is_finite()) {
            Some(index) => Err(MelError::NonFinite { index, value: samples[index] }),
            None => Ok(()),
        }
    }

    fn check_buffers(
        &self,
        samples: &[f32],
        scratch: &LogMelScratch,
        out: &[f32],
    ) -> Result<(), MelError> {
        let scratch_n_fft = scratch.spectrum.frame.len();
        if scratch_n_fft != self.config.n_fft {
            return Err(MelError::ForeignScratch {
                expected: self.config.n_fft,
                got: scratch_n_fft,
            });
        }
        let expected = self.frames(samples.len()) * self.config.n_mels;
        if out.len() != expected {
            return Err(MelError::OutputLength { expected, got: out.len() });
        }
        Ok(())
    }
}

/// `10 log10(power)`, by way of the natural logarithm, which is the faster of the two.
fn decibels(power: f64) -> f64 {
    power.ln() * (10.0 / std::f64::consts::LN_10)
}

fn raise_to_top_db(values: &mut [f32], top_db: f32) {
    let maximum = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let floor = maximum - top_db;
    for value in values {
        *value = value.max(floor);
    }
}
