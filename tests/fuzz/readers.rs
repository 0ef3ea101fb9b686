//! The readers that the suite tries with harmed files, for fuzzers.

#[path = "../suite/torture/readers.rs"]
mod readers;

use std::panic;
use std::process;
use std::sync::{Mutex, Once};

use readers::READERS;

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// The target's whole work: bytes to the reader of this name. A panic that gets out of it is a finding.
///
/// libFuzzer's own hook would end the process at any panic, those too that a reader contains, as it does
/// with what panics within a decoder.
pub fn read(name: &str, bytes: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            *LAST_PANIC.lock().expect("no panic here") = panic.to_string()
        }));
    });
    let (_, read) = READERS.iter().find(|(reader, _)| *reader == name).expect("a reader's name");
    if panic::catch_unwind(|| read(bytes)).is_err() {
        eprintln!("{}", LAST_PANIC.lock().expect("no panic here"));
        process::abort();
    }
}
