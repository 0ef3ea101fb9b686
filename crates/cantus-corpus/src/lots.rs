//! What is drawn by lot beside splits: some of the artists, and labels for a test of the labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::Corpus;
use crate::rng::{Draws, Purpose};

/// `count` artists of the corpus, or all where there are no more; the same for every seed, whatever
/// the order of the songs. With a larger count the same artists and others.
pub fn choose_artists(corpus: &Corpus, count: usize, seed: u64) -> BTreeSet<String> {
    let mut artists: Vec<&str> = corpus.artists().into_keys().collect();
    Draws::new(seed, Purpose::ArtistChoice, 0).shuffle(&mut artists);
    artists.into_iter().take(count).map(str::to_owned).collect()
}

/// An artist for each song, by id: the artists of all songs, dealt to the songs anew. Each artist
/// keeps its number of songs, and nothing can be learnt of it but chance.
pub fn shuffled_labels(corpus: &Corpus, seed: u64) -> BTreeMap<String, String> {
    let by_id: BTreeMap<&str, &str> =
        corpus.songs.iter().map(|song| (song.id.as_str(), song.artist.as_str())).collect();
    let mut artists: Vec<&str> = by_id.values().copied().collect();
    Draws::new(seed, Purpose::ShuffledLabels, 0).shuffle(&mut artists);
    by_id.into_keys().zip(artists).map(|(id, artist)| (id.to_owned(), artist.to_owned())).collect()
}
