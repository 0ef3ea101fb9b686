//! What is promised of kills, full disks and damage, tried many times. Each test prints how many it tried
//! and how many held.
//!
//! Short by default; `CANTUS_TORTURE=full` makes campaigns of them, which `cargo xtask torture` runs.

mod bit_rot;
mod crash_points;
mod full_disk;

/// The size of a campaign: `short` in every test run, `full` where the environment asks for it.
fn size(short: usize, full: usize) -> usize {
    let wanted = std::env::var("CANTUS_TORTURE").unwrap_or_default();
    match wanted.as_str() {
        "" => short,
        "full" => full,
        other => panic!("CANTUS_TORTURE is `{other}`; only `full` means something"),
    }
}

/// The line that a campaign ends with.
#[expect(clippy::print_stdout, reason = "what a test prints")]
fn report(promise: &str, tried: usize, held: usize) {
    println!("torture: {promise}: {tried} tried, {held} held");
}
