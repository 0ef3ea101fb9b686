//! Readers of files that somebody else made, given what fuzzers would give them: real files, harmed.
//!
//! The same readers are fuzzed by what of them is reached (`tests/fuzz`), which begins with the files that
//! [`seeds`] writes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::crash_points::PIPELINE;
use super::readers::{READERS, Reader};
use super::{damaged_audio, report, size};
use crate::checkout::{Checkout, all_files_under};

/// Where [`seeds`] writes.
const FOLDER: &str = "CANTUS_FUZZ_SEEDS";

/// Real files by the reader that is for them.
fn files() -> &'static BTreeMap<&'static str, Vec<Vec<u8>>> {
    static FILES: OnceLock<BTreeMap<&'static str, Vec<Vec<u8>>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let checkout = Checkout::with_music();
        checkout.run(&[&["report"], &PIPELINE[1..]].concat()).expect_code(0);
        checkout.run(&["embed", "--corpus", "music", "--quiet"]).expect_code(0);
        let mut files: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for path in all_files_under(checkout.path()) {
            if let Some(reader) = reader_of(path.strip_prefix(checkout.path()).unwrap()) {
                files.entry(reader).or_default().push(fs::read(path).unwrap());
            }
        }
        let music = damaged_audio::seeds();
        files.insert("decoding", music.into_iter().map(|(_, bytes)| bytes).collect());
        let manifest = "# by hand\npath\tartist\talbum\ttitle\n\
                        one.wav\tAnn\tFirst\tDawn\ntwo.wav\tBob\t\"The \"\"Second\"\"\"\t\n";
        files.entry("manifests").or_default().push(manifest.as_bytes().to_vec());
        files
    })
}

/// Which reader is for a file, by its path in a checkout.
fn reader_of(path: &Path) -> Option<&'static str> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let is_of_album = path.components().any(|folder| folder.as_os_str() == "cache")
        && !name.starts_with("embeddings-");
    match name {
        "split.tsv" => Some("manifests"),
        "model.safetensors" => Some("model_files"),
        "checkpoint.safetensors" => Some("checkpoints"),
        "history.jsonl" => Some("results"),
        _ if !name.ends_with(".parquet") => None,
        _ => Some(if is_of_album { "spectrograms" } else { "results" }),
    }
}

/// One way of harming a file; places are shares of its length.
#[derive(Debug, Clone)]
enum Harm {
    Flip(f64, u8),
    Set(f64, u8),
    Number(f64, u64),
    Cut(f64),
    Remove(f64, usize),
    Repeat(f64, usize),
    Splice(f64, prop::sample::Index, f64),
}

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    // Headers stand at the start, footers at the end.
    let share = || prop_oneof![0.0..0.05_f64, 0.95..1.0_f64, 0.0..1.0_f64];
    let numbers = prop_oneof![Just(0_u64), Just(u64::MAX), Just(i64::MAX as u64), any::<u64>()];
    let harm = prop_oneof![
        (share(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        (share(), any::<u8>()).prop_map(|(at, byte)| Harm::Set(at, byte)),
        (share(), numbers).prop_map(|(at, number)| Harm::Number(at, number)),
        share().prop_map(Harm::Cut),
        (share(), 1..600_usize).prop_map(|(at, length)| Harm::Remove(at, length)),
        (share(), 1..600_usize).prop_map(|(at, length)| Harm::Repeat(at, length)),
        (share(), any::<prop::sample::Index>(), share())
            .prop_map(|(at, other, from)| Harm::Splice(at, other, from)),
    ];
    prop::collection::vec(harm, 1..6)
}

impl Harm {
    fn apply(&self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        let place = |share: f64, length: usize| (share * length as f64) as usize;
        let until = |from: usize, count: usize| (from + count).min(length);
        match *self {
            Self::Flip(at, bit) => bytes[place(at, length)] ^= 1 << bit,
            Self::Set(at, byte) => bytes[place(at, length)] = byte,
            Self::Number(at, number) => {
                let from = place(at, length);
                let to = until(from, 8);
                bytes[from..to].copy_from_slice(&number.to_le_bytes()[..to - from]);
            }
            Self::Cut(at) => bytes.truncate(place(at, length)),
            Self::Remove(at, count) => {
                let from = place(at, length);
                drop(bytes.drain(from..until(from, count)));
            }
            Self::Repeat(at, count) => {
                let from = place(at, length);
                let part = bytes[from..until(from, count)].to_vec();
                drop(bytes.splice(from..from, part));
            }
            Self::Splice(at, other, from) => {
                bytes.truncate(place(at, length));
                let other = other.get(others);
                bytes.extend(&other[place(from, other.len())..]);
            }
        }
    }
}

/// A reader, many harmed files: none makes it panic, and some it refuses.
fn withstands(name: &str, read: Reader) {
    let files = &files()[name];
    let tried = size(128, 4_096);
    let config = Config { cases: tried as u32, failure_persistence: None, ..Config::default() };
    // The same files in every run: what one run finds, the next finds again.
    let draws = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (taken, refused) = (Cell::new(0), Cell::new(0));
    let harmed = (any::<prop::sample::Index>(), harms());
    let withstood = TestRunner::new_with_rng(config, draws).run(&harmed, |(file, harms)| {
        let mut bytes = file.get(files).clone();
        for harm in &harms {
            harm.apply(&mut bytes, files);
        }
        let outcome = if read(&bytes) { &taken } else { &refused };
        outcome.set(outcome.get() + 1);
        Ok(())
    });
    withstood.unwrap();
    let (taken, refused) = (taken.get(), refused.get());
    report(&format!("hostile bytes, {name}"), tried, taken + refused);
    assert!(refused > 0, "{name}: {taken} taken, {refused} refused");
}

#[test]
fn no_bytes_make_a_reader_panic() {
    for (name, read) in READERS {
        withstands(name, read);
    }
}

#[test]
fn every_reader_takes_the_files_that_are_for_it() {
    for (name, read) in READERS {
        let files = &files()[name];
        let taken = files.iter().filter(|bytes| read(bytes)).count();
        // Two of the seeds of music are none.
        let not_music = if name == "decoding" { 2 } else { 0 };
        assert_eq!(taken, files.len() - not_music, "{name}");
    }
}

#[test]
#[ignore = "writes the files that fuzzers begin with into the folder that CANTUS_FUZZ_SEEDS names"]
fn seeds() {
    let Some(folder) = std::env::var_os(FOLDER) else { panic!("{FOLDER} names no folder") };
    for (name, files) in files() {
        let folder = Path::new(&folder).join(name);
        fs::create_dir_all(&folder).unwrap();
        for (number, bytes) in files.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), bytes).unwrap();
        }
    }
}
