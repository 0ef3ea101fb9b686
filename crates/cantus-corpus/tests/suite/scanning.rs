//! What a scan makes of folders as people have them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cantus_corpus::{
    CorpusError, NO_ALBUM, NoticeKind, ProblemKind, Scan, ScanOptions, TagRecord, from_tags,
    list_audio_files, scan_folders,
};

use crate::music_folder::{MusicFolder, ids};

fn notices(scan: &Scan) -> Vec<(&str, &NoticeKind)> {
    scan.notices.iter().map(|notice| (notice.path.to_str().unwrap(), &notice.kind)).collect()
}

fn problems(scan: &Scan) -> Vec<(&str, &ProblemKind)> {
    scan.problems.iter().map(|problem| (problem.path.to_str().unwrap(), &problem.kind)).collect()
}

#[test]
fn folders_become_artists_albums_and_titles() {
    let music = MusicFolder::new(["Ada/First/02 Two.mp3", "Ada/First/01 One.MP3", "Bo/X/a.flac"]);
    let scan = music.scan();
    assert_eq!(ids(&scan.corpus), ["Ada/First/01 One.MP3", "Ada/First/02 Two.mp3", "Bo/X/a.flac"]);
    let song = scan.corpus.song("Ada/First/02 Two.mp3").unwrap();
    assert_eq!([&song.artist, &song.album, &song.title], ["Ada", "First", "02 Two"]);
    assert_eq!(scan.corpus.full_path(song), music.join("Ada/First/02 Two.mp3"));
    assert!(scan.problems.is_empty() && scan.other_files.is_empty());
}

#[test]
fn a_single_folder_named_artists_is_the_root() {
    let music = MusicFolder::new(["artists/a/x/1.mp3", "artists/b/x/1.mp3", "README", ".git/y"]);
    let above = music.scan();
    let below = scan_folders(&music.join("artists"), &ScanOptions::default()).unwrap();
    assert_eq!(above.corpus, below.corpus);
    assert_eq!(ids(&above.corpus), ["a/x/1.mp3", "b/x/1.mp3"]);

    music.add("loose.mp3");
    assert_eq!(problems(&music.scan()), [("../loose.mp3", &ProblemKind::LooseUnderRoot)]);

    music.add("zoe/x/1.mp3");
    let artists: BTreeSet<_> =
        music.scan().corpus.songs.iter().map(|song| song.artist.clone()).collect();
    assert_eq!(artists, ["artists".to_owned(), "zoe".to_owned()].into());
}

#[test]
fn discs_inside_an_album_are_that_album() {
    let music = MusicFolder::new(["a/x/CD1/1.mp3", "a/x/Disc 2/1.mp3", "a/x/bonus/live/1.mp3"]);
    let corpus = music.scan().corpus;
    assert_eq!(corpus.songs.len(), 3);
    assert!(corpus.songs.iter().all(|song| song.album == "x" && song.artist == "a"));
}

#[test]
fn songs_loose_under_an_artist_form_an_album_and_loose_ones_beside_artists_none() {
    let music = MusicFolder::new(["a/x/1.mp3", "a/2.mp3", "a/3.mp3", "4.mp3"]);
    let scan = music.scan();
    assert_eq!(ids(&scan.corpus), ["a/2.mp3", "a/3.mp3", "a/x/1.mp3"]);
    assert_eq!(scan.corpus.songs[0].album, NO_ALBUM);
    assert_eq!(problems(&scan), [("4.mp3", &ProblemKind::LooseUnderRoot)]);
    assert_eq!(notices(&scan), [("a", &NoticeKind::LooseUnderArtist { songs: 2 })]);
}

#[test]
fn hidden_files_and_folders_are_passed_over_in_silence() {
    let music = MusicFolder::new([
        "a/x/1.mp3",
        "a/x/._1.mp3",
        "a/x/.2.mp3",
        "a/.x/3.mp3",
        ".a/x/4.mp3",
        ".Trash/y.wma",
        "a/x/.hidden.wma",
    ]);
    music.link("a/x/.link.mp3", "nowhere");
    let scan = music.scan();
    assert_eq!(ids(&scan.corpus), ["a/x/1.mp3"]);
    assert!(scan.problems.is_empty() && scan.other_files.is_empty(), "{scan:?}");
}

#[test]
fn a_hidden_root_is_searched_all_the_same() {
    let music = MusicFolder::new([".music/a/x/1.mp3"]);
    let scan = scan_folders(&music.join(".music"), &ScanOptions::default()).unwrap();
    assert_eq!(ids(&scan.corpus), ["a/x/1.mp3"]);
}

