//! Laws that every split obeys, on drawn corpora.

use std::collections::{BTreeMap, BTreeSet};

use cantus_corpus::{
    Corpus, CorpusError, Part, Split, SplitKind, SplitRng, SplitWarning, split, split_by_album,
    split_by_song,
};
use proptest::prelude::*;

use crate::music_folder::{corpus, ids};

/// Songs of each album of each artist, two artists or more.
fn albums(
    artists: std::ops::Range<usize>,
    albums: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(1_usize..12, albums), artists)
}

fn count(split: &Split, corpus: &Corpus, artist: &str, part: Part) -> usize {
    let songs = corpus.songs.iter().filter(|song| song.artist == artist);
    songs.filter(|song| split.parts[&song.id] == part).count()
}

fn check_partition(split: &Split, corpus: &Corpus) -> Result<(), TestCaseError> {
    let named: BTreeSet<&str> = split.parts.keys().map(String::as_str).collect();
    prop_assert_eq!(named, ids(corpus).into_iter().collect::<BTreeSet<_>>());
    prop_assert_eq!(
        Part::ALL.map(|part| split.count(part)).iter().sum::<usize>(),
        ids(corpus).len()
    );
    prop_assert!(split.check_no_leak(corpus).is_ok());
    Ok(())
}

proptest! {
    #[test]
    fn a_song_split_is_a_partition_with_scikit_learns_part_sizes(
        songs in albums(2..30, 2..4), seed: u64,
    ) {
        let corpus = corpus(&songs);
        let split = split_by_song(&corpus, seed, SplitRng::Cantus).unwrap();
        check_partition(&split, &corpus)?;
        let all = corpus.songs.len();
        prop_assert_eq!(split.count(Part::Test), all.div_ceil(10));
        prop_assert_eq!(split.count(Part::Validation), (all - all.div_ceil(10)).div_ceil(10));
    }

    #[test]
    fn a_song_split_gives_each_artist_its_share_within_one_song(
        songs in albums(2..30, 2..4), seed: u64,
    ) {
        let corpus = corpus(&songs);
        let split = split_by_song(&corpus, seed, SplitRng::Cantus).unwrap();
        let all = corpus.songs.len() as f64;
        let test = split.count(Part::Test) as f64;
        let validation = split.count(Part::Validation) as f64;
        for (artist, albums) in corpus.artists() {
            let its = albums.values().map(Vec::len).sum::<usize>() as f64;
            let in_test = count(&split, &corpus, artist, Part::Test) as f64;
            prop_assert!((in_test - its * test / all).abs() < 1.0);
            let share = (its - in_test) * validation / (all - test);
            let in_validation = count(&split, &corpus, artist, Part::Validation) as f64;
            prop_assert!((in_validation - share).abs() < 1.0);
            prop_assert!(count(&split, &corpus, artist, Part::Train) > 0);
        }
    }

    #[test]
    fn an_album_split_is_a_partition_and_tests_on_albums_never_learnt_from(
        songs in albums(2..12, 2..7), seed: u64, original: bool,
    ) {
        let rng = if original { SplitRng::Original } else { SplitRng::Cantus };
        let corpus = corpus(&songs);
        let split = match split_by_album(&corpus, seed, rng) {
            Ok(split) => split,
            Err(CorpusError::EmptyPart { part: Part::Validation }) => {
                prop_assert!(songs.iter().all(|albums| albums.len() == 2 && albums.contains(&1)));
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        check_partition(&split, &corpus)?;
        for (_, albums) in corpus.artists() {
            let mut whole = BTreeMap::new();
            let mut mixed = 0;
            for songs in albums.values() {
                let parts: BTreeSet<Part> = songs.iter().map(|s| split.parts[&s.id]).collect();
                if parts.len() == 1 {
                    *whole.entry(split.parts[&songs[0].id]).or_insert(0) += 1;
                    continue;
                }
                prop_assert!(!parts.contains(&Part::Test));
                mixed += 1;
                let validating =
                    songs.iter().filter(|song| split.parts[&song.id] == Part::Validation).count();
                prop_assert_eq!(validating, songs.len().div_ceil(5));
            }
            prop_assert_eq!(whole.get(&Part::Test), Some(&1));
            if albums.len() == 2 {
                prop_assert_eq!(whole.get(&Part::Train).copied().unwrap_or(0) + mixed, 1);
            } else {
                prop_assert_eq!(mixed, 0);
                prop_assert_eq!(whole.get(&Part::Validation), Some(&1));
                prop_assert_eq!(whole.get(&Part::Train), Some(&(albums.len() - 2)));
            }
        }
    }

    #[test]
    fn the_order_of_the_songs_changes_no_split(
        (songs, shuffled) in albums(2..8, 3..6).prop_flat_map(|songs| {
            let all = corpus(&songs).songs;
            (Just(songs), Just(all).prop_shuffle())
        }),
        seed: u32,
    ) {
        let sorted = corpus(&songs);
        let shuffled = Corpus { root: sorted.root.clone(), songs: shuffled };
        let seed = u64::from(seed);
        for rng in [SplitRng::Cantus, SplitRng::Original] {
            let by_song = |corpus| split_by_song(corpus, seed, rng).ok();
            prop_assert_eq!(by_song(&sorted), by_song(&shuffled));
            let by_album = |corpus| split_by_album(corpus, seed, rng).unwrap();
            prop_assert_eq!(by_album(&sorted), by_album(&shuffled));
        }
    }

    #[test]
    fn two_seeds_give_two_splits(seed: u32, other: u32) {
        prop_assume!(seed != other);
        let corpus = corpus(&vec![vec![10; 6]; 10]);
        for rng in [SplitRng::Cantus, SplitRng::Original] {
            for kind in [SplitKind::Song, SplitKind::Album] {
                let of = |seed| split(&corpus, kind, u64::from(seed), rng).unwrap().parts;
                prop_assert_ne!(of(seed), of(other));
            }
        }
    }
}

#[test]
fn every_song_is_tested_on_as_often_as_any_other() {
    let corpus = corpus(&vec![vec![10; 2]; 4]);
    let mut tested: BTreeMap<String, f64> = BTreeMap::new();
    for seed in 0..2000 {
        let split = split_by_song(&corpus, seed, SplitRng::Cantus).unwrap();
        for id in split.songs(Part::Test) {
            *tested.entry(id.to_owned()).or_default() += 1.0;
        }
    }
    // 80 songs, each with a chance of a tenth: mean 200, deviation 13.4.
    assert_eq!(tested.len(), 80);
    assert!(tested.values().all(|&count| (count - 200.0).abs() < 5.0 * 13.4), "{tested:?}");
}

#[test]
fn an_artist_absent_from_a_part_is_named_in_a_warning() {
    let corpus = corpus(&vec![vec![2]; 6]);
    let split = split_by_song(&corpus, 0, SplitRng::Cantus).unwrap();
    assert_eq!([Part::Test, Part::Validation].map(|part| split.count(part)), [2, 1]);
    let absent: Vec<(Part, usize)> = split
        .warnings
        .iter()
        .map(|warning| match warning {
            SplitWarning::AbsentFrom { part, artists } => (*part, artists.len()),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(absent, [(Part::Validation, 5), (Part::Test, 4)]);
    assert_eq!(split.review(&corpus), split.warnings);
}

#[test]
fn two_albums_are_split_with_a_warning() {
    let corpus = corpus(&[vec![6, 6], vec![2, 2, 2]]);
    let split = split_by_album(&corpus, 0, SplitRng::Cantus).unwrap();
    assert_eq!(split.warnings, [SplitWarning::TwoAlbums { artists: vec!["a000".into()] }]);
    assert_eq!(
        Part::ALL.map(|part| count(&split, &corpus, "a000", part)),
        [4, 2, 6],
        "of six songs a fifth, rounded up, validates"
    );
}

#[test]
fn a_second_album_of_one_song_trains() {
    let corpus = corpus(&[vec![1, 1], vec![2, 2, 2]]);
    let split = split_by_album(&corpus, 0, SplitRng::Cantus).unwrap();
    assert_eq!(Part::ALL.map(|part| count(&split, &corpus, "a000", part)), [1, 0, 1]);
    let absent = SplitWarning::AbsentFrom { part: Part::Validation, artists: vec!["a000".into()] };
    assert!(split.warnings.contains(&absent), "{:?}", split.warnings);
}

#[test]
fn an_album_in_two_parts_is_found() {
    let corpus = corpus(&[vec![2, 2, 2], vec![2, 2, 2]]);
    let mut split = split_by_album(&corpus, 0, SplitRng::Cantus).unwrap();
    let tested = split.songs(Part::Test)[1].to_owned();
    split.parts.insert(tested, Part::Train);
    let error = split.check_no_leak(&corpus).unwrap_err();
    assert!(
        matches!(&error, CorpusError::AlbumInTwoParts { artist, parts, .. }
            if artist == "a000" && parts == &[Part::Train, Part::Test]),
        "{error}"
    );
    split.kind = SplitKind::Song;
    split.check_no_leak(&corpus).unwrap();
}

#[test]
fn the_tested_one_of_two_albums_may_not_be_learnt_from_either() {
    let corpus = corpus(&[vec![4, 4], vec![4, 4]]);
    let mut split = split_by_album(&corpus, 0, SplitRng::Cantus).unwrap();
    split.check_no_leak(&corpus).unwrap();
    let tested = split.songs(Part::Test)[0].to_owned();
    split.parts.insert(tested, Part::Validation);
    let error = split.check_no_leak(&corpus).unwrap_err();
    assert!(matches!(error, CorpusError::AlbumInTwoParts { .. }), "{error}");
}

#[test]
fn a_song_too_many_or_too_few_is_found() {
    let mut corpus = corpus(&[vec![5], vec![5]]);
    let split = split_by_song(&corpus, 0, SplitRng::Cantus).unwrap();
    let song = corpus.songs.remove(0);
    let error = split.check_no_leak(&corpus).unwrap_err();
    assert!(
        matches!(&error, CorpusError::SongsNotInCorpus { songs: 1, first } if *first == song.id),
        "{error}"
    );
    corpus.songs.push(song.clone());
    split.check_no_leak(&corpus).unwrap();
    corpus.songs.push(song);
    let error = split.check_no_leak(&corpus).unwrap_err();
    assert!(matches!(error, CorpusError::RepeatedSong { .. }), "{error}");
    std::sync::Arc::make_mut(&mut corpus.songs[10]).id.push('x');
    let error = split.check_no_leak(&corpus).unwrap_err();
    assert!(matches!(error, CorpusError::SongsNotInSplit { songs: 1, .. }), "{error}");
}

#[test]
fn one_recording_under_two_names_is_found_if_it_stands_in_two_parts() {
    let corpus = corpus(&[vec![20], vec![20]]);
    let split = split_by_song(&corpus, 0, SplitRng::Cantus).unwrap();
    let (train, test) = (split.songs(Part::Train), split.songs(Part::Test));
    let within = [(train[1], "x"), (test[0], "y"), (train[0], "x"), (test[1], "z")];
    assert_eq!(cantus_corpus::duplicates(within), [[train[0], train[1]]]);
    split.check_no_shared_content(within).unwrap();

    let across = [(train[0], "x"), (train[1], "x"), (test[0], "x"), (test[1], "z")];
    match split.check_no_shared_content(across).unwrap_err() {
        CorpusError::SharedContent { groups: 1, songs } => assert_eq!(songs.len(), 3),
        other => panic!("{other}"),
    }
}
