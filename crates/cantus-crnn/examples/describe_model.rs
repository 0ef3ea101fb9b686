//! Says what a model file is, and what the model hears in clips:
//!
//! `cargo run --release -p cantus-crnn --example describe_model -- model.safetensors [CLIPS.safetensors]`
//!
//! Each tensor of `CLIPS.safetensors` is a log-mel spectrogram in decibel, f32, `[mel, frame]`, or
//! several, `[clip, mel, frame]`; in Python, `safetensors.numpy.save_file({"a name": mel}, path)`
//! writes one. Without such a file the model hears silence.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use cantus_crnn::ModelFile;
use cantus_crnn::candle_core::{Device, Tensor, safetensors};

/// No cell of a spectrogram is lower, at librosa's `amin`.
const SILENCE: f32 = -100.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(path) = arguments.next() else {
        return Err("usage: describe_model model.safetensors [CLIPS.safetensors]".into());
    };
    let file = ModelFile::read(Path::new(&path)).map_err(with_cause)?;
    let model = file.model()?;
    let config = model.config();

    println!("artists     {}", file.labels.join(", "));
    println!("parameters  {}", model.parameter_count());
    println!("network     {config:?}");
    println!("clips       {} frames of {} mel bands", file.frames_per_clip, config.n_mels());
    for (key, value) in &file.front_end {
        println!("front end   {key} = {value}");
    }

    let clips: BTreeMap<String, Tensor> = if let Some(path) = arguments.next() {
        safetensors::load(path, &Device::Cpu)?.into_iter().collect()
    } else {
        let shape = (config.n_mels(), file.frames_per_clip);
        BTreeMap::from([("silence".to_owned(), Tensor::full(SILENCE, shape, &Device::Cpu)?)])
    };
    for (name, clip) in clips {
        let clip = if clip.rank() == 2 { clip.unsqueeze(0)? } else { clip };
        for (number, row) in model.probabilities(&clip)?.to_vec2::<f32>()?.iter().enumerate() {
            let mut artists: Vec<_> = row.iter().zip(&file.labels).collect();
            artists.sort_by(|a, b| b.0.total_cmp(a.0));
            let best = artists.iter().take(3).map(|(p, artist)| format!("{artist} {p:.3}"));
            println!("{name} {number}: {}", best.collect::<Vec<_>>().join(", "));
        }
    }
    Ok(())
}

/// This crate's errors leave their cause to whoever prints them.
fn with_cause(error: impl Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
