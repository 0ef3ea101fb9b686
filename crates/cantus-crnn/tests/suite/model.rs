use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor};
use cantus_crnn::{Crnn2dConfig, CrnnError, GruForm, Mode, Model, ModelConfig};

use crate::golden::narrow_config;

const TRAINING: Mode = Mode::Training { seed: 11, step: 3 };

fn clips(batch: usize, n_mels: usize, frames: usize) -> Tensor {
    let count = batch * n_mels * frames;
    let values: Vec<f32> = (0..count).map(|i| ((i * 7919) % 1009) as f32 / 20.0 - 50.0).collect();
    Tensor::from_vec(values, (batch, n_mels, frames), &Device::Cpu).unwrap()
}

fn narrow(seed: u64) -> Model {
    Model::new(narrow_config(GruForm::Keras), seed, &Device::Cpu, DType::F32).unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn the_paper_s_network_has_393172_trainable_numbers_and_1152_moving_statistics() {
    let model = Model::new(Crnn2dConfig::default(), 0, &Device::Cpu, DType::F32).unwrap();
    assert_eq!(model.parameter_count(), 393_172);
    let buffers: usize = model.buffers().values().map(Tensor::elem_count).sum();
    assert_eq!(model.parameter_count() + buffers, 394_324);
}

#[test]
fn the_torch_form_has_192_more_for_its_second_biases() {
    let config = Crnn2dConfig { gru_form: GruForm::Torch, ..Crnn2dConfig::default() };
    let model = Model::new(config, 0, &Device::Cpu, DType::F32).unwrap();
    assert_eq!(model.parameter_count(), 393_364);
}

#[test]
fn first_weights_are_a_function_of_the_seed_alone() {
    let (first, again, other) = (narrow(1), narrow(1), narrow(2));
    let kernels = |model: &Model| bits(model.parameters()["conv2.weight"].as_tensor());
    for (name, parameter) in first.parameters() {
        assert_eq!(bits(parameter), bits(&again.parameters()[name]), "{name}");
    }
    assert_ne!(kernels(&first), kernels(&other));
}

#[test]
fn no_two_drawn_tensors_are_alike() {
    let model = narrow(1);
    let drawn = model.parameters().iter().filter(|(name, _)| name.contains("weight"));
    let drawn: Vec<_> = drawn.filter(|(name, _)| !name.starts_with("norm")).collect();
    let firsts: BTreeSet<u32> = drawn.iter().map(|(_, parameter)| bits(parameter)[0]).collect();
    assert_eq!(firsts.len(), drawn.len());
}

#[test]
fn every_clip_length_of_the_paper_runs_and_shorter_than_16_frames_is_refused() {
    let model = narrow(1);
    for frames in [16, 17, 32, 94, 157, 188, 313] {
        let x = clips(2, 128, frames);
        let (forward, trace) = model.forward_traced(&x, Mode::Evaluation).unwrap();
        assert_eq!(forward.logits.dims(), [2, 20]);
        assert_eq!(forward.embedding.dims(), [2, 8]);
        assert_eq!(trace["gru2"].dims(), [2, model.config().steps(frames), 8]);
    }
    let error = model.forward(&clips(2, 128, 15), Mode::Evaluation).unwrap_err();
    assert!(matches!(error, CrnnError::TooFewFrames { minimum: 16, got: 15 }), "{error}");
}

#[test]
fn the_embedding_is_the_last_recurrent_state() {
    let model = narrow(1);
    let (forward, trace) = model.forward_traced(&clips(2, 128, 94), Mode::Evaluation).unwrap();
    let last = trace["gru2"].get_on_dim(1, 4).unwrap();
    assert_eq!(bits(&forward.embedding), bits(&last));
}

#[test]
fn an_item_s_evaluation_does_not_depend_on_the_rest_of_the_batch() {
    let model = narrow(1);
    let x = clips(3, 128, 47);
    let together = model.probabilities(&x).unwrap();
    for item in 0..3 {
        let alone = model.probabilities(&x.narrow(0, item, 1).unwrap()).unwrap();
        let (alone, together) = (alone.get(0).unwrap(), together.get(item).unwrap());
        let difference = (alone - together).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-6);
    }
}

