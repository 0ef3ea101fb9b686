//! From any rate to any other.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::AudioError;

/// Lowest rate in Hz that [`Resampler`] takes.
pub const MIN_RATE: u32 = 1_000;

/// Highest rate in Hz that [`Resampler`] takes.
pub const MAX_RATE: u32 = 768_000;

/// Least length of the anti-aliasing filter in samples of the lower of the two rates.
///
/// With it the pass band ends at about 0.91 of the lower Nyquist frequency and the stop band
/// begins at it, as in soxr's quality HQ, librosa's default.
const FILTER_LEN: usize = 320;

/// Resamples a stream of any length, chunk by chunk.
///
/// The filter has linear phase and its delay is compensated, so that nothing shifts in time;
/// before the start and after the end is silence. The pass band reaches 0.91 of the lower Nyquist
/// frequency, what lies above that frequency is at least 80 dB down. A signal of `n` samples
/// becomes one of `ceil(n * to / from)`, as in `librosa.resample`. Filtering is done in f64, by
/// Fourier transform.
///
/// Memory depends on the rates alone, never on the signal: under 1 MB for every usual pair. A
/// block holds a whole number of periods of both rates, so it grows where they have a small common
/// divisor: 44101 to 16000 Hz takes about 10 MB, two coprime rates near [`MAX_RATE`] some 200 MB.
/// The filter grows with it, and its edge becomes that much steeper.
///
/// ```
/// # fn main() -> Result<(), cantus_audio::AudioError> {
/// let mut resampler = cantus_audio::Resampler::new(44_100, 16_000)?;
/// let mut output = Vec::new();
/// for chunk in vec![0.0; 44_100].chunks(1_000) {
///     resampler.process(chunk, &mut output)?;
/// }
/// resampler.finish(&mut output)?;
/// assert_eq!(output.len(), 16_000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` where both rates are the same.
    planned: Option<Planned>,
    samples_in: u64,
    samples_out: u64,
}

#[derive(Debug)]
struct Planned {
    engine: Fft<f64>,
    /// Zeros to put before the signal, so that the filter's delay is a whole number of samples at
    /// both rates.
    lead_in: usize,
    /// That delay in output samples, to be dropped.
    delay: usize,
    delay_left: usize,
    /// Samples waiting for a whole block.
    input: Vec<f64>,
    block_in: usize,
    output: Vec<f64>,
}

impl Planned {
    fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let divisor = greatest_common_divisor(from, to);
        let (step_in, step_out) = ((from / divisor) as usize, (to / divisor) as usize);
        let steps = FILTER_LEN.div_ceil(step_in.min(step_out));
        let engine = Fft::new_custom(
            step_in,
            step_out,
            steps * step_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(refused)?;
        // The filter is as long as a block, its peak in the middle. `Fft::output_delay` rounds.
        let peak = engine.fft_size_in() / 2;
        let delay_in = peak.next_multiple_of(step_in);
        let delay = delay_in / step_in * step_out;
        let block_in = engine.input_frames_next();
        let output = vec![0.0; engine.output_frames_next()];
        let input = Vec::with_capacity(block_in);
        let lead_in = delay_in - peak;
        Ok(Self { engine, lead_in, delay, delay_left: delay, input, block_in, output })
    }

    /// Feeds the zeros that come before the signal.
    fn lead_in(&mut self, output: &mut Vec<f32>) -> Result<(), AudioError> {
        let mut left = self.lead_in;
        while left > 0 {
            let wanted = (self.block_in - self.input.len()).min(left);
            self.input.resize(self.input.len() + wanted, 0.0);
            left -= wanted;
            self.flush_if_full(output)?;
        }
        Ok(())
    }

