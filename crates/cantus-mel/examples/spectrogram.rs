//! The log-mel spectrogram of a WAV file as a picture: `spectrogram FILE.wav [OUT.pgm]` says what
//! it is, and draws it grey, time to the right and the lowest band at the bottom.

use std::fs::File;
use std::io::{BufWriter, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use cantus_mel::{LogMel, LogMelPlan, MelConfig};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(input) = arguments.next() else {
        return fail("usage: spectrogram FILE.wav [OUT.pgm]");
    };
    match run(Path::new(&input), arguments.next().as_deref().map(Path::new)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("`{}`: {error}", Path::new(&input).display())),
    }
}

/// What `main` returns would be printed as Rust writes values, not as a sentence.
fn fail(message: &str) -> ExitCode {
    // Nobody reading standard error is no reason to panic.
    let _ = writeln!(stderr(), "{message}");
    ExitCode::FAILURE
}

fn run(input: &Path, output: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let mut reader = hound::WavReader::open(input)?;
    let spec = reader.spec();
    // At the file's own rate; otherwise librosa's settings.
    let config = MelConfig { sample_rate: spec.sample_rate, ..MelConfig::librosa() };
    let plan = LogMelPlan::new(&config)?;
    let log_mel = plan.compute(&mono(&mut reader)?)?;

    let mut out = stdout().lock();
    let seconds = f64::from(reader.duration()) / f64::from(spec.sample_rate);
    writeln!(out, "length   {seconds:.3} s at {} Hz", spec.sample_rate)?;
    writeln!(
        out,
        "frames   {}, each {} samples after the last",
        log_mel.n_frames, config.hop_length
    )?;
    let (low, high) = range(&log_mel);
    writeln!(out, "bands    {}, {low:.1} to {high:.1} dB", log_mel.n_mels)?;
    if let Some(output) = output {
        draw(&log_mel, BufWriter::new(File::create(output)?))?;
    }
    Ok(())
}

/// The mean of the channels.
fn mono(reader: &mut hound::WavReader<impl std::io::Read>) -> hound::Result<Vec<f32>> {
    let spec = reader.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let full_scale = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let whole = reader.samples::<i32>();
            whole
                .map(|sample| sample.map(|value| value as f32 / full_scale))
                .collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels);
    let frames = samples.chunks_exact(channels);
    Ok(frames.map(|frame| frame.iter().sum::<f32>() / channels as f32).collect())
}

fn range(log_mel: &LogMel) -> (f32, f32) {
    let values = || log_mel.values.iter().copied();
    (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max))
}

/// Portable grey map: a header, then a byte a pixel, the top row first.
fn draw(log_mel: &LogMel, mut to: impl Write) -> std::io::Result<()> {
    let (low, high) = range(log_mel);
    let scale = 255.0 / (high - low).max(1e-6);
    writeln!(to, "P5 {} {} 255", log_mel.n_frames, log_mel.n_mels)?;
    for band in (0..log_mel.n_mels).rev() {
        let of_band = log_mel.values.iter().skip(band).step_by(log_mel.n_mels);
        let row: Vec<u8> = of_band.map(|value| ((value - low) * scale) as u8).collect();
        to.write_all(&row)?;
    }
    to.flush()
}
