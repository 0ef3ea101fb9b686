//! Agreement with the stored outputs, statistics and gradients of both variants
//! (`tests/golden/README.md`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::ops::softmax_last_dim;
use cantus_crnn::{Crnn2dConfig, GruForm, Mode, Model, cross_entropy};

/// Largest difference, as a share of the largest expected magnitude.
const F32_TOLERANCE: f64 = 1e-4;
/// The expected values are stored as f32.
const F64_TOLERANCE: f64 = 1e-6;

const TARGETS: [u32; 2] = [3, 11];

type Tensors = BTreeMap<String, Tensor>;

pub(crate) fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden")).join(name)
}

fn load(name: &str, dtype: DType) -> Tensors {
    let tensors = candle_core::safetensors::load(golden(name), &Device::Cpu).unwrap();
    tensors.into_iter().map(|(name, t)| (name, t.to_dtype(dtype).unwrap())).collect()
}

pub(crate) fn narrow_config(gru_form: GruForm) -> Crnn2dConfig {
    Crnn2dConfig {
        filters: vec![8; 4],
        gru_units: vec![8; 2],
        gru_form,
        block_dropout: 0.0,
        dense_dropout: 0.0,
        ..Crnn2dConfig::default()
    }
}

struct Golden {
    form: GruForm,
    model: Model,
    input: Tensor,
    expected: Tensors,
    loss: f64,
    tolerance: f64,
    worst: (f64, String),
}

impl Golden {
    fn load(form: GruForm, dtype: DType) -> Self {
        let variant = match form {
            GruForm::Keras => "reset_before",
            GruForm::Torch => "reset_after",
        };
        let weights = load(&format!("model_{variant}_weights.safetensors"), dtype);
        let summary = std::fs::read_to_string(golden("model_summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        Self {
            form,
            model: Model::from_tensors(narrow_config(form), weights).unwrap(),
            input: load("model_input.safetensors", dtype).remove("input").unwrap(),
            expected: load(&format!("model_{variant}_expected.safetensors"), DType::F64),
            loss: summary[variant]["losses_of_5_adam_steps"][0].as_f64().unwrap(),
            tolerance: if dtype == DType::F32 { F32_TOLERANCE } else { F64_TOLERANCE },
            worst: (0.0, String::new()),
        }
    }

    #[track_caller]
    fn check(&mut self, name: &str, got: &Tensor) {
        let expected = &self.expected[name];
        assert_eq!(got.dims(), expected.dims(), "{name}");
        let values = |t: &Tensor| {
            t.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()
        };
        let expected = values(expected);
        let scale = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let largest =
            values(got).iter().zip(&expected).fold(0.0f64, |a, (g, e)| a.max((g - e).abs()));
        let error = largest / scale;
        assert!(error <= self.tolerance, "{name}: relative error {error:e}");
        if error > self.worst.0 {
            self.worst = (error, name.to_owned());
        }
    }

    fn report(&self, what: &str) {
        let (error, name) = &self.worst;
        println!("{:?} {:?} {what}: at most {error:.1e} ({name})", self.form, self.model.dtype());
    }

    fn check_evaluation(mut self) {
        let (forward, trace) = self.model.forward_traced(&self.input, Mode::Evaluation).unwrap();
        self.check("eval.block1_item0", &trace["block1"].narrow(0, 0, 1).unwrap());
        for layer in ["block2", "block3", "block4", "gru1", "gru2"] {
            self.check(&format!("eval.{layer}"), &trace[layer]);
        }
        self.check("eval.logits", &forward.logits);
        self.check("eval.probabilities", &self.model.probabilities(&self.input).unwrap());
        assert!(forward.statistics.is_empty());
        self.report("evaluation");
    }

    fn check_training(mut self) {
        let input = Var::from_tensor(&self.input).unwrap();
        let forward = self.model.forward(&input, Mode::Training { seed: 0, step: 0 }).unwrap();
        self.check("train.logits", &forward.logits);
        self.check("train.probabilities", &softmax_last_dim(&forward.logits).unwrap());

        let loss = cross_entropy(&forward.logits, &TARGETS, None).unwrap();
        let value = loss.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
        assert!((value / self.loss - 1.0).abs() <= self.tolerance, "loss {value}");

        let gradients = loss.backward().unwrap();
        self.check("grad.input", gradients.get(&input).unwrap());
        let parameters: Vec<(String, Var)> =
            self.model.parameters().iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        let stored = self.expected.keys().filter(|name| name.starts_with("grad.")).count();
        assert_eq!(stored, parameters.len() + 1, "a gradient for each parameter and the input");
        for (name, parameter) in parameters {
            self.check(&format!("grad.{name}"), gradients.get(&parameter).unwrap());
        }

        assert_eq!(forward.statistics.len(), 5);
        for record in &forward.statistics {
            self.check(&format!("train.{}.batch_mean", record.layer), &record.mean);
            self.check(&format!("train.{}.batch_var", record.layer), &record.variance);
        }
        self.model.update_running_statistics(&forward.statistics).unwrap();
        let buffers = self.model.buffers().clone();
        assert_eq!(buffers.len(), 10);
        for (name, running) in buffers {
            self.check(&format!("after.{name}"), &running);
        }
        self.report("training");
    }
}

#[test]
fn evaluation_of_the_keras_form_agrees_in_single_precision() {
    Golden::load(GruForm::Keras, DType::F32).check_evaluation();
}

#[test]
fn evaluation_of_the_keras_form_agrees_in_double_precision() {
    Golden::load(GruForm::Keras, DType::F64).check_evaluation();
}

#[test]
fn evaluation_of_the_torch_form_agrees_in_single_precision() {
    Golden::load(GruForm::Torch, DType::F32).check_evaluation();
}

#[test]
fn evaluation_of_the_torch_form_agrees_in_double_precision() {
    Golden::load(GruForm::Torch, DType::F64).check_evaluation();
}

#[test]
fn loss_gradients_and_statistics_of_the_keras_form_agree_in_single_precision() {
    Golden::load(GruForm::Keras, DType::F32).check_training();
}

#[test]
fn loss_gradients_and_statistics_of_the_keras_form_agree_in_double_precision() {
    Golden::load(GruForm::Keras, DType::F64).check_training();
}

#[test]
fn loss_gradients_and_statistics_of_the_torch_form_agree_in_single_precision() {
    Golden::load(GruForm::Torch, DType::F32).check_training();
}

#[test]
fn loss_gradients_and_statistics_of_the_torch_form_agree_in_double_precision() {
    Golden::load(GruForm::Torch, DType::F64).check_training();
}
