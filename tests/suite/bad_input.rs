//! What users really have: damaged songs, odd names, folders that cannot be written.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cantus_cache::AlbumFile;

use crate::checkout::{Checkout, all_files_under, files_under};

/// Runs `preprocess` on three good artists and one bad song, and expects it named.
fn expect_song_named(checkout: &Checkout, song: &str, parts: &[&str]) {
    let ended = checkout.quick("preprocess", &[]).expect_code(3);
    let line = ended
        .err
        .lines()
        .find(|line| line.contains(song))
        .unwrap_or_else(|| panic!("`{song}` is not named in\n{}", ended.err));
    for part in parts {
        assert!(line.to_lowercase().contains(part), "no `{part}` in `{line}`");
    }
    assert!(ended.out.contains("18 songs"), "the good songs are there: {}", ended.out);
}

#[test]
fn an_empty_file_is_named_and_the_rest_goes_on() {
    let checkout = Checkout::with_music();
    checkout.bytes("Alto/Album 1/Empty.mp3", b"");
    expect_song_named(&checkout, "Empty.mp3", &["empty"]);
}

#[test]
fn text_with_the_name_of_a_song_is_named() {
    let checkout = Checkout::with_music();
    checkout.bytes("Alto/Album 1/Text.mp3", "these are words, not music\n".repeat(200).as_bytes());
    expect_song_named(&checkout, "Text.mp3", &[]);
}

#[test]
fn a_folder_with_the_name_of_a_song_is_no_song() {
    let checkout = Checkout::with_music();
    fs::create_dir_all(checkout.music("Alto/Album 1/Folder.wav")).unwrap();
    let ended = checkout.quick("preprocess", &[]).expect_code(0);
    assert!(ended.out.contains("18 songs"), "{}", ended.out);
}

#[test]
fn a_song_of_nans_is_named() {
    let checkout = Checkout::with_music();
    checkout.wav("Alto/Album 1/Nan.wav", std::iter::repeat_n(f32::NAN, 48_000));
    expect_song_named(&checkout, "Nan.wav", &["finite"]);
}

#[test]
fn silence_is_a_song_like_any_other() {
    let checkout = Checkout::with_music();
    checkout.wav("Alto/Album 1/Silence.wav", std::iter::repeat_n(0.0, 48_000));
    let ended = checkout.quick("train", &[]).expect_code(0);
    assert!(!ended.err.contains("could not be used"), "{}", ended.err);
}

#[test]
fn a_song_shorter_than_a_clip_is_named_with_what_is_needed() {
    let checkout = Checkout::with_music();
    checkout.song("Alto/Album 1/Short.wav", 440.0, 0.4);
    let ended = checkout.quick("evaluate", &[]).expect_code(3);
    ended.expect_error(&["Short.wav", "too short", "32 are needed", "--clip"]);
    let split = String::from_utf8(checkout.run_file("split.tsv")).unwrap();
    assert!(split.contains("Song 1.wav") && !split.contains("Short.wav"), "{split}");
}

#[test]
fn a_damaged_output_is_named_and_made_again_by_its_command() {
    let checkout = Checkout::with_music();
    checkout.quick("evaluate", &[]).expect_code(0);
    for (file, command) in [
        ("metrics.json", "evaluate"),
        ("predictions.parquet", "evaluate"),
        ("model.safetensors", "train"),
        ("baselines.json", "baseline"),
    ] {
        fs::write(checkout.run_folder().join(file), b"{").unwrap();
        let ended = checkout.quick("report", &["--force"]).expect_code(1);
        ended.expect_error(&[file, "is damaged", "has 1 bytes", "`cargo xtask verify --repair`"]);
        checkout.quick(command, &["--force"]).expect_code(0);
        checkout.quick("report", &[]).expect_code(0);
    }
}

#[test]
fn a_damaged_map_is_made_again() {
    let checkout = Checkout::with_music();
    checkout.quick("report", &[]).expect_code(0);
    let map = checkout.run_folder().join("map.parquet");
    fs::write(&map, b"{").unwrap();
    let ended = checkout.quick("report", &["--force"]).expect_code(1);
    ended.expect_error(&["map.parquet", "is damaged", "`cargo xtask verify --repair`"]);
    checkout.run(&["verify", "--repair"]).expect_code(0);
    assert!(fs::read(&map).unwrap().starts_with(b"PAR1"));
    fs::remove_file(&map).unwrap();
    checkout.quick("report", &[]).expect_code(0);
}

