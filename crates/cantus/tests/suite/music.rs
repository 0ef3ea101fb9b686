//! A small model and music for it.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::fs::File;
use std::path::{Path, PathBuf};

use cantus::Identifier;
use cantus_audio::{WavFormat, write_wav};
use cantus_crnn::candle_core::{DType, Device};
use cantus_crnn::{Crnn2dConfig, Model, ModelFile};
use cantus_mel::MelConfig;

/// Frames of a clip of the model: 0.512 s.
pub(crate) const FRAMES: usize = 16;

/// The paper's front end, hearing some part of each file.
pub(crate) fn front_end(excerpt: &str) -> BTreeMap<String, String> {
    let mut entries = MelConfig::paper().to_key_values();
    entries.insert("audio.excerpt".to_owned(), excerpt.to_owned());
    entries.insert("format_version".to_owned(), "4".to_owned());
    entries
}

/// A model file with three artists and weights as they are drawn.
pub(crate) fn model_file(front_end: BTreeMap<String, String>) -> ModelFile {
    let config = Crnn2dConfig { classes: 3, filters: vec![4; 4], ..Crnn2dConfig::default() };
    let network = Model::new(config, 7, &Device::Cpu, DType::F32).unwrap();
    let labels = ["Alto", "Basso", "Canto"].map(str::to_owned).to_vec();
    ModelFile::new(&network, labels, front_end, FRAMES).unwrap()
}

/// The model at work, hearing some part of each file.
pub(crate) fn identifier(excerpt: &str) -> Identifier {
    Identifier::from_bytes(&model_file(front_end(excerpt)).to_bytes().unwrap()).unwrap()
}

/// A tone that rises, so that no two clips are alike.
pub(crate) fn music(seconds: f32, rate: u32) -> Vec<f32> {
    (0..(seconds * rate as f32) as usize)
        .map(|index| {
            let time = index as f32 / rate as f32;
            0.4 * (TAU * (200.0 + 90.0 * time) * time).sin()
        })
        .collect()
}

/// Writes samples as a WAV file of floats.
pub(crate) fn wav(folder: &Path, samples: &[f32], rate: u32) -> PathBuf {
    let path = folder.join("song.wav");
    write_wav(File::create(&path).unwrap(), samples, rate, WavFormat::Float32).unwrap();
    path
}
