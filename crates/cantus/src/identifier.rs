use std::io::{Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use cantus_audio::{DecodeOptions, Decoder, Excerpt, Origin, Resampler};
use cantus_crnn::candle_core::{DType, Device, Tensor};
use cantus_crnn::{CrnnError, Forward, Mode, Model, ModelFile, OpenSet};
use cantus_mel::{LogMel, LogMelPlan, LogMelStream, MelError, Padding};

use crate::front_end::FrontEnd;
use crate::identification::{STRANGER_MEASURE, stranger_score, sum_up};
use crate::{CantusError, Identification, IdentifiedClip, Stranger, StrangerOdds};

/// Clips that go through the network at once.
const BATCH_SIZE: usize = 16;

/// Room for a recording of so many seconds is made by what its header says.
const MOST_SECONDS_BELIEVED: f64 = 1_200.0;

/// Samples that are resampled at once.
const BLOCK: usize = 1 << 14;

/// A trained model, ready to say who made a recording. Shared by reference between threads.
#[derive(Debug)]
pub struct Identifier {
    labels: Vec<String>,
    model: Model,
    frames_per_clip: usize,
    plan: LogMelPlan,
    excerpt: Excerpt,
    open_set: Option<OpenSet>,
}

/// How far an identification is, as [`Identifier::identify_observed`] tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// So much was decoded.
    Decoded {
        /// From the start of what is heard.
        seconds: f64,
    },
    /// So many clips went through the network.
    Identified {
        /// Clips done.
        clips: usize,
        /// All clips.
        of: usize,
    },
}

/// What was heard, beside its spectrogram.
struct Heard {
    origin: Origin,
    start_seconds: f64,
    samples: usize,
    damage: String,
}

/// What the network says of a batch.
struct Outputs {
    /// `[clip, class]`.
    probabilities: Vec<f32>,
    /// `[clip, unit]`, what the last layer sees.
    embeddings: Vec<f32>,
}

