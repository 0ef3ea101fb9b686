use std::collections::BTreeSet;

use super::production::root_mean_square;
use super::*;

const SHORT: DemoSettings = DemoSettings { seed: 0, song_seconds: 6 };
const PLACE: Place = Place { artist: 5, album: 2, song: 1 };

fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|sample| sample.to_bits()).collect()
}

#[test]
fn a_song_is_the_same_every_time_and_another_with_another_seed() {
    let song = bits(&synthesise(&SHORT, PLACE));
    assert_eq!(song, bits(&synthesise(&SHORT, PLACE)));
    assert_ne!(song, bits(&synthesise(&DemoSettings { seed: 1, ..SHORT }, PLACE)));
    assert_ne!(song, bits(&synthesise(&SHORT, Place { song: 2, ..PLACE })));
}

#[test]
fn songs_are_finite_centred_and_neither_clipped_nor_faint() {
    // One song of every artist, over all albums and songs of an album.
    for artist in 0..ARTISTS.len() {
        let place = Place { artist, album: artist % ALBUMS, song: artist % SONGS };
        let song = synthesise(&SHORT, place);
        assert_eq!(song.len(), sample_count(&SHORT));
        assert!(song.iter().all(|sample| sample.abs() < 1.0), "{place:?} leaves full scale");
        let mean = song.iter().map(|&sample| f64::from(sample)).sum::<f64>() / song.len() as f64;
        assert!(mean.abs() < 1e-3, "{place:?} has a mean of {mean}");
        let loudness_db = 20.0 * root_mean_square(&song).log10();
        let (softest, loudest) = strength::LOUDNESS_DB;
        // The limiter takes a little of the loudest.
        assert!(
            (softest - 1.0..loudest + 0.1).contains(&loudness_db),
            "{place:?} has {loudness_db} dB"
        );
    }
}

#[test]
fn places_are_counted_through_artists_albums_and_songs() {
    let paths: BTreeSet<_> =
        (0..TOTAL_SONGS).map(|number| titles::path(Path::new("x"), place_of(number))).collect();
    assert_eq!(paths.len(), TOTAL_SONGS);
    assert_eq!(
        place_of(TOTAL_SONGS - 1),
        Place { artist: ARTISTS.len() - 1, album: ALBUMS - 1, song: SONGS - 1 }
    );
}

/// Contents of every song under a folder.
fn songs(folder: &Path) -> Vec<Vec<u8>> {
    (0..TOTAL_SONGS)
        .map(|number| fs::read(titles::path(folder, place_of(number))).unwrap())
        .collect()
}

fn generate_with_threads(folder: &Path, settings: &DemoSettings, threads: usize) -> DemoSummary {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| generate(folder, settings, &|_, _| (), &|| false)).unwrap()
}

#[test]
fn the_corpus_does_not_depend_on_the_number_of_threads() {
    let settings = DemoSettings { seed: 4, song_seconds: 1 };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = generate_with_threads(one.path(), &settings, 1);
    generate_with_threads(two.path(), &settings, 2);
    assert_eq!(made, DemoSummary { songs: TOTAL_SONGS, kept: 0, missing: Vec::new() });
    assert!(songs(one.path()) == songs(two.path()));
}

#[test]
fn complete_songs_are_kept_and_damaged_or_outdated_ones_made_anew() {
    let settings = DemoSettings { seed: 4, song_seconds: 1 };
    let folder = tempfile::tempdir().unwrap();
    let calls = AtomicUsize::new(0);
    let count = |done: usize, total: usize| {
        assert!(done <= total && total == TOTAL_SONGS);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    generate(folder.path(), &settings, &count, &|| false).unwrap();
    assert_eq!(calls.into_inner(), TOTAL_SONGS + 1);
    let first = songs(folder.path());

    let shortened = titles::path(folder.path(), place_of(17));
    fs::write(&shortened, b"RIFF").unwrap();
    assert_eq!(songs_to_make(folder.path(), &settings), 1);
    let summary = generate(folder.path(), &settings, &|_, _| (), &|| false).unwrap();
    assert_eq!(summary.kept, TOTAL_SONGS - 1);
    assert!(songs(folder.path()) == first);

    assert_eq!(songs_to_make(folder.path(), &settings), 0);
    let other = DemoSettings { seed: 5, ..settings };
    assert_eq!(songs_to_make(folder.path(), &other), TOTAL_SONGS);
    assert_eq!(generate(folder.path(), &other, &|_, _| (), &|| false).unwrap().kept, 0);
    assert!(songs(folder.path()) != first);
}

#[test]
fn a_stop_keeps_what_was_made_and_names_the_rest() {
    let settings = DemoSettings { seed: 4, song_seconds: 1 };
    let folder = tempfile::tempdir().unwrap();
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 5;
    let stopped = generate(folder.path(), &settings, &|_, _| (), &stop).unwrap();
    assert_eq!(stopped.missing.len(), TOTAL_SONGS - 5);
    assert!(stopped.missing.iter().all(|song| !folder.path().join(song).exists()));
    let gone_on = generate(folder.path(), &settings, &|_, _| (), &|| false).unwrap();
    assert_eq!(gone_on, DemoSummary { songs: TOTAL_SONGS, kept: 5, missing: Vec::new() });
}

#[test]
fn a_destination_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    fs::write(&file, b"").unwrap();
    let error = generate(&file.join("demo"), &SHORT, &|_, _| (), &|| false).unwrap_err();
    assert!(format!("{error:#}").contains("taken"), "{error:#}");
}

#[test]
fn the_files_are_mono_16_bit_wav_at_16_khz() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.wav");
    song_file::write_song(&path, &[0.0, 1.0, -1.0, 0.5]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), song_file::bytes(4));
    let mut reader = hound::WavReader::open(&path).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 16_000, 16));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(samples, [0, 32_767, -32_767, 16_384]);
}
