use std::path::PathBuf;

use candle_core::DType;

/// Why a model could not be built, run, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrnnError {
    /// A setting of the configuration makes no sense.
    #[error("model configuration: `{field}` {problem}")]
    Config {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },

    /// The input is not `[batch, mel, frame]` with the bands that the model was built for.
    #[error("expected input of shape [batch, {n_mels}, frame], got {got:?}")]
    InputShape {
        /// Mel bands of the model.
        n_mels: usize,
        /// The input's shape.
        got: Vec<usize>,
    },

    /// The input is so short that convolution and pooling leave no frame of it.
    #[error("expected clips of at least {minimum} frames, got {got}: the network would see none")]
    TooFewFrames {
        /// Frames that leave one recurrent step.
        minimum: usize,
        /// Frames of the input.
        got: usize,
    },

    /// A tensor that the model needs was not given.
    #[error("tensor `{name}` is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },

    /// A tensor was given that the model knows nothing of.
    #[error("tensor `{name}` is not part of this model")]
    UnknownTensor {
        /// Its name.
        name: String,
    },

    /// A tensor has another shape than the configuration says.
    #[error("tensor `{name}`: expected shape {expected:?}, got {got:?}")]
    TensorShape {
        /// Its name.
        name: String,
        /// The shape by the configuration.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
    },

    /// A tensor's elements are of a type that cannot be used here.
    #[error("tensor `{name}`: expected {expected} elements, got {got}")]
    ElementType {
        /// Its name.
        name: String,
        /// What could be used.
        expected: &'static str,
        /// What it has.
        got: String,
    },

    /// A tensor holds NaN or an infinity.
    #[error("tensor `{name}` holds values that are not finite")]
    NotFinite {
        /// Its name.
        name: String,
    },

    /// A running variance is negative.
    #[error("tensor `{name}` holds a negative variance")]
    NegativeVariance {
        /// Its name.
        name: String,
    },

    /// A model of another element type than f32 or f64 was asked for.
    #[error("expected f32 or f64 as the model's element type, got {got:?}")]
    ModelElementType {
        /// What was asked for.
        got: DType,
    },

    /// The file is no safetensors file, or its header contradicts its size.
    #[error("not a valid safetensors file")]
    SafeTensors(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The file's metadata is not what this crate writes.
    #[error("model metadata: {problem}")]
    Metadata {
        /// What is wrong.
        problem: String,
    },

    /// The metadata is not the JSON that it should be.
    #[error("model metadata cannot be read or written as JSON")]
    Json(#[from] serde_json::Error),

    /// The file is sound in form, and not what was written.
    #[error("its digest does not agree with its contents: the file is damaged or was edited")]
    Digest,

    /// The list of class labels does not fit the model.
    #[error("class labels: {problem}")]
    Labels {
        /// What is wrong.
        problem: String,
    },

    /// The scores of songs by known and by unknown artists are missing, out of order or not from 0 to 1.
    #[error("{problem}")]
    OpenSet {
        /// What is wrong.
        problem: String,
    },

    /// The weights are more than an ONNX file can hold.
    #[error(
        "as ONNX the model would take {bytes} bytes, more than the 2^31 - 1 that the format allows"
    )]
    OnnxSize {
        /// At least so many.
        bytes: u64,
    },

    /// A file could not be read.
    #[error("cannot read model `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },

    /// A file could be read, but is no model that can be used.
    #[error("model `{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<CrnnError>,
    },

    /// An operation of `cantus-kernels` failed.
    #[error(transparent)]
    Kernel(#[from] cantus_kernels::KernelError),

    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl CrnnError {
    /// What can be done about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { source, .. } => source.hint(),
            Self::Io { .. } => Some("a model is the `model.safetensors` that a training leaves"),
            Self::SafeTensors(_) => Some(
                "the file is cut short or no model at all: copy it again, or name the \
             `model.safetensors` that a training leaves",
            ),
            Self::Metadata { .. } | Self::Json(_) => Some(
                "name a `model.safetensors` that a training of this version leaves; a checkpoint is \
             none, nor are weights of other programs",
            ),
            Self::Labels { .. }
            | Self::MissingTensor { .. }
            | Self::UnknownTensor { .. }
            | Self::TensorShape { .. }
            | Self::ElementType { .. }
            | Self::NotFinite { .. }
            | Self::OpenSet { .. }
            | Self::Digest
            | Self::NegativeVariance { .. } => {
                Some("the file was changed after the training: copy it again, or train anew")
            }
            _ => None,
        }
    }

    /// Keeps the library's type, and so its version, out of this crate's interface.
    pub(crate) fn safetensors(error: safetensors::SafeTensorError) -> Self {
        Self::SafeTensors(Box::new(error))
    }
}
