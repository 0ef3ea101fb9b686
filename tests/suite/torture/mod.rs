//! What is promised of kills, full disks, damage, hostile files and commands at once, tried many times. Each test prints how many it tried
//! and how many held.
//!
//! Short by default; with `CANTUS_TORTURE=full` in the environment they are campaigns:
//! `CANTUS_TORTURE=full cargo test --workspace --release --test suite -- torture --nocapture`.

mod bit_rot;
mod crash_points;
mod damaged_audio;
mod full_disk;
mod hostile_bytes;
mod readers;
mod two_at_once;

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

/// Of the same seed always the same numbers (SplitMix64).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
