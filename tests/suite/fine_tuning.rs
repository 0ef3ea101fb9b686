//! `train --from`: a training that begins with another's weights.

use std::fs;
use std::path::PathBuf;

use cantus_crnn::ModelFile;

use crate::checkout::Checkout;

/// A run that has learnt three artists, moved out of the way.
fn learnt(checkout: &Checkout) -> PathBuf {
    checkout.quick("train", &["--epochs", "3"]).expect_code(0);
    let model = checkout.path().join("first.safetensors");
    fs::write(&model, checkout.run_file("model.safetensors")).unwrap();
    fs::remove_dir_all(checkout.path().join("data/runs")).unwrap();
    model
}

#[test]
fn own_artists_are_learnt_from_the_weights_of_others_with_a_new_last_layer() {
    let checkout = Checkout::with_music();
    let first = ModelFile::read(&learnt(&checkout)).unwrap();
    fs::rename(checkout.music("Canto"), checkout.music("Dolce")).unwrap();
    // Of a training this short with so small a step, all but the last layer is nearly what it was.
    let tune =
        ["--from", "first.safetensors", "--epochs", "1", "--learning-rate", "1e-7", "--seed", "1"];
    checkout.quick("train", &tune).expect_code(0);
    let tuned = ModelFile::from_bytes(&checkout.run_file("model.safetensors")).unwrap();
    assert_eq!(tuned.labels, ["Alto", "Basso", "Dolce"]);
    let far = |name: &str| {
        let values =
            |file: &ModelFile| file.tensors[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let pairs = values(&first).into_iter().zip(values(&tuned));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(far("conv1.weight") < 1e-4, "{}", far("conv1.weight"));
    assert!(far("dense.weight") > 1e-2, "{}", far("dense.weight"));

    // The weights it began with are part of what it is made of.
    checkout.quick("train", &tune).expect_code(0);
    let mut other = first.clone();
    other.labels.reverse();
    fs::write(checkout.path().join("first.safetensors"), other.to_bytes().unwrap()).unwrap();
    let stale = checkout.quick("status", &[&tune[..], &["--explain"]].concat()).expect_code(0);
    assert!(stale.out.contains("first weights"), "{}", stale.out);
}

#[test]
fn weights_that_cannot_be_gone_on_with_are_refused_by_what_is_wrong() {
    let checkout = Checkout::with_music();
    let gone = checkout.quick("train", &["--from", "gone.safetensors"]).expect_code(1);
    gone.expect_error(&["there is no model `gone.safetensors`", "hint:"]);
    learnt(&checkout);
    let from = ["--from", "first.safetensors", "--epochs", "1"];
    let other = checkout.quick("train", &[&from[..], &["--model", "rnn"]].concat());
    other.expect_code(1).expect_error(&["another network than the trial's rnn", "hint:"]);
    fs::write(checkout.path().join("low.toml"), "[mel]\nf_max = 4000.0\n").unwrap();
    let low = checkout.quick("train", &[&from[..], &["--config", "low.toml"]].concat());
    low.expect_code(1).expect_error(&["`mel.f_max` is nyquist there and 4000.0 here", "hint:"]);
}
