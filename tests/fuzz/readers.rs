//! The readers that the suite tries with harmed files, for fuzzers.

#[path = "../suite/torture/readers.rs"]
mod readers;

use readers::READERS;

/// The target's whole work: bytes to the reader of this name.
pub fn read(name: &str, bytes: &[u8]) {
    let (_, read) = READERS.iter().find(|(reader, _)| *reader == name).expect("a reader's name");
    read(bytes);
}