#[test]
fn a_short_song_is_named_by_each_command_and_on_the_page_of_its_own_trial() {
    let checkout = Checkout::with_music();
    checkout.song("Alto/Album 1/Short.wav", 440.0, 0.7);
    for command in ["train", "evaluate", "evaluate", "report", "report"] {
        checkout.quick(command, &[]).expect_code(3).expect_error(&["Short.wav", "too short"]);
    }
    let page = |checkout: &Checkout| String::from_utf8(checkout.run_file("report.html")).unwrap();
    assert!(page(&checkout).contains("too short for a clip of 1s"));

    let two = Checkout::with_music();
    two.song("Alto/Album 1/Short.wav", 440.0, 1.5);
    let lists = ["report", "--corpus", "music", "--clip", "2s,1s", "--epochs", "1", "--json"];
    let ended = two.run(&lists).expect_code(3);
    let pages: Vec<bool> = ended
        .json()
        .iter()
        .map(|trial| {
            fs::read_to_string(two.path().join(trial["report"].as_str().unwrap())).unwrap()
        })
        .map(|page| page.contains("too short"))
        .collect();
    assert_eq!(pages, [true, false]);
}

#[test]
fn a_truncated_wav_is_used_as_far_as_it_goes_and_named_each_time() {
    let checkout = Checkout::with_music();
    let whole = fs::read(checkout.music("Alto/Album 1/Song 1.wav")).unwrap();
    checkout.bytes("Alto/Album 1/Truncated.wav", &whole[..whole.len() / 2]);
    for command in ["preprocess", "preprocess", "report"] {
        let ended = checkout.quick(command, &[]).expect_code(0);
        ended.expect_error(&[
            "1 song is damaged and used as far as it goes",
            "Truncated.wav: some of the music that the file states is missing",
            "put a whole copy in its place",
        ]);
    }
    let page = String::from_utf8(checkout.run_file("report.html")).unwrap();
    assert!(page.contains("Truncated.wav") && page.contains("that the file states is missing"));
}

#[test]
fn songs_of_one_name_in_two_albums_and_awkward_names_are_all_told_apart() {
    let checkout = Checkout::with_music();
    let long = format!("{}.wav", "l".repeat(200));
    let names = [
        "Alto/Album 1/quote\"s and 'ticks'.wav",
        "Alto/Album 1/slash%2Fencoded.wav",
        "Alto/Album 1/tab\tand\nline.wav",
        "Alto/Album \u{1f3b5}/\u{1f3b6} emoji \u{e9}.wav",
        &format!("Alto/Album 1/{long}"),
        "Alto/Album 2/Disc 1/Song 1.wav",
        "Alto/Album 2/Disc 2/Song 1.wav",
    ];
    for name in names {
        checkout.song(name, 440.0, 2.1);
    }
    let ended = checkout.quick("report", &[]).expect_code(0);
    let split = String::from_utf8(checkout.run_file("split.tsv")).unwrap();
    assert!(split.contains("emoji") && split.contains(&long), "{split}");
    assert!(!ended.err.contains("could not be used"), "{}", ended.err);
    let summary = checkout.quick("preprocess", &["--json"]).json().remove(0);
    assert_eq!(summary["songs"], 25);
}

#[test]
fn a_song_whose_name_is_not_utf8_stays_when_its_album_grows() {
    let checkout = Checkout::with_music();
    let plain = checkout.music("Alto/Album 1/Song 1.wav");
    let odd = plain.with_file_name(OsStr::from_bytes(b"\xff.wav"));
    fs::rename(&plain, odd).unwrap();
    checkout.quick("preprocess", &[]).expect_code(0);
    checkout.song("Alto/Album 1/Song 3.wav", 470.0, 4.2);
    let summary = checkout.quick("preprocess", &["--json"]).expect_code(0).json().remove(0);
    assert_eq!(summary["songs"], 19);
}

#[test]
fn a_failed_song_is_tried_again_when_it_changes_and_not_before() {
    let checkout = Checkout::with_music();
    checkout.bytes("Alto/Album 1/New.wav", b"RIFF");
    checkout.quick("preprocess", &[]).expect_code(3);
    let status = checkout.quick("status", &["--json"]);
    let preprocess = &status.json()[0]["stages"][1];
    assert_eq!(preprocess["state"], "fresh", "{preprocess}");
    assert!(status.out.contains("New.wav"), "still listed: {}", status.out);
    checkout.song("Alto/Album 1/New.wav", 440.0, 4.2);
    let ended = checkout.quick("preprocess", &[]).expect_code(0);
    assert!(ended.out.contains("19 songs"), "{}", ended.out);
}

