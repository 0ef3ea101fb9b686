//! A model file comes back as it was written, and every kind of damage has its own error.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use cantus_crnn::{
    Crnn1dConfig, Crnn2dConfig, CrnnError, GruForm, Mode, Model, ModelFile, OpenSet, RnnConfig,
};

fn small() -> ModelFile {
    let config = Crnn2dConfig {
        n_mels: 8,
        filters: vec![3],
        pools: vec![(2, 2)],
        gru_units: vec![2],
        classes: 2,
        gru_form: GruForm::Torch,
        dense_dropout: 0.123_456_789_012_345_67,
        ..Crnn2dConfig::default()
    };
    let model = Model::new(config, 1, &Device::Cpu, DType::F32).unwrap();
    let labels = vec!["Aube".to_owned(), "\"Zoé\" 🎵".to_owned()];
    let front_end = BTreeMap::from([
        ("sample_rate".to_owned(), "16000".to_owned()),
        ("hop_length".to_owned(), "512".to_owned()),
    ]);
    ModelFile::new(&model, labels, front_end, 94).unwrap()
}

/// Rewrites the JSON header of a model file; the length in front follows unless `lie` is given.
fn with_header(bytes: &[u8], edit: impl Fn(&str) -> String, lie: Option<u64>) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = edit(std::str::from_utf8(&bytes[8..8 + length]).unwrap());
    let claimed = lie.unwrap_or(header.len() as u64);
    [&claimed.to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let edit = |header: &str| {
        assert!(header.contains(from), "`{from}` is not in the header: {header}");
        header.replace(from, to)
    };
    with_header(bytes, edit, None)
}

fn error(bytes: &[u8]) -> CrnnError {
    ModelFile::from_bytes(bytes).unwrap_err()
}

