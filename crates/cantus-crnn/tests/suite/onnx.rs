//! What is written as ONNX: onnxruntime's outputs of it (`tests/golden/README.md`), and its parts.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor};
use cantus_crnn::{
    Crnn1dConfig, Crnn2dConfig, CrnnError, GruForm, Mode, Model, ModelConfig, ModelFile, RnnConfig,
};
use crc::{CRC_32_ISO_HDLC, Crc};

use crate::golden::{golden, narrow_config};
use crate::onnx_reader::{Node, Onnx};
use crate::other_models::narrow;

/// The largest difference to onnxruntime, of probabilities and of the embedding.
const TOLERANCE: f64 = 1e-5;

fn tensors(file: &str) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(golden(file), &Device::Cpu).unwrap().into_iter().collect()
}

fn file(config: ModelConfig, tensors: BTreeMap<String, Tensor>) -> ModelFile {
    let labels = (0..config.classes()).map(|class| format!("Artist {class}")).collect();
    let model = Model::from_tensors(config, tensors).unwrap();
    ModelFile::new(&model, labels, BTreeMap::new(), 94).unwrap()
}

fn new_file(config: impl Into<ModelConfig>) -> ModelFile {
    let config = config.into();
    let model = Model::new(config.clone(), 1, &Device::Cpu, DType::F32).unwrap();
    file(config, model.tensors().unwrap())
}

/// A network of the golden files, and its clips.
fn stored(network: &str) -> (ModelFile, Tensor) {
    if let Some(form) = match network {
        "reset_before" => Some(GruForm::Keras),
        "reset_after" => Some(GruForm::Torch),
        _ => None,
    } {
        let weights = tensors(&format!("model_{network}_weights.safetensors"));
        let clips = tensors("model_input.safetensors").remove("input").unwrap();
        return (file(narrow_config(form).into(), weights), clips);
    }
    let weights =
        tensors("other_models_weights.safetensors").into_iter().filter_map(|(name, t)| {
            Some((name.strip_prefix(network)?.strip_prefix('.')?.to_owned(), t))
        });
    let key = match network {
        "crnn1d" => "2x16x53",
        "rnn_keras" | "rnn_torch" => "2x16x29",
        _ => "2x128x37",
    };
    let clips = tensors("other_models_inputs.safetensors").remove(key).unwrap();
    (file(narrow(network), weights.collect()), clips.to_dtype(DType::F32).unwrap())
}

