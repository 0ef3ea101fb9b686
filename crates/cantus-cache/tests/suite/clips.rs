use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

use cantus_cache::{AlbumWriter, ClipRule, Precision, SpectrogramStore, clips};

use crate::{bits, info};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");

#[test]
fn the_original_rule_counts_as_the_reference_does() {
    let text = std::fs::read_to_string(format!("{GOLDEN}/splits.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = golden["slice_songs"].as_array().unwrap();
    assert!(cases.len() > 4);
    for case in cases {
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let (n_frames, length) = (number("frames"), number("length"));
        assert_eq!(clips(n_frames, length, ClipRule::Original), number("clips"), "{case}");
        // The honest rule keeps the clip that the original drops.
        let all = if n_frames < length { 0 } else { number("clips") + 1 };
        assert_eq!(clips(n_frames, length, ClipRule::AllWhole), all, "{case}");
    }
}

#[test]
fn rules_and_precisions_have_names_in_configuration_files() {
    let name = |rule| serde_json::to_string(&rule).unwrap();
    assert_eq!(name(ClipRule::AllWhole), "\"all-whole\"");
    assert_eq!(name(ClipRule::Original), "\"original\"");
    assert_eq!(serde_json::to_string(&Precision::F16).unwrap(), "\"f16\"");
    assert_eq!(ClipRule::default(), ClipRule::AllWhole);
    assert_eq!(Precision::default(), Precision::F32);
}

/// The reference spectrogram is stored mel-major, which is just what a clip is.
#[test]
fn a_clip_of_a_whole_reference_spectrogram_is_the_reference_file_bit_for_bit() {
    let path = format!("{GOLDEN}/gaps_16000_logmel_reflect.npy");
    let npy = npyz::NpyFile::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let [n_mels, n_frames] = [npy.shape()[0] as usize, npy.shape()[1] as usize];
    let mel_major: Vec<f32> = npy.into_vec().unwrap();
    let time_major: Vec<f32> = (0..n_frames)
        .flat_map(|frame| (0..n_mels).map(move |band| band * n_frames + frame))
        .map(|at| mel_major[at])
        .collect();
    let song = info("gaps", n_frames as u32, n_mels as u32);
    let mut writer = AlbumWriter::new(Vec::new(), &BTreeMap::new(), Precision::F32).unwrap();
    writer.write_song(&song, &time_major).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("album.parquet");
    std::fs::write(&file, writer.finish().unwrap()).unwrap();

    let store = SpectrogramStore::load(&[(file, "gaps".to_owned())], 1 << 20).unwrap();
    let mut clip = vec![0.0; n_mels * n_frames];
    store.read_clip(0, 0, n_frames, &mut clip).unwrap();
    assert_eq!(bits(&clip), bits(&mel_major));

    let (first, length) = (17, 41);
    let mut clip = vec![0.0; n_mels * length];
    store.read_clip(0, first, length, &mut clip).unwrap();
    for (row, reference) in clip.chunks(length).zip(mel_major.chunks(n_frames)) {
        assert_eq!(bits(row), bits(&reference[first..first + length]));
    }
}
