//! A minute of music to mono samples, by codec where the file of one is named, and to another
//! rate; the throughput is in frames of the source.
//!
//! `cargo bench -p cantus-audio` times WAV and the resampler;
//! `CANTUS_BENCH_FILE=song.mp3 cargo bench -p cantus-audio` a file of yours as well.

#![expect(clippy::expect_used, reason = "a bench whose operation fails has nothing to time")]

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use cantus_audio::{DecodeOptions, Decoder, Resampler, WavFormat, decode_reader, write_wav};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const RATE: u32 = 44_100;

fn minute() -> Vec<f32> {
    let sample = |index: u32| (f64::from(index) * 0.031).sin() as f32 * 0.5;
    (0..60 * RATE).map(sample).collect()
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let mut wav = Cursor::new(Vec::new());
    write_wav(&mut wav, &minute(), RATE, WavFormat::Int16).expect("a minute of WAV");
    let wav: Arc<[u8]> = wav.into_inner().into();
    group.throughput(Throughput::Elements(u64::from(60 * RATE)));
    group.bench_function("wav, 16 bit, from memory", |bencher| {
        bencher.iter(|| {
            decode_reader(Cursor::new(Arc::clone(&wav)), None, &DecodeOptions::default())
                .expect("a minute")
        });
    });
    if let Some(file) = std::env::var_os("CANTUS_BENCH_FILE") {
        let file = Path::new(&file);
        let options = DecodeOptions::default();
        let mut samples = Vec::new();
        let mut decode = || {
            let mut decoder = Decoder::open(file, &options).expect("a music file");
            let mut count = 0_u64;
            while decoder.read(&mut samples).expect("music") {
                count += samples.len() as u64;
                samples.clear();
            }
            count
        };
        group.throughput(Throughput::Elements(decode()));
        group.bench_function(file.display().to_string(), |bencher| bencher.iter(&mut decode));
    }
    group.finish();
}

fn resampling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resample");
    let samples = minute();
    group.throughput(Throughput::Elements(samples.len() as u64));
    for (from, to) in [(44_100, 16_000), (48_000, 16_000), (22_050, 16_000)] {
        let id = BenchmarkId::from_parameter(format!("{from} to {to} Hz"));
        let mut resampler = Resampler::new(from, to).expect("usual rates");
        let mut output = Vec::new();
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                output.clear();
                resampler.process(&samples, &mut output).expect("samples");
                resampler.finish(&mut output).expect("the rest");
                output.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decoding, resampling);
criterion_main!(benches);