fn expected() -> BTreeMap<String, serde_json::Value> {
    let text = std::fs::read_to_string(golden("onnx.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn largest_difference(got: &Tensor, expected: &serde_json::Value) -> f64 {
    let got = got.to_vec2::<f32>().unwrap();
    let expected: Vec<Vec<f64>> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(got.len(), expected.len());
    let mut largest = 0.0f64;
    for (got, expected) in got.iter().zip(&expected) {
        assert_eq!(got.len(), expected.len());
        for (&got, expected) in got.iter().zip(expected) {
            largest = largest.max((f64::from(got) - expected).abs());
        }
    }
    largest
}

#[test]
fn onnxruntime_gives_of_each_network_what_the_network_gives() {
    let networks = expected();
    assert_eq!(networks.len(), 7);
    for (network, expected) in networks {
        let (file, clips) = stored(&network);
        let model = file.model().unwrap();
        let embedding = model.forward(&clips, Mode::Evaluation).unwrap().embedding;
        let of_embedding = largest_difference(&embedding, &expected["embedding"]);
        let probabilities = model.probabilities(&clips).unwrap();
        let of_probabilities = largest_difference(&probabilities, &expected["probabilities"]);
        println!("{network}: {of_probabilities:.1e}, embedding {of_embedding:.1e}");
        assert!(of_probabilities <= TOLERANCE, "{network}: {of_probabilities:e}");
        assert!(of_embedding <= TOLERANCE, "{network}: embedding {of_embedding:e}");
    }
}

#[test]
fn what_is_written_now_is_what_onnxruntime_ran() {
    for (network, expected) in expected() {
        let onnx = Onnx::read(&stored(&network).0.to_onnx().unwrap());
        let sum = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&onnx.graph_bytes);
        assert_eq!(
            expected["graph_crc32"], sum,
            "{network}: the graph is another; run `generate_onnx.py` to have it checked"
        );
    }
}

/// All kinds of networks, in both forms.
fn all_networks() -> Vec<ModelConfig> {
    let mut configs = Vec::new();
    for gru_form in [GruForm::Keras, GruForm::Torch] {
        let narrow = |shape: Crnn2dConfig| Crnn2dConfig {
            filters: vec![3; shape.filters.len()],
            gru_units: vec![5, 4, 3],
            classes: 2,
            gru_form,
            ..shape
        };
        configs.push(narrow(Crnn2dConfig::default()).into());
        configs.push(narrow(Crnn2dConfig::larger()).into());
        configs.push(narrow(Crnn2dConfig::vgg()).into());
        configs.push(Crnn1dConfig { n_mels: 8, classes: 2, gru_form, ..Default::default() }.into());
        configs.push(RnnConfig { n_mels: 8, classes: 2, gru_form, ..Default::default() }.into());
    }
    configs
}

#[test]
fn each_value_is_made_once_and_before_it_is_used_and_every_constant_is_used() {
    for config in all_networks() {
        let onnx = Onnx::read(&new_file(config.clone()).to_onnx().unwrap());
        let mut made: BTreeSet<&str> = onnx.initializers.keys().map(String::as_str).collect();
        made.insert("log_mel");
        let mut used = BTreeSet::new();
        for node in &onnx.nodes {
            for input in &node.inputs {
                assert!(made.contains(input.as_str()), "{config:?}: `{input}` comes too late");
                used.insert(input.as_str());
            }
            for output in &node.outputs {
                assert!(made.insert(output), "{config:?}: `{output}` is made twice");
            }
        }
        let unused: Vec<_> = made.difference(&used).copied().collect();
        assert_eq!(unused, ["probabilities"], "{config:?}");
        for (name, initializer) in &onnx.initializers {
            let bytes = if initializer.element_type == 7 { 8 } else { 4 };
            let count: u64 = initializer.shape.iter().product();
            assert_eq!(initializer.data.len() as u64, count * bytes, "{name}");
        }
    }
}

#[test]
fn clips_and_frames_are_of_any_number_and_the_other_axes_of_the_models() {
    for config in all_networks() {
        let onnx = Onnx::read(&new_file(config.clone()).to_onnx().unwrap());
        let axes = |name: &str, axes: &[&str]| {
            (name.to_owned(), axes.iter().map(|&axis| axis.to_owned()).collect::<Vec<_>>())
        };
        let mels = config.n_mels().to_string();
        assert_eq!(onnx.inputs, [axes("log_mel", &["clip", &mels, "frame"])]);
        let (classes, units) = (config.classes().to_string(), config.embedding_size().to_string());
        assert_eq!(
            onnx.outputs,
            [axes("probabilities", &["clip", &classes]), axes("embedding", &["clip", &units])]
        );
    }
}

#[test]
fn a_window_of_one_pools_nothing_and_others_drop_what_is_incomplete() {
    let config = Crnn2dConfig { filters: vec![2; 13], classes: 2, ..Crnn2dConfig::vgg() };
    let onnx = Onnx::read(&new_file(config).to_onnx().unwrap());
    let of = |operator: &str| -> Vec<&Node> {
        onnx.nodes.iter().filter(|node| node.operator == operator).collect()
    };
    assert_eq!(of("Conv").len(), 13);
    let pools = of("MaxPool");
    let windows: Vec<&str> =
        pools.iter().map(|node| node.attributes["kernel_shape"].as_str()).collect();
    assert_eq!(windows, ["[2, 2]", "[2, 2]", "[2, 2]", "[4, 1]", "[4, 1]"]);
    for pool in pools {
        assert_eq!(pool.attributes["strides"], pool.attributes["kernel_shape"]);
        assert!(!pool.attributes.contains_key("ceil_mode"));
    }
}

#[test]
fn a_network_reads_as_its_layers_do() {
    let config = Crnn2dConfig { filters: vec![2], pools: vec![(2, 2)], ..Crnn2dConfig::default() };
    let onnx = Onnx::read(&new_file(config).to_onnx().unwrap());
    let expected = [
        "BatchNormalization",
        "Unsqueeze",
        "Conv",
        "Elu",
        "BatchNormalization",
        "MaxPool",
        "Transpose",
        "Reshape",
        "GRU",
        "Squeeze",
        "GRU",
        "Squeeze",
        "Gather",
        "Gemm",
        "Softmax",
    ];
    assert_eq!(onnx.operators(), expected);
    assert_eq!(onnx.nodes[0].attributes["epsilon"], "0.001");
    assert_eq!(onnx.nodes[2].attributes["pads"], "[1, 1, 1, 1]");
}

#[test]
fn the_keras_form_asks_for_hard_sigmoids_and_the_torch_form_for_the_reset_after_the_product() {
    let attributes = |config: ModelConfig, operator: &str| {
        let onnx = Onnx::read(&new_file(config).to_onnx().unwrap());
        onnx.nodes.into_iter().find(|node| node.operator == operator).unwrap().attributes
    };
    let gru = |gru_form| attributes(Crnn1dConfig { gru_form, ..Default::default() }.into(), "GRU");
    let lstm = |gru_form| attributes(RnnConfig { gru_form, ..Default::default() }.into(), "LSTM");
    let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let size = ("hidden_size", "64");
    let slope = [size, ("activation_alpha", "[0.2]"), ("activation_beta", "[0.5]")];
    let hard = |activations| of(&[&slope[..], &[("activations", activations)]].concat());
    assert_eq!(gru(GruForm::Keras), hard(r#"["HardSigmoid", "Tanh"]"#));
    assert_eq!(lstm(GruForm::Keras), hard(r#"["HardSigmoid", "Tanh", "Tanh"]"#));
    assert_eq!(gru(GruForm::Torch), of(&[size, ("linear_before_reset", "1")]));
    assert_eq!(lstm(GruForm::Torch), of(&[size]));
}

#[test]
fn gates_stand_in_onnx_order_and_the_states_biases_behind_the_inputs() {
    let row = |first: f32, count: usize| Tensor::arange(first, first + count as f32, &Device::Cpu);
    let config =
        Crnn1dConfig { n_mels: 2, filters: vec![1], gru_units: vec![2], ..Default::default() };
    let mut gru = new_file(Crnn1dConfig { gru_form: GruForm::Torch, classes: 2, ..config });
    gru.tensors.insert("gru1.weight_ih".into(), row(0.0, 6).unwrap().reshape((6, 1)).unwrap());
    gru.tensors.insert("gru1.bias_ih".into(), row(10.0, 6).unwrap());
    gru.tensors.insert("gru1.bias_hh".into(), row(20.0, 6).unwrap());
    let onnx = Onnx::read(&gru.to_onnx().unwrap());
    // Rows of r, z and n became those of z, r and n.
    let weight = &onnx.initializers["gru1.weight_ih"];
    assert_eq!(weight.floats(), [2.0, 3.0, 0.0, 1.0, 4.0, 5.0]);
    assert_eq!(weight.shape, [1, 6, 1]);
    assert_eq!(onnx.initializers["gru1.weight_hh"].shape, [1, 6, 2]);
    let biases = [12.0, 13.0, 10.0, 11.0, 14.0, 15.0, 22.0, 23.0, 20.0, 21.0, 24.0, 25.0];
    assert_eq!(onnx.initializers["gru1.biases"].floats(), biases);

    let config = RnnConfig { n_mels: 1, lstm_units: vec![1], classes: 2, ..Default::default() };
    let mut lstm = new_file(config);
    lstm.tensors.insert("lstm1.bias".into(), row(1.0, 4).unwrap());
    let onnx = Onnx::read(&lstm.to_onnx().unwrap());
    // Input, forget, cell, output became input, output, forget, cell.
    let biases = [1.0, 4.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(onnx.initializers["lstm1.biases"].floats(), biases);
}

#[test]
fn labels_front_end_and_clip_length_travel_in_the_metadata() {
    let mut file = new_file(RnnConfig { n_mels: 4, classes: 2, ..RnnConfig::default() });
    file.labels = vec!["\"Zoé\" 🎵".to_owned(), "Aube".to_owned()];
    file.front_end.insert("sample_rate".to_owned(), "16000".to_owned());
    file.front_end.insert("labels".to_owned(), "of the front end".to_owned());
    let bytes = file.to_onnx().unwrap();
    let onnx = Onnx::read(&bytes);
    let expected = [
        ("cantus_version", env!("CARGO_PKG_VERSION")),
        ("format_version", "1"),
        ("frames_per_clip", "94"),
        ("front_end.labels", "of the front end"),
        ("front_end.sample_rate", "16000"),
        ("labels", r#"["\"Zoé\" 🎵","Aube"]"#),
        ("minimum_frames", "1"),
    ];
    let got: Vec<(&str, &str)> =
        onnx.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(got, expected);
    assert_eq!(onnx.producer, format!("cantus {}", env!("CARGO_PKG_VERSION")));
    assert_eq!((onnx.ir_version, onnx.operators_version), (7, 13));
    assert!(file.clone().to_onnx().unwrap() == bytes, "equal models give equal bytes");
}

#[test]
fn what_would_not_be_saved_is_not_written_as_onnx() {
    let mut file = new_file(RnnConfig { n_mels: 4, classes: 2, ..RnnConfig::default() });
    file.labels.pop();
    assert!(matches!(file.to_onnx().unwrap_err(), CrnnError::Labels { .. }));
    let mut file = new_file(RnnConfig { n_mels: 4, classes: 2, ..RnnConfig::default() });
    file.tensors.remove("dense.bias");
    assert!(matches!(file.to_onnx().unwrap_err(), CrnnError::MissingTensor { .. }));
}

#[test]
fn weights_beyond_what_a_protocol_buffer_holds_are_refused_before_they_are_copied() {
    let mut file = new_file(RnnConfig { n_mels: 4, classes: 2, ..RnnConfig::default() });
    // 4 GiB that take no memory.
    let one = Tensor::zeros((1, 1), DType::F32, &Device::Cpu).unwrap();
    let broad = one.broadcast_as((1 << 16, 1 << 14)).unwrap();
    file.tensors.insert("lstm1.weight_hh".to_owned(), broad);
    let error = file.to_onnx().unwrap_err();
    assert!(matches!(error, CrnnError::OnnxSize { bytes } if bytes > 1 << 32), "{error}");
}