impl Identifier {
    /// Reads the model file that a training left, `model.safetensors`.
    ///
    /// # Errors
    ///
    /// [`CantusError::Model`] for a file that cannot be read or is no model, and whatever
    /// [`from_bytes`](Self::from_bytes) finds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CantusError> {
        Self::from_model_file(&ModelFile::read(path.as_ref())?)
    }

    /// As [`open`](Self::open), from the file's contents.
    ///
    /// # Errors
    ///
    /// [`CantusError::Model`] for bytes that are no model; [`CantusError::FrontEnd`],
    /// [`CantusError::Mel`] or [`CantusError::Bands`] for one that was trained on spectrograms that
    /// this crate cannot make.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CantusError> {
        Self::from_model_file(&ModelFile::from_bytes(bytes)?)
    }

    /// As [`from_bytes`](Self::from_bytes), from a file that was read already.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Self::from_bytes); [`CantusError::Model`] where labels, weights or the length of
    /// the clips do not fit the network.
    pub fn from_model_file(file: &ModelFile) -> Result<Self, CantusError> {
        file.check()?;
        let FrontEnd { mel, excerpt } = FrontEnd::read(&file.front_end)?;
        let (front_end, network) = (mel.n_mels, file.config.n_mels());
        if front_end != network {
            return Err(CantusError::Bands { front_end, network });
        }
        Ok(Self {
            labels: file.labels.clone(),
            model: file.model()?,
            frames_per_clip: file.frames_per_clip,
            plan: LogMelPlan::new(&mel).map_err(|source| CantusError::Mel { source })?,
            excerpt,
            // Scores of something else say nothing about ours.
            open_set: file.open_set.clone().filter(|of| of.measure() == STRANGER_MEASURE),
        })
    }

    /// The same model, hearing another part of each file than it was trained on: the whole, say, of
    /// songs of which the training had a part from the middle.
    #[must_use]
    pub fn with_excerpt(self, excerpt: Excerpt) -> Self {
        Self { excerpt, ..self }
    }

    /// The artists that the model knows, by class.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Which part of a file is heard.
    pub fn excerpt(&self) -> Excerpt {
        self.excerpt
    }

    /// Length of a clip.
    pub fn clip_seconds(&self) -> f64 {
        self.frames_per_clip as f64 * self.seconds_per_frame()
    }

    /// How long a recording must be.
    pub fn needed_seconds(&self) -> f64 {
        self.needed_samples() as f64 / f64::from(self.plan.config().sample_rate)
    }

    /// Says who made the music in a file.
    ///
    /// # Errors
    ///
    /// [`CantusError::Audio`] for a file that cannot be decoded, [`CantusError::TooShort`] for one
    /// shorter than a clip, [`CantusError::Model`] if the network fails.
    pub fn identify(&self, path: impl AsRef<Path>) -> Result<Identification, CantusError> {
        self.identify_observed(path, |_| ControlFlow::Continue(()))
    }

    /// As [`identify`](Self::identify), telling `observe` after each packet and each 16 clips how
    /// far it is.
    ///
    /// # Errors
    ///
    /// As [`identify`](Self::identify), and [`CantusError::Stopped`] where `observe` breaks off.
    pub fn identify_observed(
        &self,
        path: impl AsRef<Path>,
        mut observe: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Identification, CantusError> {
        self.hear(Decoder::open(path.as_ref(), &self.decode_options())?, &mut observe)
    }

    /// As [`identify`](Self::identify), from the start of any reader. The hint is the usual
    /// extension of such files, used in error messages: the bytes decide.
    ///
    /// # Errors
    ///
    /// As [`identify`](Self::identify).
    pub fn identify_reader<R>(
        &self,
        reader: R,
        extension_hint: Option<&str>,
    ) -> Result<Identification, CantusError>
    where
        R: Read + Seek + Send + Sync + 'static,
    {
        let decoder = Decoder::from_reader(reader, extension_hint, &self.decode_options())?;
        self.hear(decoder, &mut |_| ControlFlow::Continue(()))
    }

    /// Says who made the music in mono `samples`, of which all are heard: what part of a file is
    /// heard, [`excerpt`](Self::excerpt), says nothing about them.
    ///
    /// # Errors
    ///
    /// [`CantusError::Audio`] for a sample rate that cannot be changed into the model's,
    /// [`CantusError::Audio`] or [`CantusError::Samples`] for a sample that is infinite or no number,
    /// [`CantusError::TooShort`] and [`CantusError::Model`] as in [`identify`](Self::identify).
    pub fn identify_samples(
        &self,
        samples: &[f32],
        sample_rate: u32,
    ) -> Result<Identification, CantusError> {
        let mut resampler = Resampler::new(sample_rate, self.plan.config().sample_rate)?;
        let (mut stream, mut resampled) = (self.plan.stream(), Vec::new());
        for block in samples.chunks(BLOCK) {
            resampler.process(block, &mut resampled)?;
            push(&mut stream, &mut resampled)?;
        }
        resampler.finish(&mut resampled)?;
        push(&mut stream, &mut resampled)?;
        let heard = Heard {
            origin: Origin::Samples,
            start_seconds: 0.0,
            samples: stream.samples(),
            damage: String::new(),
        };
        self.tell(stream, heard, &mut |_| ControlFlow::Continue(()))
    }

    fn decode_options(&self) -> DecodeOptions {
        DecodeOptions {
            sample_rate: Some(self.plan.config().sample_rate),
            excerpt: self.excerpt,
            ..DecodeOptions::default()
        }
    }

    fn hear(
        &self,
        mut decoder: Decoder,
        observe: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Identification, CantusError> {
        let rate = f64::from(decoder.sample_rate());
        let (mut stream, mut samples) = (self.plan.stream(), Vec::new());
        // Saves copies of a usual song; a header that lies about its length gets no more.
        let most_seconds = match self.excerpt {
            Excerpt::Whole => MOST_SECONDS_BELIEVED,
            Excerpt::First { seconds } | Excerpt::Middle { seconds } => {
                seconds.min(MOST_SECONDS_BELIEVED)
            }
        };
        stream.reserve((decoder.source().seconds.min(most_seconds) * rate) as usize);
        while decoder.read(&mut samples)? {
            push(&mut stream, &mut samples)?;
            go_on(observe, Progress::Decoded { seconds: stream.samples() as f64 / rate })?;
        }
        let heard = Heard {
            origin: decoder.origin().clone(),
            start_seconds: decoder.start_seconds(),
            samples: stream.samples(),
            damage: decoder.damage().describe(),
        };
        self.tell(stream, heard, observe)
    }

    /// From a whole spectrogram to its artist.
    fn tell(
        &self,
        stream: LogMelStream<'_>,
        heard: Heard,
        observe: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Identification, CantusError> {
        let Heard { origin, start_seconds, samples, damage } = heard;
        let seconds = samples as f64 / f64::from(self.plan.config().sample_rate);
        if samples < self.needed_samples() {
            let needed_seconds = self.needed_seconds();
            return Err(CantusError::TooShort { origin, seconds, needed_seconds });
        }
        let mel = stream.finish().map_err(|source| CantusError::Samples { source })?;
        let of = mel.n_frames / self.frames_per_clip;
        let mut clips = Vec::with_capacity(of);
        while clips.len() < of {
            let first = clips.len();
            let Outputs { probabilities, embeddings } =
                self.outputs(&mel, first..(first + BATCH_SIZE).min(of))?;
            let rows = probabilities
                .chunks_exact(self.labels.len())
                .zip(embeddings.chunks_exact(self.model.config().embedding_size()));
            clips.extend((first..).zip(rows).map(|(clip, (row, embedding))| IdentifiedClip {
                start_seconds: start_seconds
                    + (clip * self.frames_per_clip) as f64 * self.seconds_per_frame(),
                probabilities: row.to_vec(),
                embedding: embedding.to_vec(),
            }));
            go_on(observe, Progress::Identified { clips: clips.len(), of })?;
        }
        let (ranking, vote) = sum_up(&self.labels, &clips);
        let stranger = self.stranger(&clips);
        Ok(Identification {
            ranking,
            vote,
            clips,
            clip_seconds: self.clip_seconds(),
            start_seconds,
            seconds,
            damage: (!damage.is_empty()).then_some(damage),
            stranger,
        })
    }

    fn stranger(&self, clips: &[IdentifiedClip]) -> Stranger {
        let score = stranger_score(clips.iter().map(|clip| clip.embedding.as_slice()));
        let odds = self.open_set.as_ref().map(|open_set| StrangerOdds {
            false_alarms: open_set.known_from(score),
            found: open_set.unknown_from(score),
        });
        Stranger { score, odds }
    }

    /// What the network says of some clips.
    fn outputs(&self, mel: &LogMel, clips: std::ops::Range<usize>) -> Result<Outputs, CantusError> {
        let (frames, bands) = (self.frames_per_clip, mel.n_mels);
        let mut values = vec![0.0; clips.len() * bands * frames];
        for (clip, values) in clips.clone().zip(values.chunks_exact_mut(bands * frames)) {
            let decibels = &mel.values[clip * frames * bands..][..frames * bands];
            // Time-major as it was made, band by band as the network reads it.
            for (frame, row) in decibels.chunks_exact(bands).enumerate() {
                for (band, &decibel) in row.iter().enumerate() {
                    values[band * frames + frame] = decibel;
                }
            }
        }
        let of_candle = CrnnError::from;
        let input = Tensor::from_vec(values, (clips.len(), bands, frames), &Device::Cpu)
            .map_err(of_candle)?;
        let Forward { logits, embedding, .. } = self.model.forward(&input, Mode::Evaluation)?;
        let mut logits: Vec<f64> = logits
            .to_dtype(DType::F64)
            .and_then(|logits| logits.flatten_all()?.to_vec1())
            .map_err(of_candle)?;
        logits.chunks_exact_mut(self.labels.len()).for_each(softmax);
        let outputs = Outputs {
            probabilities: logits.into_iter().map(|probability| probability as f32).collect(),
            embeddings: embedding
                .to_dtype(DType::F32)
                .and_then(|embedding| embedding.flatten_all()?.to_vec1())
                .map_err(of_candle)?,
        };
        let Outputs { probabilities, embeddings } = &outputs;
        if probabilities.iter().chain(embeddings).all(|number| number.is_finite()) {
            Ok(outputs)
        } else {
            Err(CantusError::NotFinite)
        }
    }

    fn seconds_per_frame(&self) -> f64 {
        let config = self.plan.config();
        config.hop_length as f64 / f64::from(config.sample_rate)
    }

    /// The least samples, at the model's rate, of which there is a clip.
    fn needed_samples(&self) -> usize {
        let config = self.plan.config();
        let least = match config.padding {
            Padding::Reflect => config.n_fft / 2 + 1,
            Padding::Zero => 1,
        };
        let last_frame = self.frames_per_clip.saturating_sub(1);
        last_frame.saturating_mul(config.hop_length).saturating_add(config.n_fft % 2).max(least)
    }
}

fn push(stream: &mut LogMelStream<'_>, samples: &mut Vec<f32>) -> Result<(), CantusError> {
    let pushed: Result<(), MelError> = stream.push(samples);
    samples.clear();
    pushed.map_err(|source| CantusError::Samples { source })
}

fn go_on(
    observe: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    progress: Progress,
) -> Result<(), CantusError> {
    match observe(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(CantusError::Stopped),
    }
}

/// Turns one clip's logits into probabilities in place.
fn softmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - largest).exp();
        sum += *value;
    }
    for value in row {
        *value /= sum;
    }
}
