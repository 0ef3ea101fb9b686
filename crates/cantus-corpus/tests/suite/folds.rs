//! Laws of cross-validation.

use std::collections::{BTreeMap, BTreeSet};

use cantus_corpus::{
    Corpus, CorpusError, Fold, Part, Split, SplitKind, SplitWarning, split_into_fold,
};
use proptest::prelude::*;

use crate::music_folder::corpus;

fn splits(corpus: &Corpus, kind: SplitKind, seed: u64, folds: usize) -> Vec<Split> {
    let folds = Fold::all(folds).unwrap().into_iter();
    folds.map(|fold| split_into_fold(corpus, kind, seed, fold).unwrap()).collect()
}

/// Songs of each album of each artist.
fn albums() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(2_usize..9, 2..7), 2..9)
}

fn kinds() -> impl Strategy<Value = SplitKind> {
    prop_oneof![Just(SplitKind::Song), Just(SplitKind::Album)]
}

proptest! {
    #[test]
    fn every_song_tests_in_one_fold(songs in albums(), kind in kinds(), seed: u64, folds in 2_usize..5) {
        let corpus = corpus(&songs);
        let mut tested: BTreeMap<&str, usize> = BTreeMap::new();
        let splits = splits(&corpus, kind, seed, folds);
        for split in &splits {
            prop_assert!(split.check_no_leak(&corpus).is_ok());
            for song in split.songs(Part::Test) {
                *tested.entry(song).or_default() += 1;
            }
        }
        prop_assert_eq!(tested.len(), corpus.songs.len());
        prop_assert!(tested.values().all(|&times| times == 1));
    }

    #[test]
    fn folds_by_song_differ_by_one_song_and_by_one_of_each_artist(
        songs in albums(), seed: u64, folds in 2_usize..5,
    ) {
        let corpus = corpus(&songs);
        let splits = splits(&corpus, SplitKind::Song, seed, folds);
        let spread = |counts: Vec<usize>| counts.iter().max().unwrap() - counts.iter().min().unwrap();
        prop_assert!(spread(splits.iter().map(|split| split.count(Part::Test)).collect()) <= 1);
        for artist in corpus.artists().into_keys() {
            let of_artist = |split: &Split| {
                let songs = corpus.songs.iter().filter(|song| song.artist == artist);
                songs.filter(|song| split.parts[&song.id] == Part::Test).count()
            };
            prop_assert!(spread(splits.iter().map(of_artist).collect()) <= 1);
        }
    }

    #[test]
    fn a_tenth_of_what_does_not_test_validates_and_every_artist_trains(
        songs in albums(), kind in kinds(), seed: u64, folds in 2_usize..5,
    ) {
        let corpus = corpus(&songs);
        for split in splits(&corpus, kind, seed, folds) {
            let rest = corpus.songs.len() - split.count(Part::Test);
            prop_assert_eq!(split.count(Part::Validation), rest.div_ceil(10));
            let training: BTreeSet<&str> = corpus
                .songs
                .iter()
                .filter(|song| split.parts[&song.id] == Part::Train)
                .map(|song| song.artist.as_str())
                .collect();
            prop_assert_eq!(training.len(), songs.len());
        }
    }

    #[test]
    fn no_album_of_the_test_stands_elsewhere(songs in albums(), seed: u64, folds in 2_usize..5) {
        let corpus = corpus(&songs);
        for split in splits(&corpus, SplitKind::Album, seed, folds) {
            for albums in corpus.artists().into_values() {
                for songs in albums.into_values() {
                    let testing = songs.iter().filter(|song| split.parts[&song.id] == Part::Test);
                    prop_assert!([0, songs.len()].contains(&testing.count()));
                }
            }
        }
    }
}

#[test]
fn an_artist_with_fewer_albums_than_folds_is_absent_from_some_tests_and_the_split_says_so() {
    let corpus = corpus(&[vec![3; 4], vec![3; 2]]);
    let absent = |split: &Split| {
        let of_test = |warning: &SplitWarning| {
            matches!(warning, SplitWarning::AbsentFrom { part: Part::Test, artists }
                if artists == &["a001"])
        };
        split.warnings.iter().any(of_test)
    };
    let splits = splits(&corpus, SplitKind::Album, 7, 4);
    assert_eq!(splits.iter().filter(|split| absent(split)).count(), 2);
}

#[test]
fn the_folds_drawn_today_are_the_folds_drawn_ever_after() {
    let corpus = corpus(&[vec![2, 2], vec![3, 1]]);
    let fold = split_into_fold(&corpus, SplitKind::Song, 42, Fold::new(2, 3).unwrap()).unwrap();
    let mut table = Vec::new();
    fold.write_tsv(&mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert!(rows.iter().all(|row| row.ends_with("\tsong\t42\tcantus\t2/3")), "{table}");
    let parts: Vec<&str> = rows.iter().map(|row| row.split('\t').nth(1).unwrap()).collect();
    // Were the draws to change, saved seeds would mean other folds.
    let expected = ["validation", "train", "train", "test", "test", "train", "test", "train"];
    assert_eq!(parts, expected);
}

#[test]
fn folds_that_there_are_none_of_are_refused() {
    for (number, of) in [(0, 4), (5, 4), (1, 1), (1, Fold::MOST + 1)] {
        let refused = Fold::new(number, of);
        assert!(matches!(refused, Err(CorpusError::NoSuchFold { .. })), "{refused:?}");
    }
    assert_eq!("2/4".parse(), Fold::new(2, 4).map_err(|_| String::new()));
    for text in ["", "2", "2/", "/4", "0/4", "5/4", "2/4/8", "-1/4"] {
        assert!(text.parse::<Fold>().is_err(), "{text}");
    }
}

#[test]
fn more_folds_than_songs_leave_a_fold_without_a_test() {
    let corpus = corpus(&[vec![1, 1], vec![1, 1]]);
    let last = split_into_fold(&corpus, SplitKind::Song, 0, Fold::new(5, 5).unwrap());
    assert!(matches!(last, Err(CorpusError::EmptyPart { part: Part::Test })), "{last:?}");
}