#[test]
fn a_missing_corpus_says_what_was_looked_for_and_what_to_do() {
    let checkout = Checkout::new();
    let ended = checkout.run(&["train", "--corpus", "nowhere"]).expect_code(1);
    ended.expect_error(&["nowhere", "hint:", "<artist>/<album>/<song>"]);
    let ended = checkout.run(&["train", "--corpus", "demo"]).expect_code(1);
    ended.expect_error(&["demo", "cargo xtask fetch demo"]);
}

#[test]
fn tags_are_refused_where_a_table_names_the_songs() {
    let checkout = Checkout::new();
    checkout.bytes("list.tsv", b"path\tartist\talbum\ttitle\n");
    for corpus in ["music/list.tsv", "freemusic-small"] {
        let ended = checkout.run(&["train", "--corpus", corpus, "--layout", "tags"]);
        ended.expect_code(2).expect_error(&["--layout tags", corpus, "hint:"]);
    }
}

#[test]
fn an_empty_folder_and_one_artist_are_refused_with_what_was_found() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.music("")).unwrap();
    checkout.quick("train", &[]).expect_code(1).expect_error(&["music", "hint:"]);
    checkout.song("Alto/Album 1/Song 1.wav", 440.0, 4.2);
    checkout.quick("train", &[]).expect_code(1).expect_error(&["Alto", "hint:"]);
}

#[test]
fn an_artist_with_one_song_and_one_with_one_album_are_named() {
    let checkout = Checkout::with_music();
    checkout.song("Solo/Only Album/Only Song.wav", 880.0, 4.2);
    checkout.quick("train", &[]).expect_code(1).expect_error(&["Solo", "hint:"]);
    checkout.song("Solo/Only Album/Other Song.wav", 880.0, 4.2);
    checkout.song("Solo/Only Album/Third Song.wav", 880.0, 4.2);
    checkout.quick("train", &["--split", "album"]).expect_code(1).expect_error(&["Solo", "album"]);
}

#[test]
fn quiet_leaves_the_result_and_the_songs_that_could_not_be_used() {
    let checkout = Checkout::with_music();
    checkout.bytes("Alto/Album 1/Bad.wav", b"RIFF");
    let ended = checkout.quick("train", &["--quiet"]).expect_code(3);
    assert!(ended.err.starts_with("\n1 song could not be used:\n  Alto/"), "{}", ended.err);
    assert!(ended.out.contains("best of 2 epochs"), "{}", ended.out);
}

#[test]
fn where_a_command_fails_the_songs_that_made_it_fail_are_named_first() {
    let checkout = Checkout::with_music();
    checkout.song("Solo/Only Album/Good.wav", 880.0, 4.2);
    checkout.bytes("Solo/Only Album/Bad One.wav", b"RIFF");
    checkout.bytes("Solo/Only Album/Bad Two.wav", b"RIFF");
    let ended = checkout.quick("train", &[]).expect_code(1);
    let of = |part| ended.err.find(part).unwrap_or_else(|| panic!("no {part} in {}", ended.err));
    assert!(of("2 songs could not be used") < of("Bad One.wav"));
    assert!(of("Bad Two.wav") < of("error: "));
    let hashes = fs::read(checkout.path().join("data/cache/content-hashes.bin")).unwrap();
    assert!(String::from_utf8_lossy(&hashes).contains("Good.wav"), "the hashes are kept");
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named_with_a_hint() {
    let checkout = Checkout::with_music();
    checkout.bytes("../file", b"not a folder");
    let ended = checkout.quick("preprocess", &["--data", "file/data"]).expect_code(1);
    ended.expect_error(&["file/data", "hint:"]);
}

#[test]
fn a_read_only_output_folder_is_named_and_what_was_there_stays() {
    let checkout = Checkout::with_music();
    let locked = checkout.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), "x").is_ok() {
        // The superuser writes anyway; a full run of this case needs an ordinary user.
        fs::remove_file(locked.join("probe")).unwrap();
        return;
    }
    let ended = checkout.quick("preprocess", &["--data", "locked"]).expect_code(1);
    ended.expect_error(&["locked", "hint:"]);
}

