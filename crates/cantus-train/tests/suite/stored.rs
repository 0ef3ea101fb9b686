//! Training out of stored spectrograms.

use std::collections::BTreeMap;
use std::fs::File;

use cantus_cache::{AlbumWriter, ClipRule, Precision, SongInfo, SpectrogramStore};
use cantus_train::{ClipSet, ClipSource, TrainError};

use crate::toy::{N_MELS, ToySource};

#[test]
fn a_store_of_spectrograms_gives_the_clips_that_were_written() {
    let toy = ToySource { songs: 2, spoilt: None };
    let n_frames = toy.n_frames(0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let ids = ["b/x/1.wav".to_owned(), "a/x/1.wav".to_owned()];
    let file = File::create(&path).unwrap();
    let mut writer = AlbumWriter::new(file, &BTreeMap::new(), Precision::F32).unwrap();
    for (song, id) in ids.iter().enumerate() {
        let mut mel_major = vec![0.0; N_MELS * n_frames];
        toy.read_clip(song, 0, n_frames, &mut mel_major).unwrap();
        let time_major: Vec<_> =
            (0..n_frames * N_MELS).map(|i| mel_major[i % N_MELS * n_frames + i / N_MELS]).collect();
        let info = SongInfo {
            id: id.clone(),
            artist: id[..1].to_owned(),
            album: "x".to_owned(),
            title: "1".to_owned(),
            source_path: id.clone(),
            source_hash: "00".to_owned(),
            sound_hash: "00".to_owned(),
            start_seconds: 0.0,
            seconds: 2.24,
            sample_rate: 16_000,
            n_frames: n_frames as u32,
            n_mels: N_MELS as u32,
            damage: String::new(),
        };
        writer.write_song(&info, &time_major).unwrap();
    }
    writer.finish().unwrap();

    let store = SpectrogramStore::load(&ids.map(|id| (path.clone(), id)), 1 << 20).unwrap();
    let source: &dyn ClipSource = &store;
    let clips = ClipSet::cut(source, &[(1, 0), (0, 1)], 16, ClipRule::Original).unwrap();
    assert_eq!(clips.len(), 2 * 3, "70 frames are four whole clips, of which the rule drops one");
    assert_eq!(clips.clips_per_class(2), [3, 3]);
    for clip in clips.clips() {
        let (mut stored, mut made) = (vec![0.0; N_MELS * 16], vec![0.0; N_MELS * 16]);
        source.read_clip(clip.song, clip.first_frame, 16, &mut stored).unwrap();
        toy.read_clip(clip.song, clip.first_frame, 16, &mut made).unwrap();
        assert_eq!(stored, made);
    }
    let missing = ClipSet::cut(source, &[(2, 0)], 16, ClipRule::AllWhole);
    assert!(matches!(missing, Err(TrainError::ClipOutOfRange { song: 2, .. })));
}
