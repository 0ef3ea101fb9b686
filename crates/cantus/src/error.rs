use cantus_audio::{AudioError, Origin};
use cantus_crnn::CrnnError;
use cantus_mel::MelError;

/// Why a model cannot be used, or a recording's artist not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CantusError {
    /// The model file cannot be read or is none, or its network failed.
    #[error(transparent)]
    Model(#[from] CrnnError),
    /// The model was trained on spectrograms that this crate cannot make, by this setting.
    #[error("the model's front end cannot be made here: `{key}` is `{value}`, expected {expected}")]
    FrontEnd {
        /// The key in the model file.
        key: String,
        /// What stands there.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// The model's settings of the mel spectrogram are missing, unknown or unusable.
    #[error("the model's front end cannot be made here")]
    Mel {
        /// Which of them, and how.
        source: MelError,
    },
    /// The network takes other spectrograms than the front end of its own file makes.
    #[error("the model's front end makes {front_end} mel bands, its network takes {network}")]
    Bands {
        /// Bands by the front end.
        front_end: usize,
        /// Bands by the network.
        network: usize,
    },
    /// The recording cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The samples have no spectrogram.
    #[error("the samples cannot be used")]
    Samples {
        /// Which of them, and why.
        source: MelError,
    },
    /// There is less to hear than one clip of the model.
    #[error(
        "{origin} is too short: {seconds:.2} s were heard, and a clip of the model takes {}",
        rounded_up(*needed_seconds)
    )]
    TooShort {
        /// What was heard.
        origin: Origin,
        /// How much of it there is.
        seconds: f64,
        /// How much there must be.
        needed_seconds: f64,
    },
    /// The network's answer is no number: its weights are too large for what it heard.
    #[error("the model answers with numbers that are not finite")]
    NotFinite,
    /// The observer of [`Identifier::identify_observed`](crate::Identifier::identify_observed)
    /// said to stop.
    #[error("stopped before the end")]
    Stopped,
}

impl CantusError {
    /// What can be done about it, if anything.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Model(error) => error.hint().map(str::to_owned),
            Self::NotFinite => {
                Some("its training went astray, or it was made up: train it anew".to_owned())
            }
            Self::FrontEnd { .. } | Self::Mel { .. } => Some(
                "the model is of another version or of another program's making: train it anew \
                 with this one"
                    .to_owned(),
            ),
            Self::Audio(error) => error.hint(),
            Self::TooShort { .. } => {
                Some("take a longer recording, or a model trained on shorter clips".to_owned())
            }
            Self::Bands { .. } | Self::Samples { .. } | Self::Stopped => None,
        }
    }
}

/// Hundredths of a second that do suffice.
fn rounded_up(seconds: f64) -> String {
    // What is whole in hundredths must not become one more by rounding in binary.
    format!("{:.2} s", (seconds * 100.0 - 1e-6).ceil() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_that_are_said_to_be_needed_suffice() {
        for (seconds, said) in [(2.976, "2.98 s"), (2.9701, "2.98 s"), (0.99, "0.99 s")] {
            assert_eq!(rounded_up(seconds), said);
        }
    }

    #[test]
    fn the_hint_of_a_file_is_that_of_what_is_wrong_inside() {
        let inner = CrnnError::Labels { problem: "2 labels for 3 classes".to_owned() };
        let path = "a.safetensors".into();
        let error = CantusError::Model(CrnnError::File { path, source: Box::new(inner) });
        assert!(error.hint().unwrap().contains("changed after the training"));
    }
}
