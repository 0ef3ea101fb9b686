//! The rows of an album's file: decoded from a song, or kept from the file as it was.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use cantus_audio::{AudioError, Decoder};
use cantus_cache::{AlbumFile, SongInfo};
use cantus_corpus::Song;
use cantus_mel::{LogMelPlan, MelError};

use crate::digest::Digest;
use crate::panics::contain;
use crate::stages::scan::Scanned;

use super::front_end::FrontEnd;
use super::index::FailedSong;

/// Room for a song of so many seconds is made by what its header says.
const MOST_SECONDS_BELIEVED: f64 = 1_200.0;

/// A row to be written.
pub(crate) struct Row {
    /// The file of the album, relative to the folder of spectrograms.
    pub(crate) file: Arc<str>,
    /// The song's id.
    pub(crate) id: String,
    /// Where its spectrogram comes from.
    pub(crate) source: RowSource,
}

impl Row {
    /// True where a song is decoded for it.
    pub(crate) fn is_decoded(&self) -> bool {
        matches!(self.source, RowSource::Decode { .. })
    }
}

/// Where a row's spectrogram comes from.
pub(crate) enum RowSource {
    /// From the song at this position of the scanned corpus.
    Decode {
        /// Index into the corpus' songs.
        position: usize,
    },
    /// From the album's file as it is.
    Keep,
}

/// What became of a row.
pub(crate) enum MadeRow {
    /// The song's spectrogram, time-major, in decibel.
    Spectrogram {
        /// The columns beside it.
        info: SongInfo,
        /// `n_frames` times `n_mels` values.
        mel: Vec<f32>,
    },
    /// The song cannot be used.
    Failed(FailedSong),
    /// The song is in the album's file but nowhere else any more.
    Gone,
}

/// Makes rows, on any thread.
pub(crate) struct RowMaker<'a> {
    /// The folder of spectrograms.
    pub(crate) folder: &'a Path,
    /// What to make of a song.
    pub(crate) front_end: &'a FrontEnd,
    /// The planned transform.
    pub(crate) plan: LogMelPlan,
    /// The songs.
    pub(crate) scanned: &'a Scanned,
}

impl RowMaker<'_> {
    /// Decodes or reads the row's spectrogram. Only an error of the cache is an error: a song that
    /// cannot be decoded is a [`MadeRow::Failed`].
    pub(crate) fn make(&self, row: &Row) -> Result<MadeRow> {
        match &row.source {
            RowSource::Keep => self.keep(row),
            RowSource::Decode { position } => {
                let song = &self.scanned.corpus.songs[*position];
                let hash = self.scanned.hashes[*position];
                Ok(self.decode(song, hash).unwrap_or_else(MadeRow::Failed))
            }
        }
    }

    fn keep(&self, row: &Row) -> Result<MadeRow> {
        let album = AlbumFile::open(self.folder.join(&*row.file))?;
        let position = album
            .songs()
            .iter()
            .position(|song| song.id == row.id)
            .with_context(|| format!("`{}` vanished from its album's file", row.id))?;
        let info = album.songs()[position].clone();
        if !self.is_there(&row.id) {
            return Ok(MadeRow::Gone);
        }
        let mel = album.read_mel(position)?;
        Ok(MadeRow::Spectrogram { info, mel })
    }

    /// True for a song of the corpus, and for one that `--max-songs` or a manifest leaves out as
    /// long as its file is there. The id says where that is; the stored path, which need not have
    /// been UTF-8, does not.
    fn is_there(&self, id: &str) -> bool {
        self.scanned.has(id)
            || cantus_corpus::path_of_song_id(id)
                .is_some_and(|path| self.scanned.corpus.root.join(path).exists())
    }

    fn decode(&self, song: &Song, hash: Digest) -> Result<MadeRow, FailedSong> {
        let path = self.scanned.corpus.full_path(song);
        let failed =
            |reason: String, hint: Option<String>| FailedSong { source_hash: hash, reason, hint };
        let work = || {
            let of_audio = |error: AudioError| failed(error.to_string(), error.hint());
            let of_mel = |error: MelError| failed(error.to_string(), mel_hint(&error));
            let mut decoder =
                Decoder::open(&path, &self.front_end.decode_options()).map_err(of_audio)?;
            let mut stream = self.plan.stream();
            // Saves copies of a usual song; a header that lies about its length gets no more.
            let most_seconds = self.front_end.max_seconds().unwrap_or(MOST_SECONDS_BELIEVED);
            let stated_seconds = decoder.source().seconds.min(most_seconds);
            stream.reserve((stated_seconds * f64::from(decoder.sample_rate())) as usize);
            let mut samples = Vec::new();
            let mut sound = SoundHasher::default();
            while decoder.read(&mut samples).map_err(of_audio)? {
                sound.update(&samples);
                stream.push(&samples).map_err(of_mel)?;
                samples.clear();
            }
            let seconds = stream.samples() as f64 / f64::from(decoder.sample_rate());
            Ok((decoder, sound, seconds, stream.finish().map_err(of_mel)?))
        };
        let (decoder, sound, seconds, mel) = contain(work)
            .unwrap_or_else(|panic| Err(failed(format!("its decoder panicked: {panic}"), None)))?;
        let info = SongInfo {
            id: song.id.clone(),
            artist: song.artist.clone(),
            album: song.album.clone(),
            title: song.title.clone(),
            source_path: song.path().to_string_lossy().into_owned(),
            source_hash: hash.to_string(),
            sound_hash: sound.finish(),
            start_seconds: decoder.start_seconds(),
            seconds,
            sample_rate: decoder.sample_rate(),
            n_frames: mel.n_frames as u32,
            n_mels: mel.n_mels as u32,
            damage: decoder.damage().describe(),
        };
        Ok(MadeRow::Spectrogram { info, mel: mel.values })
    }
}

/// BLAKE3 of samples, whatever pieces they come in.
#[derive(Default)]
struct SoundHasher {
    hasher: blake3::Hasher,
    bytes: Vec<u8>,
}

impl SoundHasher {
    fn update(&mut self, samples: &[f32]) {
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.hasher.update(&self.bytes);
    }

    fn finish(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

/// What a user of the commands can do about it.
fn mel_hint(error: &MelError) -> Option<String> {
    match error {
        MelError::TooShort { .. } => Some(
            "a song must last longer than half a window of the transform; take this one out of the \
             corpus"
                .to_owned(),
        ),
        _ => None,
    }
}
