//! Files of embeddings: what comes back, and what is refused; embeddings that cannot be; and which
//! songs and artists are alike.

use std::collections::BTreeMap;
use std::path::Path;

use cantus_eval::{EmbeddedClip, EmbeddedSong, EmbeddingModel, Embeddings, EvalError};
use proptest::prelude::*;

fn model() -> EmbeddingModel {
    EmbeddingModel {
        model_hash: "ab".repeat(32),
        front_end: BTreeMap::from([("mel.n_mels".to_owned(), "128".to_owned())]),
        frames_per_clip: 94,
        clip_seconds: 3.008,
    }
}

fn song(artist: &str, title: &str, clips: &[[f32; 2]]) -> EmbeddedSong {
    EmbeddedSong {
        song_id: format!("{artist}/{title}.mp3"),
        artist: artist.to_owned(),
        album: "An Album".to_owned(),
        title: title.to_owned(),
        source_hash: "cd".repeat(32),
        clips: (0..)
            .zip(clips)
            .map(|(number, features)| EmbeddedClip {
                start_seconds: f64::from(number) * 3.008,
                features: features.to_vec(),
            })
            .collect(),
    }
}

/// Two artists, three songs, not in order.
fn some_songs() -> Vec<EmbeddedSong> {
    vec![
        song("Choir", "Nave", &[[0.0, 1.0], [0.0, 3.0]]),
        song("Fox", "Den", &[[1.0, 0.0]]),
        song("Choir", "Apse", &[[1.0, 1.0], [3.0, 3.0], [-1.0, -1.0]]),
    ]
}

fn some_embeddings() -> Embeddings {
    Embeddings::new(model(), some_songs()).unwrap()
}

fn any_embeddings() -> impl Strategy<Value = Embeddings> {
    (1..5_usize).prop_flat_map(|dimensions| {
        let features = prop::collection::vec(-1e3_f32..1e3, dimensions);
        let clip = (0.0..300.0_f64, features)
            .prop_map(|(start_seconds, features)| EmbeddedClip { start_seconds, features });
        let clips = prop::collection::vec(clip, 1..6);
        prop::collection::vec(clips, 1..9).prop_map(|drawn| {
            let songs = drawn.into_iter().enumerate().map(|(number, clips)| EmbeddedSong {
                clips,
                ..song("Any", &number.to_string(), &[])
            });
            Embeddings::new(model(), songs.collect()).unwrap()
        })
    })
}

proptest! {
    #[test]
    fn embeddings_come_back_from_parquet_bit_for_bit(embeddings in any_embeddings()) {
        let bytes = embeddings.write_parquet(Vec::new()).unwrap();
        prop_assert_eq!(Embeddings::read_parquet_from(&bytes[..]).unwrap(), embeddings);
    }

    #[test]
    fn a_song_is_most_like_itself(embeddings in any_embeddings()) {
        for mean in embeddings.song_means() {
            let songs = embeddings.similar_songs(mean).unwrap();
            prop_assert!(songs[0].similarity > 1.0 - 1e-12, "{}", songs[0].similarity);
            prop_assert!(songs.is_sorted_by(|a, b| a.similarity >= b.similarity));
        }
    }
}

#[test]
fn songs_are_sorted_by_id_and_each_has_the_mean_of_its_clips() {
    let embeddings = some_embeddings();
    let ids: Vec<&str> = embeddings.songs().iter().map(|song| song.song_id.as_str()).collect();
    assert_eq!(ids, ["Choir/Apse.mp3", "Choir/Nave.mp3", "Fox/Den.mp3"]);
    assert_eq!(embeddings.song_means(), [[1.0, 1.0], [0.0, 2.0], [1.0, 0.0]]);
    assert_eq!((embeddings.dimensions(), embeddings.clips()), (2, 6));
}

#[test]
fn the_order_in_which_songs_are_given_changes_no_byte() {
    let mut songs = some_songs();
    songs.reverse();
    let other = Embeddings::new(model(), songs).unwrap().write_parquet(Vec::new()).unwrap();
    assert!(some_embeddings().write_parquet(Vec::new()).unwrap() == other);
}

#[test]
fn the_song_in_the_same_direction_is_nearest_whatever_its_length() {
    let embeddings = some_embeddings();
    let songs = embeddings.similar_songs(&[5.0, 5.0]).unwrap();
    let titles: Vec<(&str, f64)> = songs
        .iter()
        .map(|song| (embeddings.songs()[song.song].title.as_str(), song.similarity))
        .collect();
    let half = 0.5_f64.sqrt();
    // Equals stand in order of their ids: `Choir` before `Fox`.
    for ((title, similarity), (told, expected)) in
        titles.into_iter().zip([("Apse", 1.0), ("Nave", half), ("Den", half)])
    {
        assert_eq!(title, told);
        assert!((similarity - expected).abs() < 1e-12, "{title}: {similarity}");
    }
}

