//! Five steps of both forms of Adam on the narrow paper network, through the whole loop, against
//! numbers that PyTorch computed in f64.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use cantus_crnn::{Crnn2dConfig, GruForm, Model};
use cantus_train::{
    AdamForm, Clip, ClipSet, ClipSource, Control, Event, SourceError, TrainConfig, Trainer,
    TrainingData,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden")).join(name)
}

fn tensors(name: &str, dtype: DType) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(path(name), &Device::Cpu)
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_dtype(dtype).unwrap()))
        .collect()
}

/// The golden batch as a source of two songs of one clip each.
struct GoldenBatch(Vec<Vec<f32>>);

impl ClipSource for GoldenBatch {
    fn n_mels(&self) -> usize {
        128
    }

    fn n_frames(&self, song: usize) -> Option<usize> {
        self.0.get(song).map(|values| values.len() / 128)
    }

    fn read_clip(
        &self,
        song: usize,
        _first_frame: usize,
        _n_frames: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        out.copy_from_slice(&self.0[song]);
        Ok(())
    }
}

fn data() -> TrainingData {
    let input = tensors("model_input.safetensors", DType::F32)["input"].flatten_from(1).unwrap();
    let clips = [3, 11].iter().enumerate();
    let clips = clips.map(|(song, &class)| Clip { song, first_frame: 0, class }).collect();
    let clips = ClipSet::new(clips, 94);
    TrainingData {
        labels: (0..20).map(|class| class.to_string()).collect(),
        training: clips.clone(),
        validation: clips,
        source: Arc::new(GoldenBatch(input.to_vec2().unwrap())),
        identity: String::new(),
    }
}

fn trainer(variant: &str, dtype: DType, adam_form: AdamForm) -> Trainer<Model> {
    let config = Crnn2dConfig {
        filters: vec![8; 4],
        gru_units: vec![8, 8],
        gru_form: if variant == "reset_before" { GruForm::Keras } else { GruForm::Torch },
        block_dropout: 0.0,
        dense_dropout: 0.0,
        ..Crnn2dConfig::default()
    };
    let weights = tensors(&format!("model_{variant}_weights.safetensors"), dtype);
    let network = Model::from_tensors(config, weights).unwrap();
    let config = TrainConfig { epochs: 5, adam_form, ..TrainConfig::default() };
    Trainer::new(config, network, data()).unwrap()
}

/// The variants, each with the form of Adam that its numbers were made by.
const VARIANTS: [(&str, AdamForm); 2] =
    [("reset_before", AdamForm::Keras), ("reset_after", AdamForm::Torch)];

fn summary(variant: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(path("model_summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let losses = summary[variant]["losses_of_5_adam_steps"].as_array().unwrap();
    losses.iter().map(|loss| loss.as_f64().unwrap()).collect()
}

/// The largest difference of the weights after one step from the golden ones, of each tensor
/// relative to the golden one's largest value, and how many tensors were compared.
fn error_after_a_step(variant: &str, dtype: DType, form: AdamForm) -> (f64, usize) {
    let mut trainer = trainer(variant, dtype, form);
    let stop = &mut |event: Event<'_>| match event {
        Event::Step(_) => Control::Stop,
        _ => Control::Continue,
    };
    trainer.run(stop).unwrap();
    let got = trainer.network().tensors().unwrap();
    let expected = tensors(&format!("model_{variant}_expected.safetensors"), DType::F64);
    let (mut worst, mut compared) = (0.0_f64, 0);
    for (name, expected) in expected {
        let Some(name) = name.strip_prefix("after.") else { continue };
        let largest = |tensor: Tensor| -> f64 {
            tensor.abs().unwrap().max_all().unwrap().to_scalar().unwrap()
        };
        let difference = got[name].to_dtype(DType::F64).unwrap() - &expected;
        let error = largest(difference.unwrap()) / largest(expected);
        assert!(!error.is_nan(), "{name}");
        worst = worst.max(error);
        compared += 1;
    }
    assert_eq!(compared, got.len());
    (worst, compared)
}

/// The largest difference of the five losses from the golden ones, relative to those.
fn error_of_five_losses(variant: &str, dtype: DType, form: AdamForm) -> f64 {
    let mut trainer = trainer(variant, dtype, form);
    trainer.run(&mut |_| Control::Continue).unwrap();
    let expected = summary(variant);
    assert_eq!(expected.len(), 5);
    let pairs = trainer.history().iter().zip(expected);
    pairs.map(|(got, expected)| (got.training_loss / expected - 1.0).abs()).fold(0.0, f64::max)
}

#[test]
fn weights_after_one_step_agree_with_the_golden_ones() {
    for (variant, form) in VARIANTS {
        // The golden weights are stored in f32, whose epsilon is 1.2e-7.
        for (dtype, tolerance) in [(DType::F64, 1.2e-7), (DType::F32, 1e-6)] {
            let (error, tensors) = error_after_a_step(variant, dtype, form);
            println!("{variant} {dtype:?}: {error:.1e} over {tensors} tensors");
            assert!(error < tolerance, "{variant} {dtype:?}: {error:.1e}");
        }
    }
}

#[test]
fn the_losses_of_five_steps_agree_with_the_golden_ones() {
    for (variant, form) in VARIANTS {
        for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-5)] {
            let error = error_of_five_losses(variant, dtype, form);
            println!("{variant} {dtype:?}: {error:.1e}");
            assert!(error < tolerance, "{variant} {dtype:?}: {error:.1e}");
        }
    }
}

#[test]
fn the_golden_losses_tell_the_two_forms_of_adam_apart() {
    for (variant, form) in [("reset_before", AdamForm::Torch), ("reset_after", AdamForm::Keras)] {
        let error = error_of_five_losses(variant, DType::F64, form);
        assert!(error > 1e-11, "{variant}: {error:.1e}");
    }
}
