//! The networks beside the paper's, against numbers of PyTorch and Keras 3
//! (`tests/golden/README.md`).

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use cantus_crnn::{
    Crnn1dConfig, Crnn2dConfig, CrnnError, GruForm, Mode, Model, ModelConfig, RnnConfig,
    cross_entropy,
};

use crate::golden::golden;

/// Largest difference, as a share of the largest expected magnitude.
const F32_TOLERANCE: f64 = 1e-4;
const F64_TOLERANCE: f64 = 1e-9;

const CLASSES: usize = 3;
const TRAINING: Mode = Mode::Training { seed: 0, step: 0 };

fn narrow_2d(shape: Crnn2dConfig, filters: &[usize]) -> Crnn2dConfig {
    Crnn2dConfig {
        filters: filters.to_vec(),
        gru_units: vec![5, 4],
        classes: CLASSES,
        block_dropout: 0.0,
        dense_dropout: 0.0,
        ..shape
    }
}

fn narrow_rnn(gru_form: GruForm) -> ModelConfig {
    RnnConfig { n_mels: 16, lstm_units: vec![6, 5], classes: CLASSES, gru_form }.into()
}

/// The networks by their names in the files.
pub(crate) fn narrow(name: &str) -> ModelConfig {
    match name {
        "larger" => narrow_2d(Crnn2dConfig::larger(), &[4, 5, 16, 16, 7]).into(),
        "vgg" => {
            let filters = [4, 4, 5, 5, 16, 16, 16, 6, 6, 6, 7, 7, 7];
            narrow_2d(Crnn2dConfig::vgg(), &filters).into()
        }
        "crnn1d" => Crnn1dConfig {
            n_mels: 16,
            filters: vec![6, 7, 8],
            gru_units: vec![5, 4],
            classes: CLASSES,
            ..Crnn1dConfig::default()
        }
        .into(),
        "rnn_keras" => narrow_rnn(GruForm::Keras),
        "rnn_torch" => narrow_rnn(GruForm::Torch),
        other => panic!("there is no network `{other}`"),
    }
}

/// The tensors of a file whose names begin with that of the network.
fn load(file: &str, network: &str, dtype: DType) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(golden(file), &Device::Cpu)
        .unwrap()
        .into_iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix(network)?.strip_prefix('.')?.to_owned();
            Some((name, tensor.to_dtype(dtype).unwrap()))
        })
        .collect()
}

