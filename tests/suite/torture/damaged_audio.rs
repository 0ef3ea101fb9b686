//! Music files harmed in every way that disks, transfers and bad programs harm them.
//!
//! A worker, this same test program started again, decodes them as `preprocess` does, streaming and
//! resampled; its pace and its memory are watched from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cantus_audio::{AudioError, DecodeOptions, Decoder};

use super::{Draws, report, size};

/// The folder of files that the worker is to decode.
const FOLDER: &str = "CANTUS_TORTURE_FOLDER";

const MOST_SECONDS: u64 = 10;
const MOST_KILOBYTES: u64 = 512 * 1024;
const FILES_AT_ONCE: usize = 400;

/// Files by name: those of cantus-audio's tests, WAV files of every kind, and what is no music.
pub(super) fn seeds() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cantus-audio/tests/data");
    let mut seeds = Vec::new();
    for entry in fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("tone") {
            seeds.push((name, fs::read(path).unwrap()));
        }
    }
    for (bits, format) in [
        (8, hound::SampleFormat::Int),
        (16, hound::SampleFormat::Int),
        (24, hound::SampleFormat::Int),
        (32, hound::SampleFormat::Float),
    ] {
        seeds.push((format!("tone-{bits}.wav"), wav(bits, format)));
    }
    seeds.push(("empty.mp3".to_owned(), Vec::new()));
    seeds.push(("text.flac".to_owned(), b"Dear listener, this is no music.\n".repeat(40)));
    seeds.sort();
    assert!(seeds.len() >= 17, "{} seeds", seeds.len());
    seeds
}

fn wav(bits_per_sample: u16, sample_format: hound::SampleFormat) -> Vec<u8> {
    let spec = hound::WavSpec { channels: 2, sample_rate: 22_050, bits_per_sample, sample_format };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for position in 0..4_000_u16 {
        let level = (f32::from(position) * 0.1).sin() * 0.5;
        if sample_format == hound::SampleFormat::Float {
            writer.write_sample(level).unwrap();
        } else {
            writer.write_sample((level * (1 << (bits_per_sample - 1)) as f32) as i32).unwrap();
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

/// A seed, harmed: cut off, with flipped bits, with the end of another file, or with zeros in it.
fn harmed(seeds: &[(String, Vec<u8>)], number: usize, draws: &mut Draws) -> (String, Vec<u8>) {
    let (name, bytes) = &seeds[number % seeds.len()];
    let mut bytes = bytes.clone();
    let length = bytes.len();
    let round = number / seeds.len();
    // Half of the places are in the first kilobyte, where headers are.
    let mut place = |length: usize| {
        let near = if draws.below(2) == 0 { length.min(1_024) } else { length };
        draws.below(near.max(1))
    };
    let kind = match round % 4 {
        0 => {
            bytes.truncate(length * ((round / 4) % 100) / 100);
            "cut"
        }
        1 => {
            for _ in 0..=place(8) {
                if let Some(byte) = bytes.get_mut(place(length)) {
                    *byte ^= 1 << place(8);
                }
            }
            "flipped"
        }
        2 => {
            let (_, other) = &seeds[place(seeds.len())];
            bytes.truncate(place(length));
            bytes.extend(&other[place(other.len()).min(other.len())..]);
            "spliced"
        }
        _ => {
            let from = place(length).min(length);
            let to = (from + 1 + place(65_536)).min(length);
            bytes[from..to].fill(0);
            "zeroed"
        }
    };
    let (stem, extension) = name.split_once('.').unwrap();
    (format!("{number:06}-{stem}-{kind}.{extension}"), bytes)
}

/// What became of a file, in a word, as the worker says it.
fn outcome(path: &Path) -> &'static str {
    let decode = || -> Result<bool, AudioError> {
        let options = DecodeOptions { sample_rate: Some(16_000), ..DecodeOptions::default() };
        let mut decoder = Decoder::open(path, &options)?;
        let mut samples = Vec::new();
        while decoder.read(&mut samples)? {
            assert!(samples.iter().all(|sample| sample.is_finite()));
            samples.clear();
        }
        Ok(decoder.damage().describe().is_empty())
    };
    match std::panic::catch_unwind(decode) {
        Err(_) => "PANIC",
        Ok(Ok(true)) => "decoded",
        Ok(Ok(false)) => "decoded with a warning",
        Ok(Err(AudioError::DecoderPanicked { .. })) => "error: a panic in a decoder, contained",
        Ok(Err(error)) if error.to_string().contains(path.to_str().unwrap()) => "error",
        Ok(Err(_)) => "ERROR WITHOUT THE FILE'S NAME",
    }
}

/// The most memory since this was last asked, in kilobytes; 0 where the system does not say.
fn peak_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    // Sets the peak back to what is used now.
    drop(fs::write("/proc/self/clear_refs", "5"));
    peak
}

#[test]
#[ignore = "the worker that the campaign starts"]
fn worker() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    peak_kilobytes();
    for path in paths {
        let started = Instant::now();
        let outcome = outcome(&path);
        let (seconds, peak) = (started.elapsed().as_secs_f64(), peak_kilobytes());
        println!("worker\t{outcome}\t{seconds}\t{peak}\t{}", path.display());
    }
}

