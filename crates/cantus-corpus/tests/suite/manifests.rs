//! Corpora from a table.

use std::fs;
use std::path::PathBuf;

use cantus_corpus::{
    Corpus, CorpusError, ProblemKind, Scan, ScanOptions, TableFault, from_manifest,
    from_manifest_text, manifest_lines, write_manifest,
};

use crate::music_folder::{MusicFolder, ids};

fn read(music: &MusicFolder, table: impl AsRef<[u8]>) -> Result<Scan, CorpusError> {
    let path = music.join("songs.tsv");
    fs::write(&path, table).unwrap();
    from_manifest(&path, music.path(), &ScanOptions::default())
}

#[test]
fn rows_become_songs_whatever_the_columns_order_and_the_rows() {
    let music = MusicFolder::new(["b.ogg", "d/a.weird"]);
    let table = "# our songs\nartist\tlicence\tpath\talbum\ttitle\n\
                 Bo\tCC0\td/a.weird\tX\t\n\n\
                 \"\"\"Weird Al\"\" Y\"\tCC0\t./b.ogg\tZ\tOne #1\n";
    let scan = read(&music, table).unwrap();
    assert_eq!(ids(&scan.corpus), ["b.ogg", "d/a.weird"]);
    let song = &scan.corpus.songs[0];
    assert_eq!([&song.artist, &song.album, &song.title], ["\"Weird Al\" Y", "Z", "One #1"]);
    assert_eq!(scan.corpus.songs[1].title, "a");
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_line_and_the_rest_goes_on() {
    let music = MusicFolder::new(["a.ogg", "folder/x"]);
    let table = "path\tartist\talbum\ttitle\n\
                 gone.ogg\tA\tX\t1\na.ogg\tA\tX\t2\nfolder\tA\tX\t3\n";
    let scan = read(&music, table).unwrap();
    assert_eq!(ids(&scan.corpus), ["a.ogg"]);
    let found: Vec<_> = scan.problems.iter().map(|p| (p.path.to_str().unwrap(), &p.kind)).collect();
    assert_eq!(
        found,
        [("folder", &ProblemKind::NotAFile), ("gone.ogg", &ProblemKind::Missing { line: 2 })]
    );
}

#[test]
fn files_that_are_not_looked_for_are_songs_and_their_lines_can_be_asked_for() {
    let music = MusicFolder::new(["a.ogg"]);
    let table = "path\tartist\talbum\ttitle\n\
                 ./gone.ogg\tA\tX\t1\na.ogg\tA\tX\t2\n# a comment\nb/%41\tA\tX\t3\n";
    let options = ScanOptions { looks_for_files: false, ..ScanOptions::default() };
    let scan = from_manifest_text(table, music.path(), &options).unwrap();
    assert_eq!(ids(&scan.corpus), ["a.ogg", "b/A", "gone.ogg"]);
    assert_eq!(scan.problems, []);
    let asked = ["gone.ogg", "b/A", "unknown"].into();
    let lines = manifest_lines(table, &asked).unwrap();
    assert_eq!(lines, [("b/A", 5), ("gone.ogg", 2)].into());
    let twice = format!("{table}gone.ogg\tA\tX\t4\n");
    let error = from_manifest_text(&twice, music.path(), &options).unwrap_err();
    let fault = TableFault::RepeatedSong { id: "gone.ogg".to_owned(), first_line: 2 };
    assert!(matches!(&error, CorpusError::Table { line: 6, fault: found, .. } if *found == fault));
}

#[test]
fn more_rows_than_are_looked_at_at_once_are_read_in_order_to_a_fault_at_the_end() {
    let music = MusicFolder::new([""; 0]);
    let header = "path\tartist\talbum\ttitle\n".to_owned();
    let rows = (0..20_000).map(|number| format!("{number:05}.ogg\tA\tX\t\n"));
    let mut table: String = std::iter::once(header).chain(rows).collect();
    let options = ScanOptions { looks_for_files: false, ..ScanOptions::default() };
    let scan = from_manifest_text(&table, music.path(), &options).unwrap();
    let expected: Vec<String> = (0..20_000).map(|number| format!("{number:05}.ogg")).collect();
    assert_eq!(ids(&scan.corpus), expected);
    table += "20000.ogg\t\tX\t\n";
    let error = from_manifest_text(&table, music.path(), &options).unwrap_err();
    assert!(matches!(error, CorpusError::Table { line: 20_002, .. }), "{error}");
}

#[test]
fn each_fault_is_named_with_file_and_line() {
    let music = MusicFolder::new(["a.ogg", "b.ogg"]);
    let header = "path\tartist\talbum\ttitle\n";
    let text = String::from;
    let cases = [
        (format!("{header}a.ogg\t\tX\t\n"), 2, TableFault::EmptyCell { column: "artist" }),
        (format!("{header}\na.ogg\tA\t\t\n"), 3, TableFault::EmptyCell { column: "album" }),
        (format!("{header}\tA\tX\t\n"), 2, TableFault::EmptyCell { column: "path" }),
        (
            format!("{header}../a.ogg\tA\tX\t\n"),
            2,
            TableFault::PathOutside { path: text("../a.ogg") },
        ),
        (format!("{header}/a.ogg\tA\tX\t\n"), 2, TableFault::PathOutside { path: text("/a.ogg") }),
        (
            format!("{header}a.ogg\tA\tX\t\nb.ogg\tA\tX\t\n./a.ogg\tB\tX\t\n"),
            4,
            TableFault::RepeatedSong { id: text("a.ogg"), first_line: 2 },
        ),
        (
            text("path\tartist\n"),
            1,
            TableFault::MissingColumns {
                missing: vec![text("album"), text("title")],
                found: vec![text("path"), text("artist")],
            },
        ),
    ];
    for (table, expected_line, expected) in cases {
        match read(&music, &table) {
            Err(CorpusError::Table { table: name, line, fault }) => {
                assert_eq!((line, fault), (expected_line, expected), "{table:?}");
                assert!(name.ends_with("songs.tsv"), "{name}");
            }
            other => panic!("{table:?}: {other:?}"),
        }
    }
}

#[test]
fn a_table_of_absent_songs_is_an_error_that_names_the_first() {
    let music = MusicFolder::new(["a.ogg"]);
    let table = "path\tartist\talbum\ttitle\ngone.ogg\tA\tX\t\n";
    let error = from_manifest_text(table, music.path(), &ScanOptions::default()).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "expected songs that the manifest names, found 1 row, none of whose files can be used"
        ),
        "{error}"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with("`gone.ogg` is not there, though line 2 of the manifest names it; "),
        "{hint}"
    );
}

