//! Where clips come from.

use cantus_cache::SpectrogramStore;

/// The error of a [`ClipSource`].
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Spectrograms of songs, addressed by their place in the source, out of which clips are cut.
///
/// Read from a background thread while the network works on an earlier batch.
pub trait ClipSource: Send + Sync {
    /// Mel bands of every spectrogram.
    fn n_mels(&self) -> usize;

    /// Frames of a song, or `None` where there is no such song.
    fn n_frames(&self, song: usize) -> Option<usize>;

    /// Writes `n_frames` frames of a song into `out`, mel-major: `out[band * n_frames + frame]`,
    /// `n_mels * n_frames` values.
    ///
    /// # Errors
    /// The source's own, such as a file that went away.
    fn read_clip(
        &self,
        song: usize,
        first_frame: usize,
        n_frames: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError>;
}

impl ClipSource for SpectrogramStore {
    fn n_mels(&self) -> usize {
        self.n_mels()
    }

    fn n_frames(&self, song: usize) -> Option<usize> {
        self.n_frames(song)
    }

    fn read_clip(
        &self,
        song: usize,
        first_frame: usize,
        n_frames: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        Ok(self.read_clip(song, first_frame, n_frames, out)?)
    }
}
