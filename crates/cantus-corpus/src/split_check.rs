//! Does anything stand in two parts that must stand in one?

use std::collections::BTreeSet;

use crate::corpus::Corpus;
use crate::duplicates::duplicates;
use crate::error::CorpusError;
use crate::near_duplicates::NearDuplicate;
use crate::split::{Part, Split, SplitKind};

impl Split {
    /// Checks a split against the corpus that it is going to be used with.
    ///
    /// Every song of the corpus stands in exactly one part (that none stands in two is given by
    /// [`Split::parts`] and checked on reading), no other song is named, and under
    /// [`SplitKind::Album`] no album stands in two parts. Two exceptions: of an artist with two
    /// albums, the one that does not test may both train and validate; in a fold so may any album
    /// that does not test.
    ///
    /// # Errors
    ///
    /// [`CorpusError::RepeatedSong`], [`CorpusError::SongsNotInSplit`],
    /// [`CorpusError::SongsNotInCorpus`] or [`CorpusError::AlbumInTwoParts`].
    pub fn check_no_leak(&self, corpus: &Corpus) -> Result<(), CorpusError> {
        // Mostly both are the same ids in the same order, which takes no room to see.
        if !self.parts.keys().eq(corpus.songs.iter().map(|song| &song.id)) {
            self.check_ids(corpus)?;
        }
        match self.kind {
            SplitKind::Song => Ok(()),
            SplitKind::Album => self.check_albums(corpus),
        }
    }

    fn check_ids(&self, corpus: &Corpus) -> Result<(), CorpusError> {
        let mut ids = BTreeSet::new();
        for song in &corpus.songs {
            if !ids.insert(song.id.as_str()) {
                return Err(CorpusError::RepeatedSong { id: song.id.clone() });
            }
        }
        let mut absent = ids.iter().filter(|id| !self.parts.contains_key(**id));
        if let Some(first) = absent.next() {
            let first = (*first).to_owned();
            return Err(CorpusError::SongsNotInSplit { songs: 1 + absent.count(), first });
        }
        let mut unknown = self.parts.keys().filter(|id| !ids.contains(id.as_str()));
        if let Some(first) = unknown.next() {
            let first = first.clone();
            return Err(CorpusError::SongsNotInCorpus { songs: 1 + unknown.count(), first });
        }
        Ok(())
    }

    fn check_albums(&self, corpus: &Corpus) -> Result<(), CorpusError> {
        for (artist, albums) in corpus.artists() {
            for (album, songs) in &albums {
                let parts: BTreeSet<Part> =
                    songs.iter().filter_map(|song| self.parts.get(&song.id).copied()).collect();
                let shares = albums.len() == 2 || self.fold.is_some();
                let may_share = shares && !parts.contains(&Part::Test);
                if parts.len() > 1 && !may_share {
                    return Err(CorpusError::AlbumInTwoParts {
                        artist: artist.to_owned(),
                        album: (*album).to_owned(),
                        parts: parts.into_iter().collect(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Checks that no two songs with the same contents stand in different parts.
    ///
    /// `contents` are songs' ids with hashes of the decoded sound or, where that is not at hand, of the
    /// files, which a changed tag changes. Songs that it does not name are not looked at.
    ///
    /// # Errors
    ///
    /// [`CorpusError::SharedContent`] with the first such group.
    pub fn check_no_shared_content<'a, H: Ord>(
        &self,
        contents: impl IntoIterator<Item = (&'a str, H)>,
    ) -> Result<(), CorpusError> {
        let mut groups = 0;
        let mut first = Vec::new();
        for group in duplicates(contents) {
            let songs: Vec<(String, Part)> = group
                .into_iter()
                .filter_map(|id| Some((id.to_owned(), *self.parts.get(id)?)))
                .collect();
            let parts: BTreeSet<Part> = songs.iter().map(|(_, part)| *part).collect();
            if parts.len() > 1 {
                groups += 1;
                if first.is_empty() {
                    first = songs;
                }
            }
        }
        match groups {
            0 => Ok(()),
            _ => Err(CorpusError::SharedContent { groups, songs: first }),
        }
    }

    /// Of the pairs that hold the same recording, those that stand in two parts: the test is easier
    /// than it should be.
    pub fn near_duplicates_across<'a>(
        &self,
        pairs: &'a [NearDuplicate],
    ) -> Vec<(&'a NearDuplicate, [Part; 2])> {
        let part = |id: &str| self.parts.get(id).copied();
        let in_parts =
            pairs.iter().filter_map(|pair| Some((pair, [part(&pair.first)?, part(&pair.second)?])));
        in_parts.filter(|(_, [first, second])| first != second).collect()
    }
}
