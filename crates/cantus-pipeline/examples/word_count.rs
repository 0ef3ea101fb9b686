//! Counts the words of a text file into a table, if that is stale, and says why:
//!
//! `cargo run -p cantus-pipeline --example word_count -- TEXT TABLE [MINIMUM_LETTERS]`
//!
//! Run it twice, edit the text, change the minimum, delete the table: each time it does what is
//! needed and no more. Beside the table stands its fingerprint, `TABLE.fingerprint.json`.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cantus_pipeline::{
    Fingerprint, Freshness, PipelineError, Stage, content_digest, write_atomic_bytes,
};

/// Raised by hand whenever the same text and minimum would give another table.
const FORMAT_VERSION: u32 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(text), Some(table)) = (arguments.next(), arguments.next()) else {
        return Err("usage: word_count TEXT TABLE [MINIMUM_LETTERS]".into());
    };
    let minimum = match arguments.next() {
        Some(number) => number.to_str().ok_or("the minimum is a whole number")?.parse()?,
        None => 1,
    };
    run(Path::new(&text), Path::new(&table), minimum).map_err(|error| {
        match error.downcast_ref::<PipelineError>().and_then(PipelineError::hint) {
            Some(hint) => format!("{error}\n\nhint: {hint}").into(),
            None => error,
        }
    })
}

fn run(text: &Path, table: &Path, minimum: usize) -> Result<(), Box<dyn Error>> {
    let mut saved_at = table.as_os_str().to_owned();
    saved_at.push(".fingerprint.json");
    let saved_at = PathBuf::from(saved_at);

    let content = fs::read(text).map_err(|error| format!("{}: {error}", text.display()))?;
    let wanted = Fingerprint::builder("word_count", FORMAT_VERSION)
        .setting("minimum_letters", minimum)
        .input("text", content_digest(&content))
        .build();
    let stage = Stage::new("word_count").output(table);
    match stage.check(&Fingerprint::load(&saved_at)?, &wanted, false) {
        Freshness::Fresh => println!("{} is fresh", table.display()),
        Freshness::Stale(reasons) => {
            for reason in reasons {
                println!("{} is stale: {reason}", table.display());
            }
            // From here on a crash leaves the stage stale.
            Fingerprint::invalidate(&saved_at)?;
            let counts = count(&String::from_utf8_lossy(&content), minimum);
            write_atomic_bytes(table, rows(&counts)?.as_bytes())?;
            // Last: now the stage is fresh.
            wanted.save(&saved_at)?;
            println!("{} different words counted", counts.len());
        }
    }
    Ok(())
}

fn count(text: &str, minimum: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let words = text.split(|letter: char| !letter.is_alphabetic());
    for word in words.filter(|word| !word.is_empty() && word.chars().count() >= minimum) {
        *counts.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    counts
}

/// A line a word, the most frequent first.
fn rows(counts: &BTreeMap<String, usize>) -> Result<String, std::fmt::Error> {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut text = String::new();
    for (word, count) in sorted {
        writeln!(text, "{count}\t{word}")?;
    }
    Ok(text)
}
