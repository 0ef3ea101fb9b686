//! A model as ONNX, for other programs to run.

mod graph;
mod layers;
mod message;

use graph::{Axis, Value};
use message::Message;

use crate::{CrnnError, ModelFile};

pub(crate) use layers::OnnxLayers;

/// Of the files that [`ModelFile::to_onnx`] writes: names of inputs, outputs and metadata.
const FORMAT_VERSION: u32 = 1;

/// ONNX 1.8, of 2020: what nearly every program reads.
const IR_VERSION: i64 = 7;
const OPERATORS_VERSION: i64 = 13;

/// A protocol buffer's length is a positive `i32` to most who read it.
const MAX_ONNX_BYTES: u64 = i32::MAX as u64;

const INPUT: &str = "log_mel";
const PROBABILITIES: &str = "probabilities";
const EMBEDDING: &str = "embedding";

/// Fields of `onnx.ModelProto`.
mod model_field {
    pub(super) const IR_VERSION: u64 = 1;
    pub(super) const PRODUCER_NAME: u64 = 2;
    pub(super) const PRODUCER_VERSION: u64 = 3;
    pub(super) const GRAPH: u64 = 7;
    pub(super) const OPERATOR_SET: u64 = 8;
    pub(super) const METADATA: u64 = 14;
}

/// The field of `onnx.OperatorSetIdProto` beside the domain, which for ONNX' own operators is empty.
const OPERATOR_SET_VERSION: u64 = 2;

/// Fields of `onnx.StringStringEntryProto`.
mod entry_field {
    pub(super) const KEY: u64 = 1;
    pub(super) const VALUE: u64 = 2;
}

impl ModelFile {
    /// The model as ONNX (operator set 13), in evaluation: by running statistics and without
    /// dropout. A pure function of this value.
    ///
    /// | | name | shape, f32 | |
    /// |---|---|---|---|
    /// | input | `log_mel` | `[clip, mel, frame]` | decibel, as [`Model::forward`](crate::Model::forward) takes it |
    /// | output | `probabilities` | `[clip, class]` | of the classes, in the order of `labels` |
    /// | output | `embedding` | `[clip, unit]` | the last recurrent state, which the dense layer sees |
    ///
    /// Any number of clips and of frames will do, if there are at least
    /// [`ModelConfig::minimum_frames`](crate::ModelConfig::minimum_frames); the model was trained on
    /// clips of `frames_per_clip`. Metadata, all of it text:
    ///
    /// | key | |
    /// |---|---|
    /// | `labels` | the class names by index, a JSON array |
    /// | `frames_per_clip`, `minimum_frames` | decimal |
    /// | `front_end.KEY` | each of the front end's settings |
    /// | `cantus_version` | of the crate that wrote it |
    /// | `format_version` | of these names: 1 |
    ///
    /// Shorter clips have to be refused before: onnxruntime makes one of an incomplete window where
    /// there is no other.
    ///
    /// Keras' form asks of GRU and LSTM nodes a hard sigmoid, `0.2 v + 0.5` between 0 and 1, as their
    /// first activation: a program that does not heed the attribute `activations` of these nodes
    /// gives other probabilities.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes); [`CrnnError::OnnxSize`] where the weights are more than a
    /// protocol buffer may hold.
    pub fn to_onnx(&self) -> Result<Vec<u8>, CrnnError> {
        let numbers: u64 = self.tensors.values().map(|tensor| tensor.elem_count() as u64).sum();
        // Before copies are made of them.
        check_length(numbers.saturating_mul(size_of::<f32>() as u64))?;
        self.check()?;
        let mut layers = OnnxLayers::new(&self.tensors, INPUT);
        self.config.architecture().add_to_onnx(&mut layers)?;
        layers.dense("logits")?;
        layers.softmax(PROBABILITIES);
        let outputs = [
            Value {
                name: PROBABILITIES,
                axes: vec![Axis::Free("clip"), Axis::Fixed(self.config.classes())],
                documentation: "Of the classes, in the order of the metadata's labels.",
            },
            Value {
                name: EMBEDDING,
                axes: vec![Axis::Free("clip"), Axis::Fixed(self.config.embedding_size())],
                documentation: "The last recurrent state.",
            },
        ];
        let input = Value {
            name: INPUT,
            axes: vec![Axis::Free("clip"), Axis::Fixed(self.config.n_mels()), Axis::Free("frame")],
            documentation: "Log-mel spectrograms in decibel.",
        };
        let mut model = Message::default()
            .integer(model_field::IR_VERSION, IR_VERSION)
            .text(model_field::PRODUCER_NAME, "cantus")
            .text(model_field::PRODUCER_VERSION, env!("CARGO_PKG_VERSION"))
            .message(
                model_field::GRAPH,
                &layers.into_graph().into_message("cantus", &[input], &outputs),
            )
            .message(
                model_field::OPERATOR_SET,
                &Message::default().integer(OPERATOR_SET_VERSION, OPERATORS_VERSION),
            );
        for (key, value) in self.onnx_metadata()? {
            let entry =
                Message::default().text(entry_field::KEY, &key).text(entry_field::VALUE, &value);
            model = model.message(model_field::METADATA, &entry);
        }
        let bytes = model.into_bytes();
        check_length(bytes.len() as u64)?;
        Ok(bytes)
    }

    fn onnx_metadata(&self) -> Result<Vec<(String, String)>, CrnnError> {
        let mut entries = vec![
            ("format_version".to_owned(), FORMAT_VERSION.to_string()),
            ("cantus_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("labels".to_owned(), serde_json::to_string(&self.labels)?),
            ("frames_per_clip".to_owned(), self.frames_per_clip.to_string()),
            ("minimum_frames".to_owned(), self.config.minimum_frames().to_string()),
        ];
        entries.extend(
            self.front_end.iter().map(|(key, value)| (format!("front_end.{key}"), value.clone())),
        );
        Ok(entries)
    }
}

fn check_length(bytes: u64) -> Result<(), CrnnError> {
    if bytes > MAX_ONNX_BYTES {
        return Err(CrnnError::OnnxSize { bytes });
    }
    Ok(())
}
