//! Decodes a file: `decode FILE [OUT.wav]` says what it is, and writes it as mono WAV at 16 kHz.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;

use cantus_audio::{AudioError, DecodeOptions, Limits, WavFormat};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(input) = arguments.next() else {
        return Err("usage: decode FILE [OUT.wav]".into());
    };
    run(Path::new(&input), arguments.next().as_deref().map(Path::new)).map_err(|error| {
        let message = match error.downcast_ref::<AudioError>().and_then(AudioError::hint) {
            Some(hint) => format!("{error}\n\nhint: {hint}"),
            None => error.to_string(),
        };
        message.into()
    })
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
        let lost = audio.damage.damaged_packets;
        writeln!(out, "damage    {lost} of {} packets skipped", audio.damage.packets)?;
    }
    if let Some(output) = output {
        let writer = BufWriter::new(File::create(output)?);
        cantus_audio::write_wav(writer, &audio.samples, audio.sample_rate, WavFormat::Int16)?;
    }
    Ok(())
}
