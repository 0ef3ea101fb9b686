//! Clips of three seconds and songs of three minutes of the paper's spectrogram; the throughput is
//! in clips, songs, or pairs of songs.
//!
//! `cargo bench -p cantus-baseline`; a name narrows it, as in `cargo bench -p cantus-baseline --
//! songs`.

#![expect(clippy::expect_used, reason = "a bench whose operation fails has nothing to time")]

use cantus_baseline::{
    ClipStatistics, ClipStatisticsConfig, LabelledSongs, LinearDiscriminant,
    LinearDiscriminantConfig, NearestSongs, NearestSongsConfig, SongGaussian, SongGaussianConfig,
    SongGaussianPlan, SongVectorMachine, SongVectorMachineConfig,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BANDS: usize = 128;
const ARTISTS: usize = 20;

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(next).collect()
}

fn clips(criterion: &mut Criterion) {
    let plan = ClipStatistics::new(BANDS, &ClipStatisticsConfig::default()).expect("20 of 128");
    let clip = noise(94 * BANDS, 1);
    let mut group = criterion.benchmark_group("clips");
    group.throughput(Throughput::Elements(1));
    let (mut scratch, mut out) = (plan.make_scratch(), vec![0.0; plan.n_features()]);
    group.bench_function("statistics", |bencher| {
        bencher.iter(|| plan.process(&clip, &mut scratch, &mut out).expect("statistics"));
    });

    let clips = 2000;
    let features: Vec<f64> =
        noise(clips * plan.n_features(), 2).into_iter().map(f64::from).collect();
    let classes: Vec<usize> = (0..clips).map(|clip| clip % ARTISTS).collect();
    let config = LinearDiscriminantConfig::default();
    let fit = || {
        LinearDiscriminant::fit(&features, plan.n_features(), &classes, ARTISTS, &config)
            .expect("a discriminant")
    };
    group.throughput(Throughput::Elements(clips as u64));
    group.bench_function("fit a discriminant to 2000", |bencher| bencher.iter(fit));
    let discriminant = fit();
    let mut out = vec![0.0; clips * ARTISTS];
    group.bench_function("probabilities", |bencher| {
        bencher.iter(|| discriminant.process(&features, &mut out).expect("probabilities"));
    });
    group.finish();
}

fn songs(criterion: &mut Criterion) {
    let plan = SongGaussianPlan::new(BANDS, &SongGaussianConfig::default()).expect("20 of 128");
    let mut group = criterion.benchmark_group("songs");
    group.sample_size(20);
    group.throughput(Throughput::Elements(1));
    let song = noise(5626 * BANDS, 1);
    group.bench_function("a Gaussian", |bencher| {
        bencher.iter(|| plan.compute(&song).expect("a Gaussian"));
    });

    let gaussian = |song: usize| -> SongGaussian {
        let mean = noise(20, (song % ARTISTS) as u64);
        let frames: Vec<f32> = noise(20 * 100, 1000 + song as u64)
            .chunks_exact(20)
            .flat_map(|frame| frame.iter().zip(&mean).map(|(value, mean)| 9.0 * (value + mean)))
            .collect();
        SongGaussian::from_frames(&frames, 20, 0.01).expect("a Gaussian")
    };
    let known: Vec<SongGaussian> = (0..400).map(gaussian).collect();
    let classes = (0..400).map(|song| song % ARTISTS).collect();
    let known = LabelledSongs::new(known, classes, ARTISTS).expect("songs");
    let asked = gaussian(400);
    let nearest = NearestSongs::new(known.clone(), &NearestSongsConfig::default()).expect("votes");
    group.bench_function("nearest of 400", |bencher| {
        bencher.iter(|| nearest.probabilities(&asked).expect("shares"));
    });
    let config = SongVectorMachineConfig::default();
    let machine = SongVectorMachine::fit(known.clone(), &config).expect("machines");
    group.bench_function("machines of 400", |bencher| {
        bencher.iter(|| machine.probabilities(&asked).expect("shares"));
    });
    group.throughput(Throughput::Elements(400));
    group.bench_function("fit machines to 400", |bencher| {
        bencher.iter(|| SongVectorMachine::fit(known.clone(), &config).expect("machines"));
    });
    group.finish();
}

criterion_group!(benches, clips, songs);
criterion_main!(benches);