#[test]
fn bad_usage_ends_with_two_and_says_what_would_do() {
    let checkout = Checkout::new();
    for (arguments, part) in [
        (vec!["train", "--clip", "0s"], "0s"),
        (vec!["train", "--split", "year"], "song"),
        (vec!["train", "--seed", "-1"], "seed"),
        (vec!["frobnicate"], "frobnicate"),
        (vec!["preprocess", "--threads", "0"], "--threads"),
        (vec!["preprocess", "--threads", "9999"], "--threads"),
        (vec!["preprocess", "--memory", "0"], "--memory"),
        (vec!["preprocess", "--memory", "NaN"], "above 0"),
        (vec!["preprocess", "--max-songs", "0"], "--max-songs"),
        (vec!["preprocess", "--max-seconds", "-1"], "--max-seconds"),
        (vec!["preprocess", "--max-seconds", "inf"], "above 0"),
        (vec!["train", "--epochs", "0"], "--epochs"),
        (vec!["train", "--patience", "0"], "--patience"),
        (vec!["train", "--batch-size", "0"], "--batch-size"),
        (vec!["train", "--learning-rate", "-0.1"], "--learning-rate"),
        (vec!["demo", "--epochs", "0"], "--epochs"),
        (vec!["demo", "--max-seconds", "0"], "--max-seconds"),
        (vec!["demo", "--song-seconds", "2"], "3..=600"),
        (vec!["bench", "train", "--peer", "jax"], "torch, keras, candle"),
        (vec!["bench", "train", "--peer-seconds", "0"], "above 0"),
        (vec!["bench", "preprocess"], "<DIR>"),
        (vec!["bench", "preprocess", ".", "--peer", "sox"], "librosa, ffmpeg, mpg123"),
        (vec!["train", "--folds", "1"], "2..=1000"),
        (vec!["train", "--artists", "1"], "fewer than two"),
        (vec!["fetch", "nosuch"], "freemusic-albums"),
        (vec!["fetch"], "<NAME>"),
    ] {
        checkout.run(&arguments).expect_code(2).expect_error(&[part]);
    }
    assert!(!checkout.path().join("data").exists());
}

#[test]
fn what_a_table_names_and_is_not_there_is_told_with_its_line_until_it_is() {
    let checkout = Checkout::with_music();
    let mut table = "path\tartist\talbum\ttitle\n".to_owned();
    for artist in ["Alto", "Basso", "Canto"] {
        for album in 1..=3 {
            let path = format!("music/{artist}/Album {album}/Song 1.wav");
            table.extend([&path, "\t", artist, "\t", &album.to_string(), "\tOne\n"]);
        }
    }
    let gone = checkout.music("Alto/Album 2/Song 1.wav");
    fs::rename(&gone, checkout.path().join("away.wav")).unwrap();
    table += "music/Alto\tAlto\t1\tA folder\nmusic/Alto/Album 1/Song 1.wav/x\tAlto\t1\tNo folder\n";
    fs::write(checkout.path().join("songs.tsv"), &table).unwrap();
    let preprocess = ["preprocess", "--corpus", "songs.tsv"];
    let listed = |further: &[&str]| {
        let ended = checkout.run(&[&preprocess[..], further].concat()).expect_code(3);
        let start = ended.err.find("3 songs could not be used").unwrap();
        ended.err[start..].to_owned()
    };
    let told = listed(&[]);
    for part in [
        "Alto/Album 2/Song 1.wav: is not there, though line 3 of the manifest names it",
        "music/Alto: is not a regular file",
        "Song 1.wav/x: cannot be read: Not a directory",
        "hint: check the path",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    // Where the songs of an artist are counted, files are looked for first.
    assert_eq!(listed(&["--max-songs", "100"]), told);
    fs::rename(checkout.path().join("away.wav"), gone).unwrap();
    let ended = checkout.run(&preprocess).expect_code(3);
    assert!(ended.err.contains("2 songs could not be used") && ended.out.contains("9 songs"));

    let rows = "path\tartist\talbum\ttitle\nmusic/none.wav\tA\tB\tC\n";
    fs::write(checkout.path().join("songs.tsv"), rows).unwrap();
    for further in [&[][..], &["--max-songs", "100"]] {
        let ended = checkout.run(&[&preprocess[..], further].concat()).expect_code(1);
        ended.expect_error(&["none of whose files can be used", "though line 2 of the manifest"]);
    }
}

#[test]
fn music_of_which_nothing_can_be_used_fails() {
    let checkout = Checkout::new();
    checkout.bytes("Alto/Album/junk.wav", b"no music at all");
    let ended = checkout.run(&["preprocess", "--corpus", "music"]).expect_code(1);
    ended.expect_error(&["1 song could not be used", "no song of `", "can be used"]);
    fs::create_dir_all(checkout.path().join("none")).unwrap();
    let ended = checkout.run(&["predict", "none", "--weights", "bundled", "--json"]).expect_code(1);
    let row = &ended.json()[0];
    assert_eq!(
        (&row["path"], &row["error"]),
        (&"none".into(), &"there is no music in this folder".into())
    );
    ended.expect_error(&["there is no music in `none`"]);
}

#[test]
fn what_a_repair_cannot_make_as_it_was_is_made_as_the_music_is_now() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &[]).expect_code(0);
    // The list of the last scan, which saves time only.
    for list in files_under(&checkout.path().join("data/cache"), "json") {
        let is_fingerprint = list.to_str().unwrap().ends_with(".fingerprint.json");
        if list.parent().unwrap().ends_with("scan") && !is_fingerprint {
            fs::write(list, b"[]").unwrap();
        }
    }
    checkout.run(&["verify"]).expect_code(1).expect_error(&["1 damaged piece"]);
    checkout.run(&["verify", "--repair"]).expect_code(0);
    checkout.run(&["verify"]).expect_code(0);
    // The spectrogram of a song that is gone, of which no stage makes another.
    fs::remove_file(checkout.music("Alto/Album 1/Song 1.wav")).unwrap();
    checkout.quick("preprocess", &[]).expect_code(0);
    let is_album_1 = |path: &PathBuf| {
        let path = path.to_str().unwrap();
        path.contains("Alto") && path.contains("Album-1")
    };
    let album = checkout.spectrogram_files().into_iter().find(is_album_1).unwrap();
    let mut bytes = fs::read(&album).unwrap();
    let within_first = bytes.len() / 4;
    bytes[within_first] ^= 1;
    fs::write(&album, bytes).unwrap();
    let ended = checkout.run(&["verify", "--json"]).expect_code(1);
    assert_eq!(ended.json()[0]["damaged"][0]["song"], "Alto/Album 1/Song 1.wav");
    let ended = checkout.run(&["verify", "--repair"]);
    checkout.run(&["verify"]).expect_code(0);
    assert!(ended.err.contains("no longer what it was made of"), "{}", ended.err);
    let album = AlbumFile::open(album).unwrap();
    let songs: Vec<&str> = album.songs().iter().map(|song| song.id.as_str()).collect();
    assert_eq!(songs, ["Alto/Album 1/Song 2.wav"]);
}

