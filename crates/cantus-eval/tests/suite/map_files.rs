//! `map.parquet`: what comes back, and what is refused; and maps that cannot be.

use std::path::Path;

use cantus_eval::{ClipMap, EvalError, MapClip, MapSong};
use proptest::prelude::*;

use crate::samples::numbered_labels;

fn song(song_id: &str, class: usize) -> MapSong {
    MapSong { song_id: song_id.to_owned(), class, position: [class as f32, 0.5] }
}

fn clip(song: usize, start_seconds: f64, position: [f32; 2]) -> MapClip {
    MapClip {
        song,
        start_seconds,
        position,
        features: vec![position[0], 1.0, start_seconds as f32],
    }
}

/// Two artists, three songs, five clips; none in order.
fn some_parts() -> (Vec<MapSong>, Vec<MapClip>) {
    let songs = vec![song("b/2.mp3", 1), song("a/1.mp3", 0), song("b/1.mp3", 1)];
    let clips = vec![
        clip(2, 3.0, [0.5, 1.0]),
        clip(0, 0.0, [-2.0, 1.5]),
        clip(2, 0.0, [0.25, -1.0]),
        clip(1, 0.0, [4.0, 4.0]),
        clip(0, 6.0, [1.0, 2.5]),
    ];
    (songs, clips)
}

pub(crate) fn some_map() -> ClipMap {
    let (songs, clips) = some_parts();
    ClipMap::new(numbered_labels(2), songs, clips).unwrap()
}

fn any_map() -> impl Strategy<Value = ClipMap> {
    let place = || prop::array::uniform2(-1e3_f32..1e3);
    let clips = prop::collection::vec((0.0..300.0_f64, place()), 1..5);
    let songs = prop::collection::vec((0..3_usize, place(), clips), 1..9);
    (songs, 0..4_usize).prop_map(|(drawn, features)| {
        let (mut songs, mut clips) = (Vec::new(), Vec::new());
        for (number, (class, position, of_song)) in drawn.into_iter().enumerate() {
            songs.push(MapSong { song_id: format!("song {number}"), class, position });
            clips.extend(of_song.into_iter().map(|(start_seconds, position)| MapClip {
                song: number,
                start_seconds,
                position,
                features: vec![position[0]; features],
            }));
        }
        ClipMap::new(numbered_labels(3), songs, clips).unwrap()
    })
}

proptest! {
    #[test]
    fn maps_come_back_from_parquet_bit_for_bit(map in any_map()) {
        let bytes = map.write_parquet(Vec::new()).unwrap();
        prop_assert_eq!(ClipMap::read_parquet_from(&bytes[..]).unwrap(), map);
    }
}

#[test]
fn songs_are_sorted_by_id_and_clips_by_song_and_start() {
    let map = some_map();
    let ids: Vec<&str> = map.songs().iter().map(|song| song.song_id.as_str()).collect();
    assert_eq!(ids, ["a/1.mp3", "b/1.mp3", "b/2.mp3"]);
    let clips: Vec<(usize, f64)> =
        map.clips().iter().map(|clip| (clip.song, clip.start_seconds)).collect();
    assert_eq!(clips, [(0, 0.0), (1, 0.0), (1, 3.0), (2, 0.0), (2, 6.0)]);
    assert_eq!(map.clip_points()[3].class, 1);
}

#[test]
fn the_order_of_songs_and_clips_changes_nothing() {
    let (mut songs, mut clips) = some_parts();
    songs.reverse();
    clips.reverse();
    for clip in &mut clips {
        clip.song = 2 - clip.song;
    }
    assert_eq!(ClipMap::new(numbered_labels(2), songs, clips).unwrap(), some_map());
}

#[test]
fn a_song_may_lie_at_the_mean_of_its_clips() {
    let map = some_map().with_mean_songs();
    let places: Vec<[f32; 2]> = map.song_points().iter().map(|point| point.position).collect();
    assert_eq!(places, [[4.0, 4.0], [0.375, 0.0], [-0.5, 2.0]]);
}

#[test]
fn a_map_file_cut_short_is_refused_at_any_length() {
    let bytes = some_map().write_parquet(Vec::new()).unwrap();
    for end in (0..bytes.len()).step_by(7) {
        let error = ClipMap::read_parquet_from(&bytes[..end]).unwrap_err();
        assert!(matches!(error, EvalError::DamagedMap { .. }), "{end}: {error}");
    }
}

#[test]
fn a_changed_byte_of_a_map_is_found_or_harmless() {
    let whole = some_map().write_parquet(Vec::new()).unwrap();
    let mut refused = 0;
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        match ClipMap::read_parquet_from(&bytes[..]) {
            // Bytes that only other readers look at, such as a column's statistics.
            Ok(map) => assert_eq!(map, some_map(), "byte {position}"),
            Err(EvalError::DamagedMap { .. } | EvalError::ImpossibleMap { .. }) => refused += 1,
            Err(error) => panic!("byte {position}: {error}"),
        }
    }
    assert!(refused > whole.len() / 2, "{refused} of {} changes were found", whole.len());
}

#[test]
fn a_missing_map_is_named() {
    let path = Path::new("/nonexistent/map.parquet");
    let error = ClipMap::read_parquet(path).unwrap_err();
    assert!(matches!(error, EvalError::Read { .. }), "{error}");
    assert!(error.to_string().starts_with("/nonexistent/map.parquet"), "{error}");
}

#[test]
fn clips_and_songs_that_cannot_be_are_refused_and_named() {
    type Change = fn(&mut Vec<MapSong>, &mut Vec<MapClip>);
    let changes: [(&str, Change); 10] = [
        ("clip 1 of the map belongs to song 3 of 3", |_, clips| clips[1].song = 3),
        ("clip 2 of the map lies at no finite place", |_, clips| clips[2].position[1] = f32::NAN),
        ("clip 0 of the map starts at -1 s", |_, clips| clips[0].start_seconds = -1.0),
        ("clip 0 of the map starts at NaN s", |_, clips| clips[0].start_seconds = f64::NAN),
        ("clip 4 of the map has 0 features where the first has 3", |_, clips| {
            clips[4].features.clear();
        }),
        ("clip 3 of the map has a feature that is not finite", |_, clips| {
            clips[3].features[0] = f32::INFINITY;
        }),
        ("song \"a/1.mp3\" of the map has the class 2 of 2", |songs, _| songs[1].class = 2),
        ("song \"b/2.mp3\" of the map lies at no finite place", |songs, _| {
            songs[0].position[0] = f32::INFINITY;
        }),
        ("song \"a/1.mp3\" of the map has no clip", |_, clips| clips[3].song = 0),
        ("song \"b/2.mp3\" of the map is given twice", |songs, _| {
            songs[2].song_id = "b/2.mp3".to_owned();
        }),
    ];
    for (message, change) in changes {
        let (mut songs, mut clips) = some_parts();
        change(&mut songs, &mut clips);
        let error = ClipMap::new(numbered_labels(2), songs, clips).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let error = ClipMap::new(numbered_labels(2), Vec::new(), Vec::new()).unwrap_err();
    assert!(matches!(error, EvalError::NoPredictions), "{error}");
}
