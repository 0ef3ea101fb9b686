use pulp::{Arch, Simd, WithSimd};

use crate::{
    LogMelStream, MelConfig, MelError, Padding,
    decibels::decibels,
    filter_bank::FilterBank,
    framing::{Held, windowed_frame},
    log_mel::LogMel,
    spectrum::{PowerSpectrum, SpectrumScratch, hann_window, powers},
};

/// Everything that depends on the settings alone: window, transform, filter bank. One plan serves
/// any number of signals and threads.
#[derive(Debug)]
pub struct LogMelPlan {
    config: MelConfig,
    window: Vec<f64>,
    spectrum: PowerSpectrum,
    filter_bank: FilterBank,
    /// The instructions that the processor has.
    arch: Arch,
}

/// Buffers for one thread at work with a [`LogMelPlan`].
pub struct LogMelScratch {
    spectrum: SpectrumScratch,
    /// Of one frame, `n_fft / 2 + 1` bins.
    powers: Vec<f64>,
    /// Of one frame, `n_mels` bands.
    bands: Vec<f64>,
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
            arch: Arch::new(),
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
            powers: vec![0.0; self.config.n_bins()],
            bands: vec![0.0; self.config.n_mels],
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
        for (frame, bands) in out.chunks_exact_mut(self.config.n_mels).enumerate() {
            self.process_frame(Held::whole(samples), frame, scratch, bands);
        }
        self.raise_to_floor(out);
        Ok(())
    }

    /// The same frame by frame, for samples that come in pieces: the same bits, and of the samples
    /// only a few windows are held.
    pub fn stream(&self) -> LogMelStream<'_> {
        LogMelStream::new(self)
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

    /// Where a frame starts, in samples; before the first for the first frames.
    pub(crate) fn start_of(&self, frame: usize) -> isize {
        let centre = frame.saturating_mul(self.config.hop_length);
        isize::try_from(centre).unwrap_or(isize::MAX) - (self.config.n_fft / 2) as isize
    }

    /// A frame in decibels, before the floor that the loudest of all frames sets.
    pub(crate) fn process_frame(
        &self,
        samples: Held<'_>,
        frame: usize,
        scratch: &mut LogMelScratch,
        bands: &mut [f32],
    ) {
        let start = self.start_of(frame);
        self.arch.dispatch(Windowing { plan: self, samples, start, scratch });
        self.spectrum.transform(&mut scratch.spectrum);
        self.arch.dispatch(Weighing { plan: self, scratch, bands });
    }

    /// Raises what lies more than `top_db` under the loudest.
    pub(crate) fn raise_to_floor(&self, values: &mut [f32]) {
        let Some(top_db) = self.config.top_db else { return };
        let maximum = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let floor = maximum - top_db as f32;
        for value in values {
            *value = value.max(floor);
        }
    }

    fn check_samples(&self, samples: &[f32]) -> Result<(), MelError> {
        self.check_length(samples.len())?;
        check_finite(samples, 0)
    }

    /// Whether a signal of so many samples has a spectrogram.
    pub(crate) fn check_length(&self, samples: usize) -> Result<(), MelError> {
        let least = match self.config.padding {
            Padding::Reflect => self.config.n_fft / 2 + 1,
            Padding::Zero => 1,
        };
        match samples {
            0 => Err(MelError::Empty),
            _ if samples < least => Err(MelError::TooShort { samples, least }),
            _ => Ok(()),
        }
    }

    fn check_buffers(
        &self,
        samples: &[f32],
        scratch: &LogMelScratch,
        out: &[f32],
    ) -> Result<(), MelError> {
        let expected = (self.config.n_fft, self.config.n_mels);
        let got = (scratch.spectrum.frame.len(), scratch.bands.len());
        if got != expected {
            return Err(MelError::ForeignScratch { expected, got });
        }
        let expected = self.frames(samples.len()).saturating_mul(self.config.n_mels);
        if out.len() != expected {
            return Err(MelError::OutputLength { expected, got: out.len() });
        }
        Ok(())
    }
}

/// Names the first sample that is infinite or not a number; `first` is the position of the first.
pub(crate) fn check_finite(samples: &[f32], first: usize) -> Result<(), MelError> {
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(index) => Err(MelError::NonFinite { index: first + index, value: samples[index] }),
        None => Ok(()),
    }
}

// The loops below hold no instruction of any processor: compiled once for each kind that there is,
// they become vectors by themselves, and the same bits on all, since nothing is fused.

/// A frame into the transform's buffer.
struct Windowing<'a> {
    plan: &'a LogMelPlan,
    samples: Held<'a>,
    start: isize,
    scratch: &'a mut LogMelScratch,
}

impl WithSimd for Windowing<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (window, padding) = (&self.plan.window, self.plan.config.padding);
        let frame = &mut self.scratch.spectrum.frame;
        windowed_frame(self.samples, self.start, window, padding, frame);
    }
}

/// From the transform to decibels.
struct Weighing<'a> {
    plan: &'a LogMelPlan,
    scratch: &'a mut LogMelScratch,
    bands: &'a mut [f32],
}

impl WithSimd for Weighing<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { plan, scratch, bands } = self;
        powers(&scratch.spectrum.bins, &mut scratch.powers);
        plan.filter_bank.apply(&scratch.powers, &mut scratch.bands);
        // A power that is no normal number has no exponent that `decibels` could read.
        let amin = plan.config.amin.max(f64::MIN_POSITIVE);
        for (value, power) in bands.iter_mut().zip(&scratch.bands) {
            *value = decibels(power.max(amin)) as f32;
        }
    }
}
