//! Songs as WAV files that are there whole or not at all.

use std::io::Cursor;
use std::path::Path;

use cantus_pipeline::write_atomic_bytes;
use hound::{SampleFormat, WavSpec, WavWriter};

use super::SAMPLE_RATE;

const HEADER_BYTES: u64 = 44;
const FULL_SCALE: f32 = 32_767.0;

/// Size of the file of so many samples.
pub(super) fn bytes(samples: usize) -> u64 {
    HEADER_BYTES + 2 * samples as u64
}

/// Writes samples in -1..1 as 16-bit PCM, and the folders above.
pub(super) fn write_song(path: &Path, samples: &[f32]) -> anyhow::Result<()> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut wav = Cursor::new(Vec::with_capacity(bytes(samples.len()) as usize));
    let mut writer = WavWriter::new(&mut wav, spec)?;
    let mut integers = writer.get_i16_writer(samples.len() as u32);
    for &sample in samples {
        integers.write_sample((sample * FULL_SCALE).round() as i16);
    }
    integers.flush()?;
    writer.finalize()?;
    Ok(write_atomic_bytes(path, wav.get_ref())?)
}