/// What the worker said of all files of a folder.
#[derive(Default)]
struct Told {
    outcomes: BTreeMap<String, usize>,
    longest: f64,
    peak: u64,
    broken: Vec<String>,
}

fn decode_all(folder: &Path, files: usize, told: &Mutex<Told>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["torture::damaged_audio::worker", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, said)) = line.split_once("worker\t") {
                    drop(sender.send(said.to_owned()));
                }
            }
        });
        let mut heard = 0;
        loop {
            let said = lines.recv_timeout(Duration::from_secs(2 * MOST_SECONDS));
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let said = match said {
                Ok(said) => said,
                Err(RecvTimeoutError::Disconnected) => {
                    if heard < files {
                        told.broken.push(format!("the worker died after {heard} of {files} files"));
                    }
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {
                    told.broken.push(format!("file {heard} of {} hangs", folder.display()));
                    child.kill().unwrap();
                    break;
                }
            };
            heard += 1;
            let fields: Vec<&str> = said.split('\t').collect();
            let [outcome, seconds, peak, path] = fields[..] else { panic!("{said}") };
            let (seconds, peak): (f64, u64) = (seconds.parse().unwrap(), peak.parse().unwrap());
            *told.outcomes.entry(outcome.to_owned()).or_default() += 1;
            told.longest = told.longest.max(seconds);
            told.peak = told.peak.max(peak);
            let is_bad = outcome.starts_with(char::is_uppercase);
            if is_bad || seconds > MOST_SECONDS as f64 || peak > MOST_KILOBYTES {
                told.broken.push(format!("{path}: {outcome}, {seconds:.1} s, {peak} kB"));
            }
        }
    });
    child.wait().unwrap();
}

#[test]
fn a_harmed_music_file_is_decoded_or_named_soon_and_with_little_memory() {
    let seeds = seeds();
    let (tried, mut draws) = (size(1_000, 20_000), Draws(11));
    let told = Mutex::new(Told::default());
    for first in (0..tried).step_by(FILES_AT_ONCE) {
        let folder = tempfile::tempdir().unwrap();
        let files = FILES_AT_ONCE.min(tried - first);
        for number in first..first + files {
            let (name, bytes) = harmed(&seeds, number, &mut draws);
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        decode_all(folder.path(), files, &told);
    }
    let Told { outcomes, longest, peak, broken } = told.into_inner().unwrap();
    for (outcome, files) in &outcomes {
        println!("torture: damaged audio: {files} {outcome}");
    }
    println!("torture: damaged audio: at most {longest:.2} s and {} MB a file", peak / 1024);
    report("damaged audio files", tried, tried - broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(outcomes.values().sum::<usize>(), tried);
    for needed in ["decoded", "decoded with a warning", "error"] {
        assert!(outcomes.contains_key(needed), "{outcomes:?}");
    }
}