#[test]
fn a_missing_table_and_a_missing_root_are_told_apart() {
    let music = MusicFolder::new(["a.ogg"]);
    let options = ScanOptions::default();
    let error = from_manifest(&music.join("no.tsv"), music.path(), &options).unwrap_err();
    assert!(matches!(&error, CorpusError::Io { path, .. } if path.ends_with("no.tsv")));
    let error = from_manifest(&music.join("a.ogg"), &music.join("no"), &options).unwrap_err();
    assert!(matches!(&error, CorpusError::RootMissing { path } if path.ends_with("no")));
}

#[test]
fn a_corpus_written_as_a_table_is_read_back() {
    let files: [&[u8]; 5] = [
        b"\"A\" b/x\ty/1.mp3",
        b"Bj\xF6rk/%FF/100%25.mp3",
        b"Bj%F6rk/\xFF/2\n.mp3",
        b"#c/x/3.mp3",
        "ü/x/🎵.mp3".as_bytes(),
    ];
    let music = MusicFolder::new(files);
    let before: Corpus = music.scan().corpus;
    let mut table = Vec::new();
    write_manifest(&before, &mut table).unwrap();
    let scan = read(&music, table).unwrap();
    assert_eq!(scan.corpus, before);
    assert!(scan.problems.is_empty());
    assert_eq!(scan.corpus.songs.len(), 5);
    assert_eq!(scan.corpus.root, PathBuf::from(music.path()));
}
