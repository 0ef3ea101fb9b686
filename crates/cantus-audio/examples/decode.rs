//! Decodes a file: `decode FILE [OUT.wav]` says what it is, and writes it as mono WAV at 16 kHz.

use std::fs::File;
use std::io::{BufWriter, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use cantus_audio::{AudioError, DecodeOptions, Limits, WavFormat};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(input) = arguments.next() else {
        return fail("usage: decode FILE [OUT.wav]");
    };
    match run(Path::new(&input), arguments.next().as_deref().map(Path::new)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<AudioError>().and_then(AudioError::hint) {
            Some(hint) => fail(&format!("{error}\n\nhint: {hint}")),
            None => fail(&error.to_string()),
        },
    }
}

/// What `main` returns would be printed as Rust writes values, not as a sentence.
fn fail(message: &str) -> ExitCode {
    // Nobody reading standard error is no reason to panic.
    let _ = writeln!(stderr(), "{message}");
    ExitCode::FAILURE
}

fn run(input: &Path, output: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let tags = cantus_audio::probe_path(input, &Limits::default())?.tags;
    let options = DecodeOptions { sample_rate: Some(16_000), ..DecodeOptions::default() };
    let audio = cantus_audio::decode_path(input, &options)?;

    let mut out = stdout().lock();
    writeln!(out, "codec     {}", audio.source.codec)?;
    writeln!(out, "rate      {} Hz", audio.source.sample_rate)?;
    writeln!(out, "channels  {}", audio.source.channels)?;
    writeln!(out, "length    {:.3} s", audio.source.seconds)?;
    if let (Some(artist), Some(title)) = (&tags.artist, &tags.title) {
        writeln!(out, "tags      {artist}: {title}")?;
    }
    if !audio.damage.is_none() {
        writeln!(out, "damage    {}", audio.damage.describe())?;
    }
    if let Some(output) = output {
        let writer = BufWriter::new(File::create(output)?);
        cantus_audio::write_wav(writer, &audio.samples, audio.sample_rate, WavFormat::Int16)?;
    }
    Ok(())
}