#[test]
fn other_files_are_counted_and_other_sound_is_named() {
    let music = MusicFolder::new(["a/x/1.mp3", "a/x/2.WMA", "a/x/c.JPG", "a/x/d.jpg", "a/x/LIST"]);
    let scan = music.scan();
    assert_eq!(problems(&scan), [("a/x/2.WMA", &ProblemKind::OtherFormat)]);
    let counts: Vec<_> = scan.other_files.iter().map(|(e, n)| (e.as_str(), *n)).collect();
    assert_eq!(counts, [("", 1), ("jpg", 2), ("wma", 1)]);

    let options =
        ScanOptions { extensions: vec![".Wma".into(), "jpg".into()], ..ScanOptions::default() };
    let scan = scan_folders(music.path(), &options).unwrap();
    assert_eq!(ids(&scan.corpus), ["a/x/2.WMA", "a/x/c.JPG", "a/x/d.jpg"]);
    assert_eq!(problems(&scan), [("a/x/1.mp3", &ProblemKind::OtherFormat)]);
}

#[test]
fn names_that_are_not_utf8_are_songs_like_others() {
    let latin1 = b"Bj\xF6rk/D\xE9but/\xFF.mp3";
    let music = MusicFolder::new([&latin1[..], b"Bj%F6rk/x/%FF.mp3", "Björk/x/1.mp3".as_bytes()]);
    let scan = music.scan();
    assert_eq!(
        ids(&scan.corpus),
        ["Bj%25F6rk/x/%25FF.mp3", "Bj%F6rk/D%E9but/%FF.mp3", "Björk/x/1.mp3"]
    );
    assert_eq!(scan.corpus.artists().len(), 3);
    for song in &scan.corpus.songs {
        assert!(scan.corpus.full_path(song).is_file(), "{song:?}");
    }
    let text = serde_json::to_string(&scan).unwrap();
    assert_eq!(serde_json::from_str::<Scan>(&text).unwrap(), scan);
}

#[test]
fn one_name_in_two_albums_is_two_songs() {
    let music = MusicFolder::new(["a/x/Intro.mp3", "a/y/Intro.mp3", "b/x/Intro.mp3"]);
    assert_eq!(ids(&music.scan().corpus), ["a/x/Intro.mp3", "a/y/Intro.mp3", "b/x/Intro.mp3"]);
}

#[test]
fn awkward_names_are_kept_to_the_letter() {
    let long = "n".repeat(200);
    let names = [
        "\"Weird\" Al",
        "AC%2FDC",
        "100% 🎵",
        "tab\there",
        "line\nbreak",
        "back\\slash",
        "C:",
        " space ",
        "-rf",
        "#1",
        "...And Justice",
        &long,
    ];
    // A leading dot hides, by the rule for hidden files.
    let shown: Vec<&str> = names.into_iter().filter(|name| !name.starts_with('.')).collect();
    let music = MusicFolder::new(names.map(|name| format!("{name}/{name}/{name}.mp3")));
    let scan = music.scan();
    assert_eq!(scan.corpus.songs.len(), shown.len());
    for song in &scan.corpus.songs {
        assert!(scan.corpus.full_path(song).is_file());
        if song.artist != "AC%252FDC" {
            assert!(shown.contains(&song.artist.as_str()), "{song:?}");
            assert_eq!((&song.artist, &song.artist), (&song.album, &song.title));
        }
    }
}

