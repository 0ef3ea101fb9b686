//! The original's splits, index for index. Its numbers are in `tests/golden/splits.json`.

use std::collections::BTreeMap;

use cantus_corpus::original::{album_orders, song_split};
use cantus_corpus::{Corpus, Part, SplitRng, split_by_album, split_by_song};
use serde::Deserialize;

use crate::music_folder::{corpus, song};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/splits.json");

#[derive(Deserialize)]
struct Golden {
    song_split_labels: Vec<usize>,
    song_split: BTreeMap<u32, Parts>,
    song_counts_by_class: Vec<usize>,
    song_split_counts: BTreeMap<u32, Parts>,
    album_split: BTreeMap<u64, Vec<Vec<usize>>>,
}

#[derive(Deserialize)]
struct Parts {
    train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

fn golden() -> Golden {
    let golden: Golden = serde_json::from_slice(&std::fs::read(PATH).unwrap()).unwrap();
    assert_eq!(golden.song_split.keys().collect::<Vec<_>>(), [&0, &21, &42]);
    assert_eq!(golden.song_split_counts.len(), 3);
    assert_eq!(golden.album_split.len(), 3);
    golden
}

/// Songs of these artists, in this order by id.
fn corpus_with_labels(labels: &[usize]) -> Corpus {
    let songs = labels.iter().enumerate().map(|(index, label)| {
        let mut song = song(&format!("artist{label:02}"), "album", "song");
        song.id = format!("{index:05}");
        song
    });
    Corpus::new("/music", songs.collect()).unwrap()
}

fn labels_with_counts(counts: &[usize]) -> Vec<usize> {
    counts.iter().enumerate().flat_map(|(label, &count)| vec![label; count]).collect()
}

#[test]
fn the_original_song_split_has_scikit_learns_indices_in_its_order() {
    let golden = golden();
    for (seed, expected) in &golden.song_split {
        let parts = song_split(&golden.song_split_labels, *seed).unwrap();
        assert_eq!(parts.train, expected.train, "seed {seed}");
        assert_eq!(parts.validation, expected.validation, "seed {seed}");
        assert_eq!(parts.test, expected.test, "seed {seed}");
    }
}

#[test]
fn the_original_song_split_of_a_corpus_takes_songs_by_id_and_artists_by_name() {
    let golden = golden();
    let corpus = corpus_with_labels(&golden.song_split_labels);
    for (seed, expected) in &golden.song_split {
        let split = split_by_song(&corpus, u64::from(*seed), SplitRng::Original).unwrap();
        let indices = |part| -> Vec<usize> {
            split.songs(part).iter().map(|id| id.parse().unwrap()).collect()
        };
        let sorted = |indices: &[usize]| {
            let mut sorted = indices.to_vec();
            sorted.sort_unstable();
            sorted
        };
        assert_eq!(indices(Part::Train), sorted(&expected.train));
        assert_eq!(indices(Part::Validation), sorted(&expected.validation));
        assert_eq!(indices(Part::Test), sorted(&expected.test));
    }
}

#[test]
fn the_original_song_split_of_1413_songs_gives_each_artist_scikit_learns_share() {
    let golden = golden();
    let labels = labels_with_counts(&golden.song_counts_by_class);
    assert_eq!(labels.len(), 1413);
    for (seed, expected) in &golden.song_split_counts {
        let parts = song_split(&labels, *seed).unwrap();
        let counts = |songs: &[usize]| {
            let mut counts = vec![0; golden.song_counts_by_class.len()];
            for &song in songs {
                counts[labels[song]] += 1;
            }
            counts
        };
        assert_eq!(counts(&parts.train), expected.train, "seed {seed}");
        assert_eq!(counts(&parts.validation), expected.validation, "seed {seed}");
        assert_eq!(counts(&parts.test), expected.test, "seed {seed}");
    }
}

#[test]
fn our_own_song_split_has_parts_as_large_as_scikit_learns() {
    let golden = golden();
    let corpus = corpus_with_labels(&labels_with_counts(&golden.song_counts_by_class));
    for (seed, expected) in &golden.song_split_counts {
        let split = split_by_song(&corpus, u64::from(*seed), SplitRng::Cantus).unwrap();
        assert_eq!(split.count(Part::Train), expected.train.iter().sum::<usize>());
        assert_eq!(split.count(Part::Validation), expected.validation.iter().sum::<usize>());
        assert_eq!(split.count(Part::Test), expected.test.iter().sum::<usize>());
    }
}

#[test]
fn the_original_album_orders_are_pythons() {
    for (seed, expected) in golden().album_split {
        assert_eq!(album_orders(&[6; 20], seed), expected, "seed {seed}");
    }
}

#[test]
fn the_original_album_split_of_a_corpus_takes_artists_and_albums_by_name() {
    let corpus = corpus(&vec![vec![2; 6]; 20]);
    for (seed, orders) in golden().album_split {
        let split = split_by_album(&corpus, seed, SplitRng::Original).unwrap();
        for (artist, order) in orders.iter().enumerate() {
            for (place, album) in order.iter().enumerate() {
                let expected = [Part::Test, Part::Validation].get(place).unwrap_or(&Part::Train);
                for song in 0..2 {
                    let id = format!("a{artist:03}/b{album:03}/s{song:03}");
                    assert_eq!(&split.parts[&id], expected, "seed {seed}, {id}");
                }
            }
        }
    }
}
