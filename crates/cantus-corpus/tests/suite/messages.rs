//! What people read when something is wrong: found, expected, hint.

use std::path::Path;

use cantus_corpus::{
    Corpus, CorpusError, ScanOptions, SplitRng, scan_folders, split_by_album, split_by_song,
};

use crate::music_folder::{MusicFolder, corpus, song};

/// The message and the hint, the temporary folder's name taken out.
fn told(error: &CorpusError, root: &Path) -> String {
    format!("{error}\nhint: {}", error.hint().unwrap()).replace(&root.display().to_string(), "ROOT")
}

fn scan(music: &MusicFolder) -> String {
    told(&scan_folders(music.path(), &ScanOptions::default()).unwrap_err(), music.path())
}

const EXPECTED: &str = "expected `<artist>/<album>/<song>` with songs ending in .mp3, .flac, .ogg, \
                        .oga, .opus, .wav, .m4a, .mp4, .aac, .aif, .aiff";

#[test]
fn a_folder_that_is_not_there() {
    let music = MusicFolder::new(["x"]);
    let error = scan_folders(&music.join("nowhere"), &ScanOptions::default()).unwrap_err();
    assert_eq!(
        told(&error, music.path()),
        "there is no folder `ROOT/nowhere`\nhint: check the path, or fetch the corpus first"
    );
}

#[test]
fn a_file_in_place_of_the_folder() {
    let music = MusicFolder::new(["song.mp3"]);
    let error = scan_folders(&music.join("song.mp3"), &ScanOptions::default()).unwrap_err();
    assert_eq!(
        told(&error, music.path()),
        "`ROOT/song.mp3` is a file, where a folder of artists was expected\n\
         hint: give the folder that holds `<artist>/<album>/<song>`"
    );
}

#[test]
fn an_empty_folder() {
    assert_eq!(
        scan(&MusicFolder::new([""; 0])),
        format!(
            "no artist found in `ROOT`: {EXPECTED}, found 0 folders, 0 songs loose beside them, \
             0 other files\nhint: the folder is empty: fetch a corpus, or copy music into it"
        )
    );
}

#[test]
fn a_folder_of_loose_songs() {
    let told = scan(&MusicFolder::new(["1.mp3", "2.mp3", "cover.jpg"]));
    assert!(
        told.contains("found 0 folders, 2 songs loose beside them, 1 other file (1 .jpg)"),
        "{told}"
    );
    assert!(told.contains("hint: give each artist a folder, in it one for each album"), "{told}");
}

#[test]
fn a_folder_of_songs_in_another_format() {
    let told = scan(&MusicFolder::new(["a/x/1.wma", "a/x/2.wma", "a/x/README"]));
    assert!(
        told.contains(
            "2 folders, 0 songs loose beside them, 3 other files (1 without an extension, 2 .wma)"
        ),
        "{told}"
    );
    assert!(told.contains("`a/x/1.wma` is in a format that cannot be used"), "{told}");
}

#[test]
fn a_folder_of_something_else() {
    let told = scan(&MusicFolder::new(["src/main.rs"]));
    assert!(told.contains("found 1 folder, 0 songs loose beside them, 1 other file (1 .rs)"));
    assert!(told.contains("hint: check that this is the folder above the artists"), "{told}");
}

#[test]
fn a_single_artist() {
    let corpus = corpus(&[vec![5, 5, 5]]);
    for error in [
        split_by_song(&corpus, 0, SplitRng::Cantus).unwrap_err(),
        split_by_album(&corpus, 0, SplitRng::Original).unwrap_err(),
    ] {
        assert_eq!(
            told(&error, "nowhere".as_ref()),
            "found 1 artist (a000); expected at least 2 artists to tell apart\n\
             hint: add artists; if the folder given is itself an artist's, give the one above"
        );
    }
    let empty = Corpus { root: "/music".into(), songs: Vec::new() };
    let error = split_by_song(&empty, 0, SplitRng::Cantus).unwrap_err();
    assert!(error.to_string().starts_with("found 0 artists (none)"), "{error}");
}

#[test]
fn artists_with_one_song_under_the_split_by_song() {
    let corpus = corpus(&[vec![1], vec![9], vec![1]]);
    for rng in [SplitRng::Cantus, SplitRng::Original] {
        let error = split_by_song(&corpus, 0, rng).unwrap_err();
        assert_eq!(
            told(&error, "nowhere".as_ref()),
            "found 2 artists with one song (a000, a002); a split by song expected at least 2 of \
             each\nhint: add songs of them, or leave them out"
        );
    }
}

#[test]
fn artists_with_one_album_under_the_split_by_album() {
    let corpus = corpus(&[vec![5], vec![5, 5, 5]]);
    for rng in [SplitRng::Cantus, SplitRng::Original] {
        let error = split_by_album(&corpus, 0, rng).unwrap_err();
        assert_eq!(
            told(&error, "nowhere".as_ref()),
            "found 1 artist with one album (a000: `b000`); a split by album expected at least 2 \
             of each\nhint: add an album of them, leave them out, or split by song"
        );
    }
}

#[test]
fn two_albums_of_one_song_by_everybody() {
    let corpus = corpus(&[vec![1, 1], vec![1, 1]]);
    let error = split_by_album(&corpus, 0, SplitRng::Cantus).unwrap_err();
    assert_eq!(
        told(&error, "nowhere".as_ref()),
        "the validation part would hold no song; expected at least 1\n\
         hint: add songs or albums, take fewer folds, or split by song"
    );
}

#[test]
fn a_corpus_that_scikit_learn_refuses() {
    let corpus = corpus(&vec![vec![2]; 8]);
    let error = split_by_song(&corpus, 0, SplitRng::Original).unwrap_err();
    let told = told(&error, "nowhere".as_ref());
    assert!(
        told.starts_with(
            "scikit-learn's rule refuses to draw the test part: found 2 songs for 8 artists"
        ),
        "{told}"
    );
    assert!(told.contains("hint: use the project's own generator"), "{told}");
    split_by_song(&corpus, 0, SplitRng::Cantus).unwrap();
}

#[test]
fn a_seed_too_large_for_numpy() {
    let corpus = corpus(&[vec![30, 30, 30], vec![30, 30, 30]]);
    let seed = u64::from(u32::MAX) + 1;
    let error = split_by_song(&corpus, seed, SplitRng::Original).unwrap_err();
    assert!(matches!(error, CorpusError::OriginalSeed { seed: found } if found == seed));
    split_by_song(&corpus, seed - 1, SplitRng::Original).unwrap();
    // Python's generator takes any.
    split_by_album(&corpus, seed, SplitRng::Original).unwrap();
}

#[test]
fn many_names_are_cut_short() {
    let songs = (0..30).map(|artist| song(&format!("artist {artist:02}"), "x", "1")).collect();
    let corpus = Corpus::new("/music", songs).unwrap();
    let error = split_by_song(&corpus, 0, SplitRng::Cantus).unwrap_err();
    assert!(error.to_string().contains("artist 07 and 22 more)"), "{error}");
}
