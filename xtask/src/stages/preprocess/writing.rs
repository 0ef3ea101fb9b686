//! Albums being written: each file whole or not at all, and the index after it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cantus_cache::AlbumWriter;
use cantus_pipeline::AtomicFile;
use cantus_pipeline::fault::around;
use indicatif::ProgressBar;

use super::front_end::FrontEnd;
use super::index::{Index, StoredSong};
use super::rows::{MadeRow, Row};

/// How often the index is saved while songs are being decoded, at most.
const INDEX_EVERY: Duration = Duration::from_secs(10);

/// Of the time, the share that saving it may take: that of a million songs takes a second.
const INDEX_SHARE: u32 = 20;

/// Receives rows in order and writes the albums they belong to.
pub(crate) struct AlbumWriting<'a> {
    folder: &'a Path,
    front_end: &'a FrontEnd,
    index: &'a mut Index,
    bar: &'a ProgressBar,
    album: Option<OpenAlbum>,
    index_saved: Instant,
    index_every: Duration,
    started: Instant,
    seconds_of_audio: f64,
}

struct OpenAlbum {
    file: Arc<str>,
    writer: Option<AlbumWriter<AtomicFile>>,
    songs: Vec<StoredSong>,
    /// True where rows of an older file are taken over, so that a part of it would lose some.
    replaces: bool,
}

impl<'a> AlbumWriting<'a> {
    /// Nothing written yet.
    pub(crate) fn new(
        folder: &'a Path,
        front_end: &'a FrontEnd,
        index: &'a mut Index,
        bar: &'a ProgressBar,
    ) -> Self {
        let now = Instant::now();
        Self {
            folder,
            front_end,
            index,
            bar,
            album: None,
            index_saved: now,
            index_every: INDEX_EVERY,
            started: now,
            seconds_of_audio: 0.0,
        }
    }

    /// Adds a row to its album.
    pub(crate) fn add(&mut self, row: &Row, made: Result<MadeRow>) -> Result<()> {
        let mut album = match self.album.take() {
            Some(album) if album.file == row.file => album,
            _ => self.open(&row.file),
        };
        match made? {
            MadeRow::Spectrogram { info, mel } => {
                let writer = match &mut album.writer {
                    Some(writer) => writer,
                    none => none.insert(self.create(&row.file)?),
                };
                writer.write_song(&info, &mel)?;
                if row.is_decoded() {
                    self.seconds_of_audio += info.seconds;
                }
                album.songs.push(StoredSong::try_from(&info)?);
            }
            MadeRow::Failed(failure) => self.index.failed(&row.id, failure),
            MadeRow::Gone => {}
        }
        self.album = Some(album);
        if row.is_decoded() {
            self.bar.inc(1);
            let speed = self.seconds_of_audio / self.started.elapsed().as_secs_f64();
            self.bar.set_message(format!("{speed:.0} times real time"));
        }
        Ok(())
    }

    fn open(&self, file: &Arc<str>) -> OpenAlbum {
        OpenAlbum {
            file: Arc::clone(file),
            writer: None,
            songs: Vec::new(),
            replaces: self.index.songs_in(file).next().is_some(),
        }
    }

    fn create(&self, file: &str) -> Result<AlbumWriter<AtomicFile>> {
        let target = AtomicFile::create(self.folder.join(file))?;
        let settings = self.front_end.key_values();
        Ok(AlbumWriter::new(target, settings, self.front_end.precision())?)
    }

    /// Puts the album that is being written in its place.
    pub(crate) fn finish_album(&mut self) -> Result<()> {
        let Some(album) = self.album.take() else { return Ok(()) };
        let path = self.folder.join(&*album.file);
        match album.writer {
            Some(writer) => writer.finish()?.commit()?,
            // None of its songs can be used any more.
            None if path.exists() => around("remove", &path, || std::fs::remove_file(&path))
                .with_context(|| format!("cannot remove `{}`", path.display()))?,
            None => {}
        }
        self.index.wrote(self.folder, &album.file, album.songs);
        if self.index_saved.elapsed() >= self.index_every {
            let started = Instant::now();
            self.index.save(self.folder)?;
            self.index_saved = Instant::now();
            self.index_every = INDEX_EVERY.max(started.elapsed() * INDEX_SHARE);
        }
        Ok(())
    }

    /// At an interrupt: keeps the songs of a new album that are done; an older file stays as it
    /// was, since a part of the new one would lose some of its songs.
    pub(crate) fn finish_new_album(&mut self) -> Result<()> {
        if self.album.as_ref().is_some_and(|album| album.replaces) {
            self.album = None;
        }
        self.finish_album()
    }
}
