//! Songs with their labels.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::slice::ParallelSliceMut;
use serde::{Deserialize, Serialize};

use crate::error::CorpusError;
use crate::escape::path_of_song_id;
use crate::summary::CorpusSummary;

/// One recording and what it is labelled with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Song {
    /// The [path](Self::path) below the corpus root as text, by the rule of [`song_id`](crate::song_id).
    #[serde(deserialize_with = "crate::escape::id_of_this_platform")]
    pub id: String,
    /// Whose recording this is: the class to be learnt.
    pub artist: String,
    /// The album it stands on; albums of two artists are different even if their names are equal.
    pub album: String,
    /// What people call it. Says nothing about identity: many songs may share a title.
    pub title: String,
}

impl Song {
    /// The path below the corpus root that the id says, with the bytes that the file system has.
    pub fn path(&self) -> PathBuf {
        // Only an id that neither a scan nor serde made has none: it is taken as it stands.
        path_of_song_id(&self.id).unwrap_or_else(|| PathBuf::from(&self.id))
    }
}

/// The songs of an artist's albums: album name to songs, both sorted by their bytes.
pub type Albums<'a> = BTreeMap<&'a str, Vec<&'a Song>>;

/// All songs under one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// The folder that every song's path starts from.
    #[serde(with = "crate::escape::as_text")]
    pub root: PathBuf,
    /// The songs, sorted by the bytes of their ids; shared with the selections that are made of them.
    pub songs: Vec<Arc<Song>>,
}

impl Corpus {
    /// Sorts the songs by id.
    ///
    /// # Errors
    ///
    /// [`CorpusError::RepeatedSong`] if two songs have the same id.
    pub fn new<S: Into<Arc<Song>>>(
        root: impl Into<PathBuf>,
        songs: Vec<S>,
    ) -> Result<Self, CorpusError> {
        let mut songs: Vec<Arc<Song>> = songs.into_iter().map(Into::into).collect();
        if !is_in_order(&songs) {
            songs.par_sort_unstable();
            if let Some(pair) = songs.windows(2).find(|pair| pair[0].id == pair[1].id) {
                return Err(CorpusError::RepeatedSong { id: pair[0].id.clone() });
            }
        }
        Ok(Self { root: root.into(), songs })
    }

    /// The same, its songs sorted by id if a caller left them otherwise.
    ///
    /// # Errors
    ///
    /// [`CorpusError::RepeatedSong`] if two songs have the same id.
    pub(crate) fn in_order(&self) -> Result<Cow<'_, Self>, CorpusError> {
        if is_in_order(&self.songs) {
            return Ok(Cow::Borrowed(self));
        }
        Self::new(self.root.clone(), self.songs.clone()).map(Cow::Owned)
    }

    /// Where a song's file is: the root and the song's own path.
    pub fn full_path(&self, song: &Song) -> PathBuf {
        self.root.join(song.path())
    }

    /// The song with this id.
    pub fn song(&self, id: &str) -> Option<&Song> {
        // Not a binary search: the field is public, and a caller may have left it unsorted.
        self.songs.iter().map(Arc::as_ref).find(|song| song.id == id)
    }

    /// Artists, their albums and the songs on them, everything sorted by bytes.
    ///
    /// The keys, in this order, are the class labels.
    pub fn artists(&self) -> BTreeMap<&str, Albums<'_>> {
        let mut artists: BTreeMap<&str, Albums<'_>> = BTreeMap::new();
        // Songs of an album mostly stand together: it is looked up once for all of them.
        let is_one_album =
            |a: &Arc<Song>, b: &Arc<Song>| a.artist == b.artist && a.album == b.album;
        for songs in self.songs.chunk_by(is_one_album) {
            let albums = artists.entry(&songs[0].artist).or_default();
            albums.entry(&songs[0].album).or_default().extend(songs.iter().map(Arc::as_ref));
        }
        for songs in artists.values_mut().flat_map(BTreeMap::values_mut) {
            songs.sort_unstable();
        }
        artists
    }

    /// Keeps at most `cap` songs of each artist and says how many were left out.
    ///
    /// No randomness: albums in the order of their names give one song each in turn (the first by
    /// id, then the second, ...) until there are enough, so that no album is favoured.
    ///
    /// # Errors
    ///
    /// [`CorpusError::CapOfZero`] if `cap` is 0.
    pub fn cap_songs_per_artist(&mut self, cap: usize) -> Result<usize, CorpusError> {
        if cap == 0 {
            return Err(CorpusError::CapOfZero);
        }
        Ok(self.keep_of_each_artist(|songs| songs.into_iter().take(cap).collect()))
    }

    /// Keeps songs of each artist as long as their `seconds`, by song id, sum up to `cap` at most,
    /// and says how many were left out. A song without a length counts as 0 s.
    ///
    /// The songs come in the order of [`cap_songs_per_artist`](Self::cap_songs_per_artist); one that
    /// does not fit is left out, and a shorter one after it may yet fit. Each artist keeps at least
    /// its first song.
    ///
    /// # Errors
    ///
    /// [`CorpusError::CapOfZero`] unless `cap` is above 0.
    pub fn cap_seconds_per_artist(
        &mut self,
        cap: f64,
        seconds: &BTreeMap<String, f64>,
    ) -> Result<usize, CorpusError> {
        if cap.is_nan() || cap <= 0.0 {
            return Err(CorpusError::CapOfZero);
        }
        let left_out = self.keep_of_each_artist(|songs| {
            let mut sum = 0.0;
            let mut kept = Vec::new();
            for song in songs {
                let length = seconds.get(&song.id).copied().unwrap_or(0.0);
                if kept.is_empty() || sum + length <= cap {
                    sum += length;
                    kept.push(song);
                }
            }
            kept
        });
        Ok(left_out)
    }

    /// Keeps what `keep` returns of each artist's songs, which come from its albums in turn, and
    /// counts what is left out.
    fn keep_of_each_artist(&mut self, keep: impl Fn(Vec<&Song>) -> Vec<&Song>) -> usize {
        let mut kept = HashSet::new();
        for albums in self.artists().values() {
            let longest = albums.values().map(Vec::len).max().unwrap_or(0);
            let in_turn = (0..longest)
                .flat_map(|turn| albums.values().filter_map(move |album| album.get(turn)));
            kept.extend(keep(in_turn.copied().collect()).into_iter().map(|song| &song.id));
        }
        let is_kept = |song: &&Arc<Song>| kept.contains(&song.id);
        let mut kept: Vec<Arc<Song>> = self.songs.iter().filter(is_kept).cloned().collect();
        kept.sort_unstable();
        let left_out = self.songs.len() - kept.len();
        self.songs = kept;
        left_out
    }

    /// How many artists, albums and songs there are, and how they are spread.
    pub fn summary(&self) -> CorpusSummary {
        CorpusSummary::of(self)
    }
}