#[test]
fn a_training_pass_is_a_function_of_weights_batch_seed_and_step() {
    let config = Crnn2dConfig { block_dropout: 0.2, ..narrow_config(GruForm::Keras) };
    let model = Model::new(config, 1, &Device::Cpu, DType::F32).unwrap();
    let x = clips(2, 128, 94);
    let logits = |mode| bits(&model.forward(&x, mode).unwrap().logits);
    assert_eq!(logits(TRAINING), logits(TRAINING));
    assert_ne!(logits(TRAINING), logits(Mode::Training { seed: 11, step: 4 }));
    assert_ne!(logits(TRAINING), logits(Mode::Training { seed: 12, step: 3 }));
}

#[test]
fn evaluation_keeps_no_graph() {
    let model = narrow(1);
    let forward = model.forward(&clips(2, 128, 32), Mode::Evaluation).unwrap();
    let gradients = forward.logits.sum_all().unwrap().backward().unwrap();
    for parameter in model.parameters().values() {
        assert!(gradients.get(parameter).is_none());
    }
}

#[test]
fn a_copy_of_the_tensors_stays_as_it_was_and_brings_the_model_back() {
    let mut model = narrow(1);
    let x = clips(2, 128, 32);
    let before = bits(&model.forward(&x, Mode::Evaluation).unwrap().logits);
    let saved = model.tensors().unwrap();

    let statistics = model.forward(&x, TRAINING).unwrap().statistics;
    model.update_running_statistics(&statistics).unwrap();
    for parameter in model.parameters().values() {
        parameter.set(&(parameter.as_tensor() * 1.5).unwrap()).unwrap();
    }
    assert_ne!(bits(&model.forward(&x, Mode::Evaluation).unwrap().logits), before);

    model.load_tensors(&saved).unwrap();
    assert_eq!(bits(&model.forward(&x, Mode::Evaluation).unwrap().logits), before);
    let copy = Model::from_tensors(model.config().clone(), saved).unwrap();
    assert_eq!(bits(&copy.forward(&x, Mode::Evaluation).unwrap().logits), before);
}

#[test]
fn inputs_of_another_shape_or_element_type_are_refused() {
    let model = narrow(1);
    let message = |x: &Tensor| model.forward(x, Mode::Evaluation).unwrap_err().to_string();
    assert_eq!(
        message(&clips(2, 64, 94)),
        "expected input of shape [batch, 128, frame], got [2, 64, 94]"
    );
    assert_eq!(
        message(&clips(2, 128, 94).to_dtype(DType::F64).unwrap()),
        "tensor `input`: expected f32 elements, got F64"
    );
}

#[test]
fn configurations_that_make_no_sense_are_refused_by_field() {
    let default = Crnn2dConfig::default;
    let cases = [
        (Crnn2dConfig { classes: 0, ..default() }, "`classes` has 0, expected 1 to 65536"),
        (Crnn2dConfig { pools: vec![(2, 2)], ..default() }, "`pools` must name 4 windows"),
        (Crnn2dConfig { n_mels: 127, ..default() }, "`pools` leave nothing of 127 mel bands"),
        (Crnn2dConfig { gru_units: vec![], ..default() }, "`gru_units` must name 1 to 64"),
        (Crnn2dConfig { filters: vec![usize::MAX; 4], ..default() }, "`filters` has 1844"),
        (Crnn2dConfig { dense_dropout: 1.0, ..default() }, "`dense_dropout` is 1"),
        (Crnn2dConfig { batch_norm_epsilon: f64::NAN, ..default() }, "`batch_norm_epsilon` is NaN"),
    ];
    for (config, expected) in cases {
        let message = ModelConfig::from(config).validate().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