fn summary() -> serde_json::Value {
    let text = std::fs::read_to_string(golden("other_models_summary.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Largest difference as a share of the largest expected magnitude.
fn error(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.dims(), expected.dims());
    let expected = values(expected);
    let scale = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    values(got).iter().zip(&expected).fold(0.0f64, |a, (g, e)| a.max((g - e).abs())) / scale
}

fn agrees(network: &str, dtype: DType) {
    let config = narrow(network);
    let expected = load("other_models_expected.safetensors", network, DType::F64);
    let weights = load("other_models_weights.safetensors", network, dtype);
    let model = Model::from_tensors(config.clone(), weights).unwrap();
    let frames = match config {
        ModelConfig::Crnn1d(_) => 53,
        ModelConfig::Rnn(_) => 29,
        _ => 37,
    };
    let key = format!("2x{}x{frames}", config.n_mels());
    let inputs =
        candle_core::safetensors::load(golden("other_models_inputs.safetensors"), &Device::Cpu);
    let input = Var::from_tensor(&inputs.unwrap()[&key].to_dtype(dtype).unwrap()).unwrap();

    let mut got = BTreeMap::new();
    let evaluated = model.forward(&input, Mode::Evaluation).unwrap();
    got.insert("eval.logits".to_owned(), evaluated.logits);
    got.insert("eval.probabilities".to_owned(), model.probabilities(&input).unwrap());
    let trained = model.forward(&input, TRAINING).unwrap();
    let loss = cross_entropy(&trained.logits, &[2, 0], None).unwrap();
    let gradients = loss.backward().unwrap();
    got.insert("train.logits".to_owned(), trained.logits);
    for record in trained.statistics {
        got.insert(format!("train.{}.batch_mean", record.layer), record.mean);
        got.insert(format!("train.{}.batch_var", record.layer), record.variance);
    }
    got.insert("grad.input".to_owned(), gradients.get(&input).unwrap().clone());
    for (name, parameter) in model.parameters() {
        got.insert(format!("grad.{name}"), gradients.get(parameter).unwrap().clone());
    }

    assert!(got.keys().eq(expected.keys()), "{:?}\n{:?}", got.keys(), expected.keys());
    let tolerance = if dtype == DType::F32 { F32_TOLERANCE } else { F64_TOLERANCE };
    let mut worst = (0.0, "");
    for (name, got) in &got {
        let error = error(got, &expected[name]);
        assert!(error <= tolerance, "{network} {dtype:?} {name}: relative error {error:e}");
        if error > worst.0 {
            worst = (error, name);
        }
    }
    let (loss, expected) = (values(&loss)[0], summary()["loss"][network].as_f64().unwrap());
    assert!((loss / expected - 1.0).abs() <= tolerance, "loss {loss}, expected {expected}");
    println!("{network} {dtype:?}: at most {:.1e} ({})", worst.0, worst.1);
}

#[test]
fn the_larger_network_agrees_in_outputs_statistics_and_gradients() {
    agrees("larger", DType::F32);
    agrees("larger", DType::F64);
}

#[test]
fn the_vgg_network_agrees_in_outputs_statistics_and_gradients() {
    agrees("vgg", DType::F32);
    agrees("vgg", DType::F64);
}

#[test]
fn the_network_of_convolutions_over_time_agrees_in_outputs_and_gradients() {
    agrees("crnn1d", DType::F32);
    agrees("crnn1d", DType::F64);
}

#[test]
fn the_recurrent_network_of_hard_gates_agrees_in_outputs_and_gradients() {
    agrees("rnn_keras", DType::F32);
    agrees("rnn_keras", DType::F64);
}

#[test]
fn the_recurrent_network_of_logistic_gates_agrees_in_outputs_and_gradients() {
    agrees("rnn_torch", DType::F32);
    agrees("rnn_torch", DType::F64);
}

#[test]
fn networks_in_full_size_have_as_many_numbers_as_keras_counts() {
    let counts = &summary()["parameters"];
    for (name, config) in [
        ("larger", ModelConfig::from(Crnn2dConfig::larger())),
        ("vgg", Crnn2dConfig::vgg().into()),
        ("crnn1d", Crnn1dConfig::default().into()),
        ("rnn", RnnConfig::default().into()),
    ] {
        let model = Model::new(config, 0, &Device::Cpu, DType::F32).unwrap();
        let buffers: usize = model.buffers().values().map(Tensor::elem_count).sum();
        assert_eq!(counts[name]["trained"], model.parameter_count(), "{name}");
        assert_eq!(counts[name]["total"], model.parameter_count() + buffers, "{name}");
    }
}

#[test]
fn the_shortest_clip_leaves_one_step_and_a_frame_less_is_refused() {
    for (name, minimum) in
        [("larger", 8), ("vgg", 8), ("crnn1d", 36), ("rnn_keras", 1), ("rnn_torch", 1)]
    {
        let config = narrow(name);
        assert_eq!(config.minimum_frames(), minimum, "{name}");
        assert_eq!(config.steps(minimum), 1, "{name}");
        assert_eq!(config.steps(minimum - 1), 0, "{name}");
        let model = Model::new(config, 0, &Device::Cpu, DType::F32).unwrap();
        let probabilities = |frames| {
            let shape = (1, model.config().n_mels(), frames);
            model.probabilities(&Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap())
        };
        assert_eq!(probabilities(minimum).unwrap().dims(), [1, CLASSES]);
        let error = probabilities(minimum - 1).unwrap_err();
        let CrnnError::TooFewFrames { minimum: named, got } = error else { panic!("{error}") };
        assert_eq!((named, got), (minimum, minimum - 1), "{name}");
    }
}

#[test]
fn a_block_that_pools_nothing_drops_nothing() {
    let config = Crnn2dConfig {
        n_mels: 4,
        filters: vec![3],
        pools: vec![(1, 1)],
        gru_units: vec![3],
        block_dropout: 0.9,
        dense_dropout: 0.0,
        ..Crnn2dConfig::default()
    };
    let model = Model::new(config.clone(), 0, &Device::Cpu, DType::F32).unwrap();
    let x = Tensor::rand(-50f32, 0.0, (2, 4, 9), &Device::Cpu).unwrap();
    let block = |model: &Model| {
        let (_, trace) = model.forward_traced(&x, TRAINING).unwrap();
        values(&trace["block1"]).into_iter().filter(|&value| value == 0.0).count()
    };
    assert_eq!(block(&model), 0);
    let pooled = Crnn2dConfig { pools: vec![(1, 2)], ..config };
    let model = Model::new(pooled, 0, &Device::Cpu, DType::F32).unwrap();
    assert!(block(&model) > 0);
}

#[test]
fn layers_are_traced_under_their_names() {
    let shapes = |name: &str, x: (usize, usize, usize)| {
        let model = Model::new(narrow(name), 0, &Device::Cpu, DType::F32).unwrap();
        let x = Tensor::zeros(x, DType::F32, &Device::Cpu).unwrap();
        let (_, trace) = model.forward_traced(&x, Mode::Evaluation).unwrap();
        trace.iter().map(|(name, t)| format!("{name} {:?}", t.dims())).collect::<Vec<_>>()
    };
    assert_eq!(
        shapes("crnn1d", (2, 16, 53)),
        [
            "block1 [2, 6, 24]",
            "block2 [2, 7, 10]",
            "block3 [2, 8, 3]",
            "gru1 [2, 3, 5]",
            "gru2 [2, 3, 4]"
        ]
    );
    assert_eq!(shapes("rnn_keras", (2, 16, 29)), ["lstm1 [2, 29, 6]", "lstm2 [2, 29, 5]"]);
}

#[test]
fn configurations_that_make_no_sense_are_refused_by_field() {
    let (one, rnn) = (Crnn1dConfig::default, RnnConfig::default);
    let cases: [(ModelConfig, &str); 6] = [
        (Crnn1dConfig { classes: 0, ..one() }.into(), "`classes` has 0, expected 1 to 65536"),
        (Crnn1dConfig { filters: vec![], ..one() }.into(), "`filters` must name 1 to 64 layers"),
        (Crnn1dConfig { kernel_frames: 0, ..one() }.into(), "`kernel_frames` has 0"),
        (Crnn1dConfig { pool_frames: usize::MAX, ..one() }.into(), "`pool_frames` has 1844"),
        (RnnConfig { n_mels: 0, ..rnn() }.into(), "`n_mels` has 0"),
        (RnnConfig { lstm_units: vec![0], ..rnn() }.into(), "`lstm_units` has 0"),
    ];
    for (config, expected) in cases {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