/// An error and its causes, as a user is told them.
fn told(error: &CrnnError) -> String {
    let causes =
        std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_model_file_comes_back_as_it_was_written() {
    let file = small();
    let bytes = file.to_bytes().unwrap();
    let back = ModelFile::from_bytes(&bytes).unwrap();
    assert_eq!(back.config, file.config);
    assert_eq!(back.labels, file.labels);
    assert_eq!(back.front_end, file.front_end);
    assert_eq!(back.frames_per_clip, 94);
    assert_eq!(back.to_bytes().unwrap(), bytes);
    let x = Tensor::ones((1, 8, 12), DType::F32, &Device::Cpu).unwrap();
    let logits = |file: &ModelFile| {
        let model = file.model().unwrap();
        model.forward(&x, Mode::Evaluation).unwrap().logits.to_vec2::<f32>().unwrap()
    };
    assert_eq!(logits(&back), logits(&file));
}

#[test]
fn every_kind_of_network_comes_back_under_its_name() {
    let (n_mels, classes) = (8, 2);
    for (name, config) in [
        ("crnn2d", small().config),
        ("crnn1d", Crnn1dConfig { n_mels, classes, ..Crnn1dConfig::default() }.into()),
        ("rnn", RnnConfig { n_mels, classes, ..RnnConfig::default() }.into()),
    ] {
        let model = Model::new(config.clone(), 1, &Device::Cpu, DType::F32).unwrap();
        let file = ModelFile::new(&model, small().labels, small().front_end, 94).unwrap();
        let bytes = file.to_bytes().unwrap();
        let header = String::from_utf8_lossy(&bytes[8..60]).into_owned();
        assert!(header.contains(&format!(r#"{{\"config\":{{\"{name}\":{{"#)), "{header}");
        let back = ModelFile::from_bytes(&bytes).unwrap();
        assert_eq!(back.config, config);
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }
}

/// Written by the code of version 1, from a network of seed 1.
const VERSION_1: &[u8] = include_bytes!("../data/version_1.safetensors");

#[test]
fn a_file_of_version_1_is_read_and_written_as_version_4() {
    let file = ModelFile::from_bytes(VERSION_1).unwrap();
    let config = Crnn2dConfig {
        n_mels: 4,
        filters: vec![2],
        pools: vec![(2, 2)],
        gru_units: vec![2],
        classes: 2,
        ..Crnn2dConfig::default()
    };
    assert_eq!(file.config, config.clone().into());
    assert_eq!(file.labels, ["Aube", "Nocturne"]);
    assert_eq!(file.frames_per_clip, 12);
    let x: Vec<f32> = (0..24).map(|i| (i * 7 % 24) as f32 - 12.0).collect();
    let x = Tensor::from_vec(x, (1, 4, 6), &Device::Cpu).unwrap();
    let logits = file.model().unwrap().forward(&x, Mode::Evaluation).unwrap().logits;
    for (got, expected) in
        logits.to_vec2::<f32>().unwrap()[0].iter().zip([0.048_108_64, 0.069_554_64])
    {
        assert!((got - expected).abs() < 1e-6, "{got}, expected {expected}");
    }
    let bytes = file.to_bytes().unwrap();
    assert_eq!(ModelFile::from_bytes(&bytes).unwrap().config, file.config);
    // The same draws as ever.
    let model = Model::new(config, 1, &Device::Cpu, DType::F32).unwrap();
    let again = ModelFile::new(&model, file.labels, file.front_end, 12).unwrap();
    assert!(again.to_bytes().unwrap() == bytes);
}

#[test]
fn a_file_of_version_1_in_another_form_is_refused() {
    let message = |from: &str, to: &str| told(&error(&replaced(VERSION_1, from, to)));
    let missing = message(r#"\"gru_form\":\"keras\","#, "");
    assert!(missing.contains("a setting is missing"), "{missing}");
    let newer = message(r#"\"format_version\":1"#, r#"\"format_version\":2"#);
    assert!(newer.contains("expected map with a single key"), "{newer}");
}

#[test]
fn equal_models_give_equal_bytes() {
    let bytes = small().to_bytes().unwrap();
    for _ in 0..8 {
        assert_eq!(small().to_bytes().unwrap(), bytes);
    }
}

#[test]
fn other_programs_see_one_metadata_key_and_plain_f32_tensors() {
    let bytes = small().to_bytes().unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata.len(), 1);
    assert!(metadata["cantus"].starts_with(r#"{"config":{"crnn2d":{"batch_norm_epsilon":0.001,"#));
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("conv1.weight").unwrap().shape(), [3, 1, 3, 3]);
    assert_eq!(tensors.tensor("gru1.weight_ih").unwrap().dtype(), safetensors::Dtype::F32);
}

#[test]
fn a_double_precision_model_is_saved_in_single_precision() {
    let model = small().model().unwrap();
    let doubled: BTreeMap<_, _> = model
        .tensors()
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_dtype(DType::F64).unwrap()))
        .collect();
    let model = Model::from_tensors(model.config().clone(), doubled).unwrap();
    let file = ModelFile::new(&model, small().labels, small().front_end, 94).unwrap();
    assert_eq!(file.to_bytes().unwrap(), small().to_bytes().unwrap());
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = small().to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert!(matches!(error(&bytes[..length]), CrnnError::SafeTensors(_)), "at {length} bytes");
    }
}

#[test]
fn a_header_that_lies_about_a_length_is_refused() {
    let bytes = small().to_bytes().unwrap();
    for lie in [0, 1, 1 << 20, 1 << 40, u64::MAX] {
        let lying = with_header(&bytes, str::to_owned, Some(lie));
        assert!(matches!(error(&lying), CrnnError::SafeTensors(_)), "header length {lie}");
    }
    let lying = replaced(&bytes, r#""shape":[3,1,3,3]"#, r#""shape":[3,1,3,1152921504606846976]"#);
    assert!(matches!(error(&lying), CrnnError::SafeTensors(_)));
}

#[test]
fn a_configuration_that_claims_other_sizes_is_refused_without_making_room_for_them() {
    let bytes = small().to_bytes().unwrap();
    let lying = replaced(&bytes, r#"\"filters\":[3]"#, r#"\"filters\":[65536]"#);
    let error_ = error(&lying);
    assert!(matches!(error_, CrnnError::TensorShape { .. }), "{error_}");
    let lying = replaced(&bytes, r#"\"classes\":2"#, r#"\"classes\":18446744073709551615"#);
    assert!(matches!(error(&lying), CrnnError::Config { field: "classes", .. }));
}

#[test]
fn missing_and_unknown_tensors_are_named() {
    let bytes = small().to_bytes().unwrap();
    let renamed = replaced(&bytes, r#""dense.bias""#, r#""dense.bios""#);
    assert_eq!(error(&renamed).to_string(), "tensor `dense.bios` is not part of this model");
    let mut file = small();
    file.tensors.remove("norm1.running_var");
    assert_eq!(file.to_bytes().unwrap_err().to_string(), "tensor `norm1.running_var` is missing");
    let keras = replaced(&bytes, r#"\"gru_form\":\"torch\""#, r#"\"gru_form\":\"keras\""#);
    assert_eq!(error(&keras).to_string(), "tensor `gru1.bias_hh` is not part of this model");
}

#[test]
fn weights_that_are_not_finite_and_negative_variances_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bytes = small().to_bytes().unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&value.to_le_bytes());
        assert!(matches!(error(&bytes), CrnnError::NotFinite { .. }));
    }
    let mut file = small();
    let negative = Tensor::new(&[1f32, -1.0, 1.0], &Device::Cpu).unwrap();
    file.tensors.insert("norm1.running_var".to_owned(), negative);
    assert!(matches!(file.to_bytes().unwrap_err(), CrnnError::NegativeVariance { .. }));
}

#[test]
fn labels_must_be_as_many_as_classes_each_once_and_none_empty() {
    let bytes = small().to_bytes().unwrap();
    let labels = r#"\"labels\":[\"Aube\",\"\\\"Zoé\\\" 🎵\"]"#;
    for (new, problem) in [
        (r#"\"labels\":[]"#, "class labels: 0 labels for 2 classes"),
        (r#"\"labels\":[\"a\",\"b\",\"c\"]"#, "class labels: 3 labels for 2 classes"),
        (r#"\"labels\":[\"a\",\"a\"]"#, "class labels: `a` stands there twice"),
        (r#"\"labels\":[\"a\",\"\"]"#, "class labels: a label is empty"),
    ] {
        assert_eq!(error(&replaced(&bytes, labels, new)).to_string(), problem);
    }
}

#[test]
fn metadata_of_another_version_or_form_is_refused() {
    let bytes = small().to_bytes().unwrap();
    for (from, to, problem) in [
        (
            r#"\"format_version\":4"#,
            r#"\"format_version\":5"#,
            "expected format version 1 to 4, found 5",
        ),
        (r#"\"gru_form\":\"torch\","#, "", "a setting is missing"),
        (r#"\"classes\":2"#, r#"\"classes\": 2"#, "not written in canonical form"),
        (r#"\"n_mels\":8"#, r#"\"n_mels\":8,\"extra\":1"#, "unknown field"),
        (r#"\"frames_per_clip\":94"#, r#"\"frames_per_clip\":1"#, "at least 2 frames, got 1"),
        (r#""cantus":"#, r#""cantos":"#, "no `cantus` entry"),
        (r#""__metadata__":{"#, r#""__metadata__":{"format":"pt","#, "entries beside `cantus`"),
    ] {
        let message = told(&error(&replaced(&bytes, from, to)));
        assert!(message.contains(problem), "{message}, expected {problem}");
    }
}

#[test]
fn errors_of_a_file_name_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.safetensors");
    let error = ModelFile::read(&path).unwrap_err();
    assert!(matches!(&error, CrnnError::Io { .. }) && error.to_string().contains("absent"));
    let path = folder.path().join("text.safetensors");
    std::fs::write(&path, "this is no model at all").unwrap();
    let error = ModelFile::read(&path).unwrap_err();
    assert!(matches!(&error, CrnnError::File { .. }) && error.to_string().contains("text"));
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, small().to_bytes().unwrap()).unwrap();
    assert_eq!(ModelFile::read(&path).unwrap().labels, small().labels);
    assert!(matches!(ModelFile::read(folder.path()), Err(CrnnError::Io { .. })));
}

#[test]
fn a_model_for_other_artists_keeps_all_but_the_last_layer() {
    let file = small();
    let others = ["Ann", "Bob", "Cy"].map(str::to_owned);
    let tuned = file.model_for(&others, 5).unwrap();
    assert_eq!(tuned.config(), &file.config.clone().with_classes(3));
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let tensors = tuned.tensors().unwrap();
    for (name, tensor) in &file.tensors {
        if name.starts_with("dense.") {
            assert_eq!(tensors[name].dims()[0], 3);
        } else {
            assert_eq!(values(&tensors[name]), values(tensor), "{name}");
        }
    }
    let drawn = Model::new(tuned.config().clone(), 5, &Device::Cpu, DType::F32).unwrap();
    let drawn = drawn.tensors().unwrap();
    assert_eq!(values(&tensors["dense.weight"]), values(&drawn["dense.weight"]));
    assert!(matches!(file.model_for(&[], 5), Err(CrnnError::Config { field: "classes", .. })));
}

#[test]
fn a_model_for_the_same_artists_is_the_same_model() {
    let file = small();
    let again = file.model_for(&file.labels, 5).unwrap().tensors().unwrap();
    for (name, tensor) in &file.tensors {
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(&again[name]), values(tensor), "{name}");
    }
}

#[test]
fn what_strangers_score_stands_in_the_file() {
    let mut file = small();
    let open_set = OpenSet::new("loudness", vec![0.5, 0.25], vec![0.75, 0.123_456_79]).unwrap();
    file.open_set = Some(open_set.clone());
    let bytes = file.to_bytes().unwrap();
    let back = ModelFile::from_bytes(&bytes).unwrap();
    assert_eq!(back.open_set, Some(open_set.clone()));
    assert_eq!(back.to_bytes().unwrap(), bytes);
    assert_eq!(back.open_set.unwrap().measure(), "loudness");
    let too_many = format!(r#"\"known\":[{}0.25"#, "0.25,".repeat(1_000));
    for (known, problem) in [(r#"\"known\":[0.75"#, "not in order"), (&too_many, "more than 1000")]
    {
        let bad = error(&replaced(&bytes, r#"\"known\":[0.25"#, known));
        assert!(matches!(&bad, CrnnError::OpenSet { .. }), "{bad}");
        assert!(bad.to_string().contains(problem), "{bad}");
    }
}

/// A file without its digest, as older versions had none.
fn of_version(bytes: &[u8], version: u32) -> Vec<u8> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
    let text = header.metadata().clone().unwrap()["cantus"].clone();
    let digest = text.split_once(r#""digest":""#).unwrap().1.split_once('"').unwrap().0.to_owned();
    let without = replaced(bytes, &format!(r#"\"digest\":\"{digest}\","#), "");
    let new = format!(r#"\"format_version\":{version}"#);
    replaced(&without, r#"\"format_version\":4"#, &new)
}

#[test]
fn files_of_versions_2_and_3_are_read_and_a_field_of_another_version_is_refused() {
    let mut file = small();
    let plain = file.to_bytes().unwrap();
    assert_eq!(ModelFile::from_bytes(&of_version(&plain, 2)).unwrap().to_bytes().unwrap(), plain);
    file.open_set = Some(OpenSet::new("", vec![0.25], vec![0.75]).unwrap());
    let scored = file.to_bytes().unwrap();
    assert_eq!(ModelFile::from_bytes(&of_version(&scored, 3)).unwrap().to_bytes().unwrap(), scored);
    let to_three = replaced(&plain, r#"\"format_version\":4"#, r#"\"format_version\":3"#);
    for (lie, field) in [
        (of_version(&plain, 3), "`open_set`"),
        (of_version(&scored, 2), "`open_set`"),
        (of_version(&plain, 4), "`digest`"),
        (to_three, "`digest`"),
    ] {
        let said = error(&lie).to_string();
        assert!(said.contains("contradict") && said.contains(field), "{said}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let whole = small().to_bytes().unwrap();
    let mut by_digest_alone = 0;
    for bit in 0..8 * whole.len() {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        by_digest_alone += usize::from(matches!(error(&bytes), CrnnError::Digest));
    }
    // Of so small a model a third is weights, and nearly all of those are numbers either way.
    assert!(by_digest_alone > 2 * whole.len(), "{by_digest_alone} of {}", 8 * whole.len());
}
