//! Artists chosen and labels dealt by lot.

use std::collections::BTreeMap;

use cantus_corpus::{Corpus, choose_artists, shuffled_labels};

use crate::music_folder::corpus;

#[test]
fn more_artists_are_the_same_and_others() {
    let corpus = corpus(&vec![vec![2, 1]; 12]);
    for seed in 0..20 {
        let mut fewer = choose_artists(&corpus, 0, seed);
        for count in 1..=12 {
            let chosen = choose_artists(&corpus, count, seed);
            assert_eq!(chosen.len(), count);
            assert!(fewer.is_subset(&chosen));
            fewer = chosen;
        }
        assert_eq!(choose_artists(&corpus, 99, seed).len(), 12);
    }
}

#[test]
fn seeds_choose_otherwise_and_the_order_of_the_songs_does_not() {
    let given = corpus(&vec![vec![2, 1]; 12]);
    let mut songs = given.songs.clone();
    songs.reverse();
    let reversed = Corpus { root: given.root.clone(), songs };
    assert_eq!(choose_artists(&given, 5, 3), choose_artists(&reversed, 5, 3));
    assert_eq!(shuffled_labels(&given, 3), shuffled_labels(&reversed, 3));
    assert_ne!(choose_artists(&given, 5, 3), choose_artists(&given, 5, 4));
    assert_ne!(shuffled_labels(&given, 3), shuffled_labels(&given, 4));
}

#[test]
fn shuffled_labels_are_the_same_names_as_often_on_other_songs() {
    let corpus = corpus(&[vec![30], vec![20], vec![50]]);
    let labels = shuffled_labels(&corpus, 0);
    let count = |artists: Vec<&str>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for artist in artists {
            *counts.entry(artist.to_owned()).or_default() += 1;
        }
        counts
    };
    let own: Vec<&str> = corpus.songs.iter().map(|song| song.artist.as_str()).collect();
    assert_eq!(count(labels.values().map(String::as_str).collect()), count(own));
    let kept = corpus.songs.iter().filter(|song| labels[&song.id] == song.artist).count();
    // By chance 0.3^2 + 0.2^2 + 0.5^2 = 38 of 100; nine are two deviations.
    assert!((20..56).contains(&kept), "{kept} songs kept their artist");
}
