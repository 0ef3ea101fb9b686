//! Scores a file of predictions, by clip and by song:
//!
//! `cargo run --release -p cantus-eval --example score_predictions -- predictions.parquet [PAGE.html]`
//!
//! A run of Cantus leaves such a file; the crate's README says how it is laid out. With a second
//! path, the page of the report is written there.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::path::Path;

use cantus_eval::{
    BootstrapOptions, Estimate, LevelMetrics, Metrics, Predictions, ReportInput, render_report,
    song_votes,
};

fn main() -> Result<(), Box<dyn Error>> {
    run().map_err(|error| error.to_string().into())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(file) = arguments.next() else {
        return Err("usage: score_predictions predictions.parquet [PAGE.html]".into());
    };
    let predictions = Predictions::read_parquet(Path::new(&file))?;
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default())?;

    let (clips, songs) = (metrics.clips, metrics.songs);
    println!("{clips} clips of {songs} songs by {} artists\n", metrics.labels.len());
    for (name, level) in [
        ("clips", &metrics.clip),
        ("songs, by vote", &metrics.song_vote),
        ("songs, by mean probability", &metrics.song_mean),
    ] {
        print_level(name, level);
    }
    println!("songs, by vote:\n\n{}", metrics.song_vote.report);
    if let Some(page) = arguments.next() {
        let title = Path::new(&file).display().to_string();
        let input = ReportInput::new(title, "", metrics, song_votes(&predictions));
        std::fs::write(page, render_report(&input)?)?;
    }
    Ok(())
}

fn print_level(name: &str, level: &LevelMetrics) {
    println!("{name}:");
    println!("  weighted F1  {}", in_words(level.weighted_f1));
    println!("  accuracy     {}", in_words(level.accuracy));
    println!("  guessing     {:.3}", level.chance.uniform_accuracy);
    let labels = level.confusion.labels();
    for pair in level.confusion.most_confused(3) {
        let (truth, predicted) = (&labels[pair.truth], &labels[pair.predicted]);
        println!("  {:.0} % of {truth} taken for {predicted}", 100.0 * pair.share);
    }
    println!();
}

/// A score with its interval, where there are songs enough for one.
fn in_words(estimate: Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{:.3} ({low:.3} to {high:.3})", estimate.value),
        _ => format!("{:.3}", estimate.value),
    }
}