    /// Takes samples until a block is full; returns what is left over.
    fn fill<'a>(&mut self, samples: &'a [f32]) -> &'a [f32] {
        let wanted = (self.block_in - self.input.len()).min(samples.len());
        let (taken, rest) = samples.split_at(wanted);
        self.input.extend(taken.iter().map(|sample| f64::from(*sample)));
        rest
    }

    fn flush_if_full(&mut self, output: &mut Vec<f32>) -> Result<(), AudioError> {
        if self.input.len() == self.block_in { self.flush(output) } else { Ok(()) }
    }

    /// Filters the block, filled up with silence, and appends what follows the delay.
    fn flush(&mut self, output: &mut Vec<f32>) -> Result<(), AudioError> {
        self.input.resize(self.block_in, 0.0);
        let room = self.output.len();
        let from = SequentialSlice::new(&self.input, 1, self.block_in).map_err(refused)?;
        let mut to = SequentialSlice::new_mut(&mut self.output, 1, room).map_err(refused)?;
        let (_, written) =
            self.engine.process_into_buffer(&from, &mut to, None).map_err(refused)?;
        self.input.clear();
        let dropped = self.delay_left.min(written);
        self.delay_left -= dropped;
        // Near the largest float the filter may overshoot it.
        let finite = |sample: &f64| (*sample as f32).clamp(f32::MIN, f32::MAX);
        output.extend(self.output[dropped..written].iter().map(finite));
        Ok(())
    }

    fn reset(&mut self) {
        self.engine.reset();
        self.input.clear();
        self.delay_left = self.delay;
    }
}

impl Resampler {
    /// Plans the filter and its transforms.
    ///
    /// # Errors
    ///
    /// If a rate lies outside [`MIN_RATE`]..=[`MAX_RATE`].
    pub fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let rates = MIN_RATE..=MAX_RATE;
        if !rates.contains(&from) || !rates.contains(&to) {
            return Err(AudioError::UnsupportedRate { from, to });
        }
        let planned = if from == to { None } else { Some(Planned::new(from, to)?) };
        Ok(Self { from, to, planned, samples_in: 0, samples_out: 0 })
    }

    /// Samples that `input_len` samples become: `ceil(input_len * to / from)`, in whole numbers.
    pub fn output_len(&self, input_len: u64) -> u64 {
        let exact = u128::from(input_len) * u128::from(self.to);
        exact.div_ceil(u128::from(self.from)) as u64
    }

    /// Takes the next samples and appends to `output` what they complete.
    ///
    /// Allocates nothing but room in `output`.
    ///
    /// # Errors
    ///
    /// [`AudioError::NonFiniteInput`] at a sample that is infinite or no number: nothing of `input`
    /// is taken then. If the underlying transform refuses, which would be a fault in this crate.
    pub fn process(&mut self, mut input: &[f32], output: &mut Vec<f32>) -> Result<(), AudioError> {
        if let Some(index) = input.iter().position(|sample| !sample.is_finite()) {
            let (index, value) = (self.samples_in + index as u64, input[index]);
            return Err(AudioError::NonFiniteInput { index, value });
        }
        let before = output.len();
        if let Some(planned) = &mut self.planned {
            if self.samples_in == 0 && !input.is_empty() {
                planned.lead_in(output)?;
            }
            self.samples_in += input.len() as u64;
            while !input.is_empty() {
                input = planned.fill(input);
                planned.flush_if_full(output)?;
            }
        } else {
            self.samples_in += input.len() as u64;
            output.extend_from_slice(input);
        }
        self.samples_out += (output.len() - before) as u64;
        Ok(())
    }

    /// Appends what the filter still holds, up to [`output_len`](Self::output_len), and makes the
    /// resampler ready for another signal.
    ///
    /// # Errors
    ///
    /// As [`process`](Self::process).
    pub fn finish(&mut self, output: &mut Vec<f32>) -> Result<(), AudioError> {
        // The delay keeps `process` from ever handing out more than this.
        let missing = self.output_len(self.samples_in).saturating_sub(self.samples_out) as usize;
        if let Some(planned) = &mut self.planned {
            let end = output.len() + missing;
            while output.len() < end {
                planned.flush(output)?;
            }
            output.truncate(end);
            planned.reset();
        }
        self.samples_in = 0;
        self.samples_out = 0;
        Ok(())
    }
}

/// Resamples a whole signal; a convenience over [`Resampler`].
///
/// # Errors
///
/// If a rate lies outside [`MIN_RATE`]..=[`MAX_RATE`], or a sample is infinite or no number.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, AudioError> {
    let mut resampler = Resampler::new(from, to)?;
    let mut output = Vec::with_capacity(resampler.output_len(samples.len() as u64) as usize);
    resampler.process(samples, &mut output)?;
    resampler.finish(&mut output)?;
    Ok(output)
}

fn refused(error: impl std::fmt::Display) -> AudioError {
    AudioError::Resample { reason: error.to_string() }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