/// Whether the songs are sorted by id, and no two have the same.
fn is_in_order(songs: &[Arc<Song>]) -> bool {
    songs.is_sorted_by(|a, b| a.id < b.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(ids: &[&str]) -> Corpus {
        let song = |id: &&str| {
            let names: Vec<&str> = id.split('/').collect();
            Song {
                id: (*id).to_owned(),
                artist: names[0].to_owned(),
                album: names[1].to_owned(),
                title: names[2].to_owned(),
            }
        };
        Corpus::new("/music", ids.iter().map(song).collect()).unwrap()
    }

    fn ids(corpus: &Corpus) -> Vec<&str> {
        corpus.songs.iter().map(|song| song.id.as_str()).collect()
    }

    #[test]
    fn songs_are_sorted_by_the_bytes_of_their_ids() {
        let corpus = corpus(&["b/x/1", "a/é/1", "a/z/1", "B/x/1"]);
        assert_eq!(ids(&corpus), ["B/x/1", "a/z/1", "a/é/1", "b/x/1"]);
    }

    #[test]
    fn a_repeated_id_is_refused() {
        let song = corpus(&["a/x/1"]).songs.remove(0);
        let error = Corpus::new("/music", vec![song.clone(), song]).unwrap_err();
        assert!(matches!(error, CorpusError::RepeatedSong { id } if id == "a/x/1"));
    }

    #[test]
    fn a_cap_takes_one_song_of_each_album_in_turn() {
        let mut corpus = corpus(&["a/x/1", "a/x/2", "a/x/3", "a/y/1", "a/z/1", "a/z/2", "b/x/1"]);
        assert_eq!(corpus.cap_songs_per_artist(4).unwrap(), 2);
        assert_eq!(ids(&corpus), ["a/x/1", "a/x/2", "a/y/1", "a/z/1", "b/x/1"]);
    }

    #[test]
    fn a_cap_of_seconds_takes_what_fits_in_the_same_turn() {
        let mut corpus = corpus(&["a/x/1", "a/x/2", "a/x/3", "a/y/1", "b/x/1", "b/x/2"]);
        let lengths = [60.0, 30.0, 50.0, 100.0, 500.0, 1.0];
        let seconds: BTreeMap<String, f64> =
            corpus.songs.iter().map(|song| song.id.clone()).zip(lengths).collect();
        // Of a: x/1, not y/1 (160 s), x/2, not x/3 (140 s). Of b the first alone, too long as it is.
        assert_eq!(corpus.cap_seconds_per_artist(100.0, &seconds).unwrap(), 3);
        assert_eq!(ids(&corpus), ["a/x/1", "a/x/2", "b/x/1"]);
    }

    #[test]
    fn a_cap_of_zero_is_refused() {
        let error = corpus(&["a/x/1"]).cap_songs_per_artist(0).unwrap_err();
        assert!(matches!(error, CorpusError::CapOfZero));
        for cap in [0.0, -1.0, f64::NAN] {
            let error = corpus(&["a/x/1"]).cap_seconds_per_artist(cap, &BTreeMap::new());
            assert!(matches!(error, Err(CorpusError::CapOfZero)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_corpus_with_a_path_that_is_not_utf8_survives_json() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let path = PathBuf::from(OsStr::from_bytes(b"a/x/\xFF%41.mp3"));
        let before = corpus(&[&crate::song_id(&path)]);
        assert_eq!(before.songs[0].path(), path);
        let text = serde_json::to_string(&before).unwrap();
        let after: Corpus = serde_json::from_str(&text).unwrap();
        assert_eq!(after, before);
    }
}
