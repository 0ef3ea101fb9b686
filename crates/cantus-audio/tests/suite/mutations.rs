//! No bytes may panic, hang or blow up the decoder.

use std::io::Cursor;
use std::sync::LazyLock;

use cantus_audio::{AudioError, DecodeOptions, Limits, decode_reader, probe_reader};
use proptest::prelude::*;

use super::{FIXTURES, cases, fixture_bytes};

static FILES: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| FIXTURES.iter().map(|name| fixture_bytes(name)).collect());

/// One way of harming a file; positions are shares of its length.
#[derive(Debug, Clone)]
enum Harm {
    Set(f64, u8),
    Flip(f64, u8),
    Zero(f64, usize),
    Cut(f64),
    Remove(f64, usize),
    Splice(f64, usize, f64),
}

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    let share = || prop_oneof![0.0..0.05_f64, 0.0..1.0_f64];
    prop::collection::vec(
        prop_oneof![
            (share(), any::<u8>()).prop_map(|(at, byte)| Harm::Set(at, byte)),
            (share(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
            (share(), 1..600_usize).prop_map(|(at, len)| Harm::Zero(at, len)),
            (0.0..1.0_f64).prop_map(Harm::Cut),
            (share(), 1..600_usize).prop_map(|(at, len)| Harm::Remove(at, len)),
            (share(), 0..FIXTURES.len(), share()).prop_map(|(a, file, b)| Harm::Splice(a, file, b)),
        ],
        1..12,
    )
}

fn apply(bytes: &mut Vec<u8>, harm: &Harm) {
    let place = |share: f64, len: usize| (share * len as f64) as usize;
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match *harm {
        Harm::Set(share, byte) => bytes[place(share, len)] = byte,
        Harm::Flip(share, bit) => bytes[place(share, len)] ^= 1 << bit,
        Harm::Zero(share, count) => {
            let start = place(share, len);
            bytes[start..(start + count).min(len)].fill(0);
        }
        Harm::Cut(share) => bytes.truncate(place(share, len)),
        Harm::Remove(share, count) => {
            let start = place(share, len);
            bytes.drain(start..(start + count).min(len));
        }
        Harm::Splice(share, file, from) => {
            bytes.truncate(place(share, len));
            let other = &FILES[file];
            bytes.extend(&other[place(from, other.len())..]);
        }
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn a_harmed_file_decodes_or_fails_by_name(file in 0..FIXTURES.len(), harms in harms()) {
        let mut bytes = FILES[file].clone();
        for harm in &harms {
            apply(&mut bytes, harm);
        }
        let limits = Limits { max_seconds: 60.0, ..Limits::default() };
        let options =
            DecodeOptions { sample_rate: Some(16_000), limits, ..DecodeOptions::default() };
        match decode_reader(Cursor::new(bytes.clone()), None, &options) {
            Ok(audio) => {
                prop_assert!(!audio.samples.is_empty());
                prop_assert!(audio.samples.iter().all(|sample| sample.is_finite()));
                prop_assert!(audio.source.seconds > 0.0);
            }
            Err(AudioError::InvalidOption { .. } | AudioError::Resample { .. }) => {
                prop_assert!(false, "the options are sound");
            }
            Err(error) => prop_assert!(error.origin().is_some(), "{}", error),
        }
        // The headers alone must not fare worse.
        let _ = probe_reader(Cursor::new(bytes), None, &Limits::default());
    }
}
