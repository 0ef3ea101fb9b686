//! Splits written and read back.

use std::collections::BTreeMap;

use cantus_corpus::{CorpusError, Fold, Part, Split, SplitKind, SplitRng, TableFault};
use proptest::prelude::*;

const HEADER: &str = "song\tpart\tkind\tseed\trng\n";

fn read(rows: &str) -> Result<Split, CorpusError> {
    Split::read_tsv(format!("{HEADER}{rows}").as_bytes())
}

fn fault(rows: &str) -> (u64, TableFault) {
    match read(rows) {
        Err(CorpusError::Table { line, fault, .. }) => (line, fault),
        other => panic!("{rows:?}: {other:?}"),
    }
}

#[test]
fn the_table_is_plain_to_read() {
    let parts = [("b/1.mp3", Part::Test), ("a/\"2\"\t🎵.mp3", Part::Train)];
    let split = Split {
        kind: SplitKind::Album,
        seed: 21,
        rng: SplitRng::Original,
        fold: None,
        parts: parts.map(|(id, part)| (id.to_owned(), part)).into(),
        warnings: Vec::new(),
    };
    let mut bytes = Vec::new();
    split.write_tsv(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let rows = "\"a/\"\"2\"\"\t🎵.mp3\"\ttrain\talbum\t21\toriginal\n\
                b/1.mp3\ttest\talbum\t21\toriginal\n";
    assert_eq!(text, format!("{HEADER}{rows}"));
    assert_eq!(read(rows).unwrap(), split);
}

#[test]
fn each_lie_in_a_table_is_named_with_its_line() {
    let text = String::from;
    let good = "x\ttrain\tsong\t0\tcantus\n";
    let unknown = |column, found: &str, expected| TableFault::UnknownValue {
        column,
        found: found.to_owned(),
        expected,
    };
    let cases = [
        (text(""), 1, TableFault::NoRows),
        (
            format!("{good}y\ttest\tsong\t0\tcantus\n\nx\ttest\tsong\t0\tcantus\n"),
            5,
            TableFault::RepeatedSong { id: text("x"), first_line: 2 },
        ),
        (
            text("x\tTrain\tsong\t0\tcantus\n"),
            2,
            unknown("part", "Train", "`train`, `validation` or `test`"),
        ),
        (text("x\ttest\t\t0\tcantus\n"), 2, unknown("kind", "", "`song` or `album`")),
        (
            text("x\ttest\tsong\t-1\tcantus\n"),
            2,
            unknown("seed", "-1", "a whole number below 2^64"),
        ),
        (text("x\ttest\tsong\t0\tpcg\n"), 2, unknown("rng", "pcg", "`cantus` or `original`")),
        (
            format!("{good}y\ttest\tsong\t1\tcantus\n"),
            3,
            TableFault::Disagrees { column: "seed", first: text("0"), found: text("1") },
        ),
        (text("\"\"\ttest\tsong\t0\tcantus\n"), 2, TableFault::EmptyCell { column: "song" }),
        (text("x\ttest\tsong\t0\n"), 2, TableFault::Width { expected: 5, found: 4 }),
    ];
    for (rows, line, expected) in cases {
        assert_eq!(fault(&rows), (line, expected), "{rows:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Split::read_tsv_file("/nowhere/split.tsv".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read `/nowhere/split.tsv`"), "{error}");
}

#[test]
fn a_writer_that_fails_is_reported() {
    let split = read("x\ttrain\tsong\t0\tcantus\n").unwrap();
    let mut full = [0_u8; 40];
    let error = split.write_tsv(&mut full[..]).unwrap_err();
    assert!(matches!(error, CorpusError::Stream { action: "write", .. }), "{error}");
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[\t\n\r\"#'/%é🎵 ]{1,8}", "\\PC{1,20}"]
}

fn part() -> impl Strategy<Value = Part> {
    prop::sample::select(&Part::ALL[..])
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_whatever_the_names(
        parts in prop::collection::btree_map(id(), part(), 1..20),
        seed: u64, by_album: bool, original: bool, fold in prop::option::of(1_usize..10),
    ) {
        let parts: BTreeMap<String, Part> = parts;
        let split = Split {
            kind: if by_album { SplitKind::Album } else { SplitKind::Song },
            seed,
            rng: if original { SplitRng::Original } else { SplitRng::Cantus },
            fold: fold.map(|number| Fold::new(number, 9).unwrap()),
            parts,
            warnings: Vec::new(),
        };
        let mut bytes = Vec::new();
        split.write_tsv(&mut bytes).unwrap();
        prop_assert_eq!(Split::read_tsv(&bytes[..]).unwrap(), split);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let rows = [HEADER.as_bytes(), &bytes].concat();
        // Either outcome is right; a panic fails the test.
        let _ = (Split::read_tsv(&rows[..]), Split::read_tsv(&bytes[..]));
    }
}
