//! Trains a small network on album files of `cantus-cache`, and keeps the best weights:
//!
//! `cargo run --release -p cantus-train --example train_albums -- MODEL.safetensors ALBUM.parquet...`
//!
//! The classes are the artists. Of each artist's songs every fifth is set aside to validate on,
//! clips are 32 frames long (a second), and of each song a minute is used: enough to see it learn.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use cantus_cache::{AlbumFile, ClipRule, SpectrogramStore};
use cantus_crnn::candle_core::{DType, Device};
use cantus_crnn::{Crnn2dConfig, Model, ModelFile};
use cantus_train::{ClipSet, Control, Event, TrainConfig, Trainer, TrainingData};

const FRAMES_PER_CLIP: usize = 32;
const CLIPS_PER_SONG: usize = 60;
const MEMORY_BYTES: u64 = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    run().map_err(|error| error.to_string().into())
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let model_path =
        arguments.next().ok_or("usage: train_albums MODEL.safetensors ALBUM.parquet...")?;
    let mut wanted = Vec::new();
    for path in arguments {
        let songs = AlbumFile::open(&path)?;
        wanted.extend(songs.songs().iter().map(|song| (path.clone(), song.id.clone())));
    }
    let store = Arc::new(SpectrogramStore::load(&wanted, MEMORY_BYTES)?);
    let front_end = store.configuration().clone();
    let data = data(&store)?;
    println!(
        "{} artists, {} clips to learn from, {} to validate on",
        data.labels.len(),
        data.training.len(),
        data.validation.len()
    );

    // A quarter of the paper's filters, so that an epoch is soon over.
    let shape = Crnn2dConfig {
        filters: vec![16, 32, 32, 32],
        classes: data.labels.len(),
        ..Crnn2dConfig::default()
    };
    let network = Model::new(shape.clone(), 0, &Device::Cpu, DType::F32)?;
    let config = TrainConfig { epochs: 20, patience: 5, ..TrainConfig::default() };
    let labels = data.labels.clone();
    let mut trainer = Trainer::new(config, network, data)?;
    let outcome = trainer.run(&mut |event| {
        if let Event::EpochEnd { record, .. } = event {
            println!(
                "epoch {:2}: loss {:.3}, validation loss {:.3}, {:.0} % of its clips right{}",
                record.epoch,
                record.training_loss,
                record.validation_loss,
                100.0 * record.validation_accuracy,
                if record.is_best { ", the best so far" } else { "" }
            );
        }
        Control::Continue
    })?;

    let (best, weights) = trainer.best().ok_or("no epoch was finished")?;
    let model = Model::from_tensors(shape, weights.clone())?;
    let file = ModelFile::new(&model, labels, front_end, FRAMES_PER_CLIP)?;
    std::fs::write(&model_path, file.to_bytes()?)?;
    println!("{outcome:?}; epoch {} is in {}", best.epoch, model_path.display());
    Ok(())
}

/// Artists as classes, in alphabetical order; every fifth song of each, from the first on, to
/// validate on.
fn data(store: &Arc<SpectrogramStore>) -> Result<TrainingData, Box<dyn Error>> {
    let mut songs_of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, song) in store.songs().iter().enumerate() {
        songs_of.entry(&song.artist).or_default().push(position);
    }
    if songs_of.len() < 2 || songs_of.values().any(|songs| songs.len() < 2) {
        return Err("two artists or more are needed, of two songs or more each".into());
    }
    let (mut training, mut validation) = (Vec::new(), Vec::new());
    for (class, songs) in songs_of.values().enumerate() {
        for (number, &song) in songs.iter().enumerate() {
            let part = if number % 5 == 0 { &mut validation } else { &mut training };
            part.push((song, class));
        }
    }
    let cut = |songs: &[(usize, usize)]| {
        let all = ClipSet::cut(store.as_ref(), songs, FRAMES_PER_CLIP, ClipRule::AllWhole)?;
        let first_minute =
            |clip: &&cantus_train::Clip| clip.first_frame < CLIPS_PER_SONG * FRAMES_PER_CLIP;
        let clips = all.clips().iter().filter(first_minute).copied().collect();
        Ok::<_, Box<dyn Error>>(ClipSet::new(clips, FRAMES_PER_CLIP))
    };
    Ok(TrainingData {
        labels: songs_of.keys().map(ToString::to_string).collect(),
        training: cut(&training)?,
        validation: cut(&validation)?,
        identity: "every fifth song to validate on".to_owned(),
        source: store.clone(),
    })
}
