//! A minute of noise to decibels, whole and in packets, and what is made of those; the throughput
//! is in samples.
//!
//! `cargo bench -p cantus-mel`; a name narrows it, as in `cargo bench -p cantus-mel -- mfcc`.

#![expect(clippy::expect_used, reason = "a bench whose operation fails has nothing to time")]

use cantus_mel::{DeltaMode, DeltaPlan, LogMelPlan, MelConfig, MfccPlan};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..samples).map(next).collect()
}

fn log_mel(criterion: &mut Criterion) {
    let plan = LogMelPlan::new(&MelConfig::paper()).expect("the paper's settings");
    let samples = noise(60 * 16_000);
    let mut group = criterion.benchmark_group("log-mel");
    group.throughput(Throughput::Elements(samples.len() as u64));
    let mut scratch = plan.make_scratch();
    let mut out = vec![0.0; plan.frames(samples.len()) * plan.config().n_mels];
    group.bench_function("whole", |bencher| {
        bencher.iter(|| plan.process(&samples, &mut scratch, &mut out).expect("a spectrogram"));
    });
    group.bench_function("packets of 576", |bencher| {
        bencher.iter(|| {
            let mut stream = plan.stream();
            for packet in samples.chunks(576) {
                stream.push(packet).expect("samples");
            }
            stream.finish().expect("a spectrogram")
        });
    });
    group.finish();
}

fn cepstra(criterion: &mut Criterion) {
    let plan = LogMelPlan::new(&MelConfig::paper()).expect("the paper's settings");
    let samples = noise(60 * 16_000);
    let log_mel = plan.compute(&samples).expect("a spectrogram");
    let mut group = criterion.benchmark_group("of a log-mel");
    group.throughput(Throughput::Elements(samples.len() as u64));
    let mfcc = MfccPlan::new(log_mel.n_mels, 20, 0.0).expect("20 of 128");
    let mut coefficients = vec![0.0; log_mel.n_frames * 20];
    group.bench_function("mfcc, 20", |bencher| {
        bencher.iter(|| mfcc.process(&log_mel.values, &mut coefficients).expect("cepstra"));
    });
    let delta = DeltaPlan::new(9, 1, DeltaMode::Interp).expect("librosa's defaults");
    let mut slopes = vec![0.0; log_mel.values.len()];
    group.bench_function("delta, 128 bands", |bencher| {
        bencher.iter(|| {
            delta.process(&log_mel.values, log_mel.n_mels, &mut slopes).expect("slopes");
        });
    });
    group.finish();
}

criterion_group!(benches, log_mel, cepstra);
criterion_main!(benches);