#[test]
fn real_artists_and_titles_become_songs_with_these_labels() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/corpora/freemusic20.tsv");
    let table = fs::read_to_string(table).unwrap();
    let mut expected = BTreeSet::new();
    let music = MusicFolder::new([""; 0]);
    for row in table.lines().skip(1) {
        // A slash would part folders.
        let cells: Vec<String> =
            row.split('\t').take(3).map(|cell| cell.replace('/', "_")).collect();
        let [artist, album, title] = cells.try_into().unwrap();
        music.add(format!("{artist}/{album}/{title}.ogg"));
        expected.insert((artist, album, title));
    }
    assert!(expected.len() > 250, "{}", expected.len());
    let found: BTreeSet<_> = music
        .scan()
        .corpus
        .songs
        .into_iter()
        .map(|song| (song.artist.clone(), song.album.clone(), song.title.clone()))
        .collect();
    let lost: Vec<_> = expected.symmetric_difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn links_to_files_and_to_folders_elsewhere_are_followed() {
    let elsewhere = MusicFolder::new(["disc/1.mp3", "single.mp3"]);
    let music = MusicFolder::new(["a/x/1.mp3"]);
    let link = |name: &str, target: &str| {
        fs::create_dir_all(music.join(name).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(elsewhere.join(target), music.join(name)).unwrap();
    };
    link("b/y", "disc");
    link("a/x/2.mp3", "single.mp3");
    // The same folder again: its songs would be there twice.
    link("c/z", "disc");
    let scan = music.scan();
    assert_eq!(ids(&scan.corpus), ["a/x/1.mp3", "a/x/2.mp3", "b/y/1.mp3"]);
    assert_eq!(notices(&scan), [("c/z", &NoticeKind::LinkIntoCorpus)]);
    assert!(scan.problems.is_empty());
}

#[test]
fn links_in_a_circle_end_and_lose_no_song() {
    let music = MusicFolder::new(["m/a/x/1.mp3", "m/b/y/1.mp3", "m/.store/s/1.mp3"]);
    music.link("m/a/x/up", "m/a");
    music.link("m/a/self", "m/a/self");
    music.link("m/b/root", "m");
    music.link("m/b/above", ".");
    music.link("m/c", "m/a");
    music.link("m/d/hidden", "m/.store/s");
    let scan = scan_folders(&music.join("m"), &ScanOptions::default()).unwrap();
    assert_eq!(ids(&scan.corpus), ["a/x/1.mp3", "b/y/1.mp3", "d/hidden/1.mp3"]);
    let link = |name| (name, &NoticeKind::LinkIntoCorpus);
    assert_eq!(notices(&scan), ["a/x/up", "b/above", "b/root", "c"].map(link));
    assert!(matches!(problems(&scan)[..], [("a/self", ProblemKind::Unreadable { .. })]));
}

#[test]
fn a_link_to_nothing_and_a_pipe_are_named_and_not_opened() {
    let music = MusicFolder::new(["a/x/1.mp3"]);
    music.link("a/x/2.mp3", "nowhere");
    let pipe = music.join("a/x/3.mp3");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let scan = music.scan();
    assert_eq!(ids(&scan.corpus), ["a/x/1.mp3"]);
    assert_eq!(
        problems(&scan),
        [("a/x/2.mp3", &ProblemKind::BrokenLink), ("a/x/3.mp3", &ProblemKind::NotAFile)]
    );
}

#[test]
fn a_folder_that_may_not_be_read_is_named_and_the_rest_goes_on() {
    let music = MusicFolder::new(["a/x/1.mp3", "b/y/1.mp3"]);
    let locked = music.join("b/y");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let may_read_all = fs::read_dir(&locked).is_ok();
    let scan = music.scan();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    if may_read_all {
        // The superuser is locked out of nothing.
        assert_eq!(ids(&scan.corpus), ["a/x/1.mp3", "b/y/1.mp3"]);
        assert!(scan.problems.is_empty());
    } else {
        assert_eq!(ids(&scan.corpus), ["a/x/1.mp3"]);
        assert!(matches!(problems(&scan)[..], [("b/y", ProblemKind::Unreadable { .. })]));
    }
}

#[test]
fn a_folder_named_like_a_song_is_a_folder() {
    let music = MusicFolder::new(["a/x.mp3/1.mp3", "a/x/2.mp3/3.mp3"]);
    assert_eq!(ids(&music.scan().corpus), ["a/x.mp3/1.mp3", "a/x/2.mp3/3.mp3"]);
}

#[test]
fn a_cap_leaves_the_first_songs_of_each_album_and_counts_the_rest() {
    let music = MusicFolder::new(["a/x/1.mp3", "a/x/2.mp3", "a/y/1.mp3", "b/z/1.mp3"]);
    let capped = |cap| ScanOptions { max_songs_per_artist: Some(cap), ..ScanOptions::default() };
    let scan = scan_folders(music.path(), &capped(2)).unwrap();
    assert_eq!(ids(&scan.corpus), ["a/x/1.mp3", "a/y/1.mp3", "b/z/1.mp3"]);
    assert_eq!(scan.songs_over_cap, 1);
    let error = scan_folders(music.path(), &capped(0)).unwrap_err();
    assert!(matches!(error, CorpusError::CapOfZero));
}

#[test]
fn the_summary_counts_albums_by_artist() {
    let music = MusicFolder::new(["a/x/1.mp3", "a/x/2.mp3", "a/y/1.mp3", "b/x/1.mp3"]);
    let summary = serde_json::to_value(music.scan().corpus.summary()).unwrap();
    assert_eq!(
        summary,
        serde_json::json!({
            "artists": 2, "albums": 3, "songs": 4,
            "per_artist": [
                {"artist": "a", "albums": 2, "songs": 3},
                {"artist": "b", "albums": 1, "songs": 1},
            ],
        })
    );
}

#[test]
fn a_list_of_files_leads_to_a_corpus_by_tags() {
    let music = MusicFolder::new(["heap/b.mp3", "heap/a.mp3", "c.ogg", "x.txt"]);
    let list = list_audio_files(music.path(), &ScanOptions::default()).unwrap();
    let paths: Vec<&Path> = list.files.iter().map(PathBuf::as_path).collect();
    assert_eq!(paths, ["c.ogg", "heap/a.mp3", "heap/b.mp3"].map(Path::new));
    assert_eq!(list.folders, 1);
    let record = |path: PathBuf| TagRecord {
        path,
        artist: Some("Ada".into()),
        album: Some("First".into()),
        ..TagRecord::default()
    };
    let records = list.files.into_iter().rev().map(record).collect();
    let scan = from_tags(music.path(), records, &ScanOptions::default()).unwrap();
    assert_eq!(ids(&scan.corpus), ["c.ogg", "heap/a.mp3", "heap/b.mp3"]);
    assert_eq!(scan.corpus.songs[1].title, "a");
}
