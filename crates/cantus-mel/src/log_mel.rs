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