#[test]
fn an_artist_is_the_mean_of_its_songs_each_counting_the_same() {
    // Of `Choir`, (1, 1) of three clips and (0, 2) of two: (0.5, 1.5).
    let artists = some_embeddings().similar_artists(&[1.0, 3.0]).unwrap();
    let told: Vec<(&str, usize)> =
        artists.iter().map(|artist| (artist.artist.as_str(), artist.songs)).collect();
    assert_eq!(told, [("Choir", 2), ("Fox", 1)]);
    assert!((artists[0].similarity - 1.0).abs() < 1e-12);
    assert!((artists[1].similarity - 0.1_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn nothing_is_like_an_embedding_without_direction() {
    let songs = some_embeddings().similar_songs(&[0.0, 0.0]).unwrap();
    assert!(songs.iter().all(|song| song.similarity == 0.0));
}

#[test]
fn a_recording_of_another_network_or_with_no_numbers_is_refused() {
    let embeddings = some_embeddings();
    let refused = |embedding: &[f32]| {
        let of_songs = embeddings.similar_songs(embedding).unwrap_err().to_string();
        assert_eq!(embeddings.similar_artists(embedding).unwrap_err().to_string(), of_songs);
        of_songs
    };
    assert_eq!(
        refused(&[1.0; 3]),
        "the recording's embedding has 3 features where the corpus' have 2"
    );
    assert_eq!(
        refused(&[1.0, f32::NAN]),
        "the recording's embedding has a feature that is not finite"
    );
}

#[test]
fn a_file_of_embeddings_cut_short_is_refused_at_any_length() {
    let bytes = some_embeddings().write_parquet(Vec::new()).unwrap();
    for end in (0..bytes.len()).step_by(7) {
        let error = Embeddings::read_parquet_from(&bytes[..end]).unwrap_err();
        assert!(matches!(error, EvalError::DamagedEmbeddings { .. }), "{end}: {error}");
    }
}

#[test]
fn a_changed_byte_of_embeddings_is_found_or_harmless() {
    let whole = some_embeddings().write_parquet(Vec::new()).unwrap();
    let mut refused = 0;
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        match Embeddings::read_parquet_from(&bytes[..]) {
            // Bytes that only other readers look at, such as a column's statistics.
            Ok(embeddings) => assert_eq!(embeddings, some_embeddings(), "byte {position}"),
            Err(EvalError::DamagedEmbeddings { .. } | EvalError::ImpossibleEmbeddings { .. }) => {
                refused += 1;
            }
            Err(error) => panic!("byte {position}: {error}"),
        }
    }
    assert!(refused > whole.len() / 3, "{refused} of {} changes were found", whole.len());
}

#[test]
fn a_map_and_a_missing_file_are_no_embeddings_and_are_named() {
    let path = Path::new("/nonexistent/embeddings.parquet");
    let error = Embeddings::read_parquet(path).unwrap_err();
    assert!(matches!(error, EvalError::Read { .. }), "{error}");
    assert!(error.to_string().starts_with("/nonexistent/embeddings.parquet"), "{error}");

    let map = crate::map_files::some_map().write_parquet(Vec::new()).unwrap();
    let error = Embeddings::read_parquet_from(&map[..]).unwrap_err().to_string();
    assert!(error.ends_with("its footer has no cantus.embeddings.format"), "{error}");
}

#[test]
fn songs_that_cannot_be_are_refused_and_named() {
    type Change = fn(&mut [EmbeddedSong]);
    let changes: [(&str, Change); 7] = [
        ("song \"Fox/Den.mp3\" of the embeddings has no clip", |songs| songs[1].clips.clear()),
        ("song \"Fox/Den.mp3\" of the embeddings is given twice", |songs| {
            songs[0].song_id = "Fox/Den.mp3".to_owned();
        }),
        ("song \"Choir/Nave.mp3\" of the embeddings has a clip 1 that starts at -1 s", |songs| {
            songs[0].clips[1].start_seconds = -1.0;
        }),
        ("song \"Fox/Den.mp3\" of the embeddings has a clip 0 that starts at NaN s", |songs| {
            songs[1].clips[0].start_seconds = f64::NAN;
        }),
        ("song \"Choir/Apse.mp3\" of the embeddings has a clip 0 without features", |songs| {
            songs[2].clips[0].features.clear();
        }),
        (
            "song \"Fox/Den.mp3\" of the embeddings has 3 features in clip 0 where the first song \
             has 2",
            |songs| songs[1].clips[0].features.push(0.0),
        ),
        (
            "song \"Choir/Nave.mp3\" of the embeddings has a feature in clip 0 that is not finite",
            |songs| songs[0].clips[0].features[1] = f32::NEG_INFINITY,
        ),
    ];
    for (message, change) in changes {
        let mut songs = some_songs();
        change(&mut songs);
        assert_eq!(Embeddings::new(model(), songs).unwrap_err().to_string(), message);
    }
    let none = Embeddings::new(model(), Vec::new()).unwrap_err();
    assert!(matches!(none, EvalError::NoEmbeddings), "{none}");
}
