//! One process of ours: all files, on as many threads as it is given.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cantus_audio::{AudioStream, DecodeOptions, Decoder};
use cantus_mel::{LogMelPlan, MelConfig};
use clap::ValueEnum;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rows::Times;
use crate::cli::PreprocessWorker;
use crate::commands::bench::worker_process::{json_of_input, peak_mib};
use crate::commands::print_json;
use crate::outcome::Outcome;

/// Runs [`run`] in a process of its own.
pub(super) fn process(worker: PreprocessWorker, threads: usize, files: &[String]) -> Result<Times> {
    json_of_input(command(worker, threads)?, &serde_json::to_vec(files)?)
}

fn command(worker: PreprocessWorker, threads: usize) -> Result<Command> {
    let itself = std::env::current_exe().context("cannot find this program's file")?;
    let name = worker.to_possible_value().context("a worker without a name")?;
    let mut process = Command::new(itself);
    process
        .args(["bench", "preprocess", "-", "--worker", name.get_name()])
        .args(["--threads", &threads.to_string()]);
    Ok(process)
}

/// What became of one file, or of several.
#[derive(Default)]
struct Work {
    audio_s: f64,
    decoding: Duration,
    transforming: Duration,
}

impl Work {
    fn and(self, other: &Self) -> Self {
        Self {
            audio_s: self.audio_s + other.audio_s,
            decoding: self.decoding + other.decoding,
            transforming: self.transforming + other.transforming,
        }
    }
}

/// A file that cannot be timed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Unusable {
    pub(super) file: String,
    pub(super) reason: String,
}

/// The files that no spectrogram can be made of. Whatever is read from disk is in memory then.
pub(super) fn unusable(threads: usize, files: &[String]) -> Result<Vec<Unusable>> {
    json_of_input(command(PreprocessWorker::Check, threads)?, &serde_json::to_vec(files)?)
}

fn check(files: &[String], plan: &LogMelPlan) -> Result<Outcome> {
    let unusable: Vec<Unusable> = files
        .par_iter()
        .with_max_len(1)
        .filter_map(|file| {
            let error = log_mel(Path::new(file), plan).err()?;
            Some(Unusable { file: file.clone(), reason: format!("{error:#}") })
        })
        .collect();
    print_json(&unusable)?;
    Ok(Outcome::Done)
}

/// Works on the files that standard input lists and prints the times.
pub(super) fn run(worker: PreprocessWorker) -> Result<Outcome> {
    let files: Vec<String> = serde_json::from_reader(std::io::stdin().lock())
        .context("a worker reads its files, as JSON, from standard input")?;
    let plan = LogMelPlan::new(&MelConfig::paper())?;
    if worker == PreprocessWorker::Check {
        return check(&files, &plan);
    }
    let started = Instant::now();
    // One file after the other, whichever thread is free: they are of many lengths.
    let work = files.par_iter().with_max_len(1).map(|file| {
        let file = Path::new(file);
        match worker {
            PreprocessWorker::LogMel | PreprocessWorker::Check => log_mel(file, &plan),
            PreprocessWorker::Resample => resample(file, plan.config().sample_rate),
            PreprocessWorker::Decode => decode(file),
        }
    });
    let work = work.try_reduce(Work::default, |sum, of_file| Ok(sum.and(&of_file)))?;
    print_json(&Times {
        wall_s: started.elapsed().as_secs_f64(),
        audio_s: work.audio_s,
        resample_s: work.decoding.as_secs_f64(),
        transform_s: work.transforming.as_secs_f64(),
        peak_mib: peak_mib(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })?;
    Ok(Outcome::Done)
}

fn log_mel(file: &Path, plan: &LogMelPlan) -> Result<Work> {
    let started = Instant::now();
    let mut transforming = Duration::ZERO;
    let mut decoder = open(file, plan.config().sample_rate)?;
    let mut stream = plan.stream();
    stream.reserve((decoder.source().seconds * f64::from(decoder.sample_rate())) as usize);
    let mut samples = Vec::new();
    while decoder.read(&mut samples)? {
        let decoded = Instant::now();
        stream.push(&samples)?;
        samples.clear();
        transforming += decoded.elapsed();
    }
    let decoded = Instant::now();
    let audio_s = stream.samples() as f64 / f64::from(decoder.sample_rate());
    std::hint::black_box(stream.finish()?);
    transforming += decoded.elapsed();
    Ok(Work { audio_s, decoding: started.elapsed().saturating_sub(transforming), transforming })
}

fn resample(file: &Path, sample_rate: u32) -> Result<Work> {
    let mut decoder = open(file, sample_rate)?;
    let (mut samples, mut count) = (Vec::new(), 0);
    while decoder.read(&mut samples)? {
        count += samples.len();
        samples.clear();
    }
    Ok(Work { audio_s: count as f64 / f64::from(sample_rate), ..Work::default() })
}

fn decode(file: &Path) -> Result<Work> {
    let mut stream = AudioStream::open(file, &DecodeOptions::default().limits)?;
    let (mut samples, mut count) = (Vec::new(), 0);
    while stream.read(&mut samples)? {
        count += samples.len();
        samples.clear();
    }
    Ok(Work { audio_s: count as f64 / f64::from(stream.sample_rate()), ..Work::default() })
}

fn open(file: &Path, sample_rate: u32) -> Result<Decoder> {
    let options = DecodeOptions { sample_rate: Some(sample_rate), ..DecodeOptions::default() };
    Ok(Decoder::open(file, &options)?)
}
