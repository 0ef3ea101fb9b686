use crate::MelError;

/// A log-mel spectrogram in decibels.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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

/// How many frames time-major `values` consist of; `setting` names `per_frame` in the error.
pub(crate) fn count_frames(
    values: &[f32],
    setting: &'static str,
    per_frame: usize,
) -> Result<usize, MelError> {
    if per_frame == 0 {
        return Err(MelError::Setting {
            setting,
            value: per_frame.to_string(),
            expected: "1 or more".to_owned(),
        });
    }
    if !values.len().is_multiple_of(per_frame) {
        return Err(MelError::RaggedFrames { values: values.len(), per_frame });
    }
    Ok(values.len() / per_frame)
}