#[test]
fn verify_alone_changes_nothing_and_makes_no_data_folder() {
    let checkout = Checkout::with_music();
    let ended = checkout.run(&["verify", "--data", "nowhere"]).expect_code(1);
    ended.expect_error(&["there is no data folder `nowhere`", "hint:"]);
    assert!(!checkout.path().join("nowhere").exists());
    checkout.run(&["preprocess", "--corpus", "music"]).expect_code(0);
    let data = checkout.path().join("data");
    let files = || -> Vec<(PathBuf, Vec<u8>)> {
        let files =
            all_files_under(&data).into_iter().filter(|path| !path.ends_with(".cantus-lock"));
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let hashes = data.join("cache/content-hashes.bin");
    let mut damaged = fs::read(&hashes).unwrap();
    damaged[100] ^= 1;
    fs::write(&hashes, &damaged).unwrap();
    let before = files();
    for further in [&[][..], &["--repair", "--dry-run"]] {
        let ended = checkout.run(&[&["verify"][..], further].concat()).expect_code(1);
        assert!(ended.out.contains("content-hashes.bin: its digest"), "{}", ended.out);
        assert!(files() == before);
    }
    checkout.run(&["verify", "--repair"]).expect_code(0);
    checkout.run(&["verify"]).expect_code(0);
}

#[test]
fn an_older_method_that_cannot_learn_is_said_and_the_others_are_scored() {
    let checkout = Checkout::new();
    for (artist, frequency) in [("Alto", 440.0), ("Basso", 110.0)] {
        for song in [1.0, 2.0] {
            checkout.song(&format!("{artist}/Album/{song}.wav"), frequency * song, 1.2);
        }
    }
    checkout.quick("baseline", &[]).expect_code(0);
    let scores = String::from_utf8(checkout.run_file("baselines.json")).unwrap();
    assert!(scores.contains("failure") && scores.contains("metrics"), "{scores}");
    let again = checkout.quick("baseline", &["--dry-run"]).expect_code(0);
    assert!(!again.out.contains("stale"), "{}", again.out);
    checkout.run(&["verify"]).expect_code(0);
}
