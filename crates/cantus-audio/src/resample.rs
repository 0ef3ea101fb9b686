//! From any rate to any other.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::AudioError;

/// Lowest rate in Hz that [`Resampler`] takes.
pub const MIN_RATE: u32 = 1_000;

/// Highest rate in Hz that [`Resampler`] takes.
pub const MAX_RATE: u32 = 768_000;

/// Length of the anti-aliasing filter in samples of the lower of the two rates. Its passband
/// (flat to 1e-4 dB) ends at about 0.95 of the lower Nyquist frequency, its stop band begins at it.
const FILTER_LEN: usize = 1_024;

/// Resamples a stream of any length, chunk by chunk.
///
/// A linear-phase filter is applied in the frequency domain, in f64. The delay is compensated, so
/// that nothing shifts in time; before the start and after the end is silence. The output of a
/// signal of `n` samples has `ceil(n * to / from)`, as `librosa.resample` has.
///
/// Memory depends on the rates alone: a few hundred KB where they have a large common divisor, 6 MB
/// for 44101 to 16000 Hz, some 150 MB at the very worst (two coprime rates near [`MAX_RATE`]).
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
    fft: Fft<f64>,
    /// Samples waiting for a whole block.
    input: Vec<f64>,
    block_in: usize,
    output: Vec<f64>,
    /// Output samples of the filter's delay still to be dropped.
    delay_left: usize,
    delay: usize,
}

impl Planned {
    fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let divisor = greatest_common_divisor(from, to);
        let (step_in, step_out) = ((from / divisor) as usize, (to / divisor) as usize);
        // The filter's centre is at half a block, which is a whole number of samples on both
        // sides only if the blocks are even.
        let steps = FILTER_LEN.div_ceil(step_in.min(step_out)).next_multiple_of(2);
        let fft = Fft::new_custom(
            from as usize,
            to as usize,
            steps * step_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(refused)?;
        let block_in = fft.input_frames_next();
        let delay = fft.output_delay();
        Ok(Self {
            input: Vec::with_capacity(block_in),
            output: vec![0.0; fft.output_frames_next()],
            delay_left: delay,
            delay,
            block_in,
            fft,
        })
    }

    /// Takes samples until a block is full; returns what is left over.
    fn fill<'a>(&mut self, samples: &'a [f32]) -> &'a [f32] {
        let wanted = (self.block_in - self.input.len()).min(samples.len());
        let (taken, rest) = samples.split_at(wanted);
        self.input.extend(taken.iter().map(|sample| f64::from(*sample)));
        rest
    }

    /// Filters the full block and appends what follows the delay.
    fn flush(&mut self, output: &mut Vec<f32>) -> Result<(), AudioError> {
        self.input.resize(self.block_in, 0.0);
        let block_out = self.output.len();
        let from = SequentialSlice::new(&self.input, 1, self.block_in).map_err(refused)?;
        let mut to = SequentialSlice::new_mut(&mut self.output, 1, block_out).map_err(refused)?;
        self.fft.process_into_buffer(&from, &mut to, None).map_err(refused)?;
        self.input.clear();
        let dropped = self.delay_left.min(block_out);
        self.delay_left -= dropped;
        output.extend(self.output[dropped..].iter().map(|sample| *sample as f32));
        Ok(())
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
    /// If the underlying transform refuses, which would be a fault in this crate.
    pub fn process(&mut self, mut input: &[f32], output: &mut Vec<f32>) -> Result<(), AudioError> {
        self.samples_in += input.len() as u64;
        let before = output.len();
        let Some(planned) = &mut self.planned else {
            output.extend_from_slice(input);
            self.samples_out += input.len() as u64;
            return Ok(());
        };
        while !input.is_empty() {
            input = planned.fill(input);
            if planned.input.len() == planned.block_in {
                planned.flush(output)?;
            }
        }
        self.samples_out += (output.len() - before) as u64;
        Ok(())
    }

    /// Appends what the filter still holds, cut or filled to
    /// [`output_len`](Self::output_len), and makes the resampler ready for another signal.
    ///
    /// # Errors
    ///
    /// As [`process`](Self::process).
    pub fn finish(&mut self, output: &mut Vec<f32>) -> Result<(), AudioError> {
        let total = self.output_len(self.samples_in);
        if let Some(planned) = &mut self.planned {
            let start = output.len();
            while self.samples_out + ((output.len() - start) as u64) < total {
                planned.flush(output)?;
            }
            // A block may have run past the end before `finish` was called only by less than the
            // filter's delay, which is never handed out: so there is never too much before.
            let keep = total.saturating_sub(self.samples_out) as usize;
            output.truncate(start + keep);
            planned.fft.reset();
            planned.input.clear();
            planned.delay_left = planned.delay;
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
/// If a rate lies outside [`MIN_RATE`]..=[`MAX_RATE`].
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
