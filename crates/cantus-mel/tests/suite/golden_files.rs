//! The files of `tests/golden`, and the signals that its README.md describes by formula.

use serde::de::DeserializeOwned;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");

/// The shape, and the values in C order.
pub(crate) fn read_npy<T: npyz::Deserialize>(name: &str) -> (Vec<u64>, Vec<T>) {
    let bytes = std::fs::read(format!("{FOLDER}{name}.npy")).unwrap();
    let array = npyz::NpyFile::new(&bytes[..]).unwrap();
    (array.shape().to_vec(), array.into_vec().unwrap())
}

pub(crate) fn read_json<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(format!("{FOLDER}{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// One of the sweep's signals of integers, from -1 to 1.
pub(crate) fn signal(name: &str, samples: usize) -> Vec<f32> {
    let integers = match name {
        "noise" => noise(samples, 1).map(|value| value >> 1).collect(),
        "glides" => glides(samples),
        "notes" => notes(samples),
        "whisper" => noise(samples, 3).map(|value| value >> 18).collect(),
        _ => panic!("no signal is called {name}"),
    };
    from_integers(&integers, 23)
}

/// Features from -64 to 64.
pub(crate) fn features(values: usize, seed: u64) -> Vec<f32> {
    from_integers(&noise(values, seed).collect::<Vec<_>>(), 17)
}

/// Integers of at most 24 bits over a power of two: exact in f32.
fn from_integers(integers: &[i64], fraction_bits: u32) -> Vec<f32> {
    integers.iter().map(|&value| value as f32 / (1_u32 << fraction_bits) as f32).collect()
}

fn noise(count: usize, seed: u64) -> impl Iterator<Item = i64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as i64 - (1 << 23)
    })
    .take(count)
}

/// A sine made of parabolas, 2^23 high at most.
fn wave(phase: u32) -> i64 {
    let half = i64::from((phase >> 16) & 0x7FFF);
    let arch = (half * (0x8000 - half)) >> 5;
    if phase >> 31 == 1 { -arch } else { arch }
}

fn glides(samples: usize) -> Vec<i64> {
    let (mut low, mut high) = (0_u32, 0_u32);
    noise(samples, 2)
        .zip(0_u32..)
        .map(|(hiss, i)| {
            low = low.wrapping_add(40_000_000).wrapping_add(i.wrapping_mul(20_000));
            high = high.wrapping_add(1_900_000_000).wrapping_sub(i.wrapping_mul(80_000));
            (3 * wave(low) + 2 * wave(high) + (hiss >> 10)) >> 3
        })
        .collect()
}

fn notes(samples: usize) -> Vec<i64> {
    const STEPS: [u32; 4] = [60_000_000, 150_000_000, 400_000_000, 1_000_000_000];
    let (mut phase, mut envelope) = (0_u32, 0_i64);
    let sounding = (0..samples.saturating_sub(3000)).map(|i| {
        if i % 2500 == 0 {
            (phase, envelope) = (0, 1 << 16);
        }
        phase = phase.wrapping_add(STEPS[i / 2500 % 4]);
        envelope = (envelope * 65_400) >> 16;
        (wave(phase) * envelope) >> 16
    });
    std::iter::repeat_n(0, samples.min(3000)).chain(sounding).collect()
}
