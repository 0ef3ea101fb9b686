//! Writes every network, in full size and in both recurrent forms, as ONNX, and beside each file the
//! clips that it was asked of and what the network said:
//!
//! `cargo run --release -p cantus-crnn --example onnx_cases -- FOLDER [CLIPS.safetensors]`
//!
//! `tests/golden/generate_onnx.py --compare FOLDER` asks onnxruntime the same and prints how far the
//! two are apart. Weights are those that a training begins with, running statistics those of the
//! clips. `CLIPS.safetensors` has a tensor `clips`, f32, `[5, 128, 313]` in decibel; without it clips
//! are made up.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use cantus_crnn::candle_core::{DType, Device, Tensor, safetensors};
use cantus_crnn::{
    Crnn1dConfig, Crnn2dConfig, GruForm, Mode, Model, ModelConfig, ModelFile, RnnConfig,
};

const BATCHES: [usize; 2] = [1, 5];
const FRAMES: [usize; 4] = [16, 32, 94, 313];
const MELS: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: onnx_cases FOLDER [CLIPS]")?);
    let clips = match arguments.next() {
        Some(path) => safetensors::load(path, &Device::Cpu)?.remove("clips").ok_or("no `clips`")?,
        None => made_up()?,
    };
    std::fs::create_dir_all(&folder)?;
    for (name, config) in networks() {
        let mut model = Model::new(config, 1, &Device::Cpu, DType::F32)?;
        let training = Mode::Training { seed: 1, step: 0 };
        let statistics = model.forward(&clips.narrow(2, 0, 94)?, training)?.statistics;
        model.update_running_statistics(&statistics)?;
        let labels = (0..model.config().classes()).map(|class| class.to_string()).collect();
        let onnx = ModelFile::new(&model, labels, BTreeMap::new(), 94)?.to_onnx()?;
        std::fs::write(folder.join(format!("{name}.onnx")), onnx)?;

        let mut said = Vec::new();
        for frames in FRAMES.into_iter().filter(|&n| n >= model.config().minimum_frames()) {
            for batch in BATCHES {
                let x = clips.narrow(0, 0, batch)?.narrow(2, 0, frames)?.contiguous()?;
                let key = |what: &str| format!("{batch}x{frames}.{what}");
                let embedding = model.forward(&x, Mode::Evaluation)?.embedding;
                said.push((key("probabilities"), model.probabilities(&x)?));
                said.push((key("embedding"), embedding));
                said.push((key("log_mel"), x));
            }
        }
        let said: std::collections::HashMap<String, Tensor> = said.into_iter().collect();
        safetensors::save(&said, folder.join(format!("{name}.safetensors")))?;
        println!("{name}");
    }
    Ok(())
}

fn networks() -> Vec<(String, ModelConfig)> {
    let mut networks: Vec<(String, ModelConfig)> = Vec::new();
    for (form, gru_form) in [("keras", GruForm::Keras), ("torch", GruForm::Torch)] {
        for (name, shape) in [
            ("crnn2d", Crnn2dConfig::default()),
            ("crnn2d-larger", Crnn2dConfig::larger()),
            ("crnn2d-vgg", Crnn2dConfig::vgg()),
        ] {
            // Without a past the running statistics are the batch's.
            let config = Crnn2dConfig { gru_form, batch_norm_momentum: 0.0, ..shape };
            networks.push((format!("{name}-{form}"), config.into()));
        }
        let crnn1d = Crnn1dConfig { gru_form, ..Crnn1dConfig::default() };
        networks.push((format!("crnn1d-{form}"), crnn1d.into()));
        let rnn = RnnConfig { gru_form, ..RnnConfig::default() };
        networks.push((format!("rnn-{form}"), rnn.into()));
    }
    networks
}

/// Partials that come and go over noise that falls with the pitch, none of it 80 dB below the
/// loudest.
fn made_up() -> Result<Tensor, Box<dyn Error>> {
    let (batch, frames) = (BATCHES[1], FRAMES[3]);
    let mut noise = 1u64;
    let mut decibels = Vec::with_capacity(batch * MELS * frames);
    for clip in 0..batch {
        for band in 0..MELS {
            for frame in 0..frames {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let rough = (noise >> 40) as f32 / (1 << 24) as f32;
                let phase = frame as f32 * (0.05 + 0.01 * clip as f32);
                let partial = if band % (7 + clip) == 0 { 30.0 * phase.sin().abs() } else { 0.0 };
                let level = 10.0 - 0.4 * band as f32 + partial - 20.0 * rough;
                decibels.push(level.max(-40.0));
            }
        }
    }
    Ok(Tensor::from_vec(decibels, (batch, MELS, frames), &Device::Cpu)?)
}
