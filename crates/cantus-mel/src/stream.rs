use crate::{LogMel, LogMelPlan, LogMelScratch, MelError, framing::Held, plan::check_finite};

/// Samples taken in at once: what is held of them stays small however they come.
const BLOCK: usize = 1 << 14;

/// A spectrogram in the making, of samples that come in pieces.
///
/// The pieces may have any lengths: the spectrogram is that of
/// [`LogMelPlan::compute`](crate::LogMelPlan::compute) to the last bit. Of the samples a window and
/// 16,384 more are held at most, and all frames so far, since the loudest of them sets the floor of
/// all.
///
/// ```
/// use cantus_mel::{LogMelPlan, MelConfig};
///
/// let samples: Vec<f32> = (0..40_000).map(|i| (i % 100) as f32 / 100.0).collect();
/// let plan = LogMelPlan::new(&MelConfig::paper())?;
/// let mut stream = plan.stream();
/// for packet in samples.chunks(1_152) {
///     stream.push(packet)?;
/// }
/// assert_eq!(stream.finish()?, plan.compute(&samples)?);
/// # Ok::<(), cantus_mel::MelError>(())
/// ```
#[derive(Debug)]
pub struct LogMelStream<'a> {
    plan: &'a LogMelPlan,
    scratch: LogMelScratch,
    /// The samples that frames to come still need.
    held: Vec<f32>,
    /// Position of the first of them in the signal.
    first_held: usize,
    /// Of all frames so far.
    values: Vec<f32>,
    n_frames: usize,
}

impl<'a> LogMelStream<'a> {
    pub(crate) fn new(plan: &'a LogMelPlan) -> Self {
        Self {
            plan,
            scratch: plan.make_scratch(),
            held: Vec::new(),
            first_held: 0,
            values: Vec::new(),
            n_frames: 0,
        }
    }

    /// Makes room for the frames of a signal of about so many samples. Where there is none for so
    /// many, nothing happens.
    pub fn reserve(&mut self, samples: usize) {
        let frames = self.plan.frames(samples).saturating_sub(self.n_frames);
        // It saves copies and is no more than that: what is pushed makes its own room.
        let _ = self.values.try_reserve(frames.saturating_mul(self.plan.config().n_mels));
    }

    /// Samples taken in so far.
    pub fn samples(&self) -> usize {
        self.first_held + self.held.len()
    }

    /// Takes in the next samples, at the plan's rate.
    ///
    /// # Errors
    ///
    /// [`MelError::NonFinite`], with the position in the whole signal. Nothing of `samples` is
    /// taken in then.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), MelError> {
        check_finite(samples, self.samples())?;
        for block in samples.chunks(BLOCK) {
            self.held.extend_from_slice(block);
            self.process_whole_frames();
            self.let_go();
        }
        Ok(())
    }

    /// The spectrogram of all samples.
    ///
    /// # Errors
    ///
    /// [`MelError::Empty`] or [`MelError::TooShort`], as in
    /// [`LogMelPlan::process`](crate::LogMelPlan::process).
    pub fn finish(mut self) -> Result<LogMel, MelError> {
        self.plan.check_length(self.samples())?;
        let n_frames = self.plan.frames(self.samples());
        while self.n_frames < n_frames {
            self.process_next();
        }
        self.plan.raise_to_floor(&mut self.values);
        Ok(LogMel { n_frames, n_mels: self.plan.config().n_mels, values: self.values })
    }

    /// All frames whose samples are there, those that the first frames mirror included.
    fn process_whole_frames(&mut self) {
        let n_fft = self.plan.config().n_fft as isize;
        let end = self.samples() as isize;
        loop {
            let start = self.plan.start_of(self.n_frames);
            if start.saturating_add(n_fft) > end || -start >= end {
                return;
            }
            self.process_next();
        }
    }

    fn process_next(&mut self) {
        let done = self.values.len();
        self.values.resize(done + self.plan.config().n_mels, 0.0);
        let samples = Held::tail(self.first_held, &self.held);
        let bands = &mut self.values[done..];
        self.plan.process_frame(samples, self.n_frames, &mut self.scratch, bands);
        self.n_frames += 1;
    }

    /// Drops the samples that no frame to come needs.
    fn let_go(&mut self) {
        // The last frame is centred on the last sample or just behind it: mirrored, its half reaches
        // back to the sample before its start.
        let start = self.plan.start_of(self.n_frames).saturating_sub(1);
        let needed_from = usize::try_from(start).unwrap_or(0);
        let gone = needed_from.saturating_sub(self.first_held).min(self.held.len());
        self.held.drain(..gone);
        self.first_held += gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MelConfig, Padding};
    use proptest::prelude::*;

    fn any_config() -> impl Strategy<Value = MelConfig> {
        (2_usize..300, 1_usize..400, any::<bool>(), any::<bool>()).prop_map(
            |(n_fft, hop_length, reflects, has_floor)| MelConfig {
                n_fft,
                hop_length,
                n_mels: 5,
                padding: if reflects { Padding::Reflect } else { Padding::Zero },
                top_db: has_floor.then_some(30.0),
                ..MelConfig::paper()
            },
        )
    }

    #[test]
    fn room_for_more_than_there_is_is_not_made() {
        let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
        let mut stream = plan.stream();
        stream.reserve(usize::MAX);
        stream.push(&vec![0.5; 5_000]).unwrap();
        assert_eq!(stream.finish(), plan.compute(&vec![0.5; 5_000]));
    }

    #[test]
    fn a_signal_of_many_blocks_gives_the_bits_of_the_whole() {
        let samples: Vec<f32> =
            (0..100_000_u32).map(|i| (i * i % 1_999) as f32 / 1_999.0).collect();
        let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
        for piece in [1_023, 16_384, 16_385, 40_000, 100_000] {
            let mut stream = plan.stream();
            for piece in samples.chunks(piece) {
                stream.push(piece).unwrap();
            }
            assert_eq!(stream.finish(), plan.compute(&samples), "{piece}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_of_any_lengths_give_the_bits_of_the_whole(
            config in any_config(),
            pieces in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 0..200), 0..12),
        ) {
            let plan = LogMelPlan::new(&config).unwrap();
            let mut stream = plan.stream();
            for piece in &pieces {
                stream.push(piece).unwrap();
            }
            prop_assert_eq!(stream.finish(), plan.compute(&pieces.concat()));
        }
    }

    #[test]
    fn a_long_signal_is_not_held() {
        let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
        let mut stream = plan.stream();
        for _ in 0..20 {
            stream.push(&vec![0.25; 100_000]).unwrap();
            assert!(stream.held.len() < 4 * 2048, "{} samples are held", stream.held.len());
        }
        assert_eq!(stream.samples(), 2_000_000);
        assert_eq!(stream.finish().unwrap().n_frames, plan.frames(2_000_000));
    }

    #[test]
    fn a_sample_that_is_no_number_is_named_by_its_place_in_the_signal() {
        let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
        let mut stream = plan.stream();
        stream.push(&vec![0.0; 5_000]).unwrap();
        let refused = stream.push(&[0.0, f32::INFINITY]);
        assert_eq!(refused, Err(MelError::NonFinite { index: 5_001, value: f32::INFINITY }));
        assert_eq!(stream.samples(), 5_000);
    }
}
