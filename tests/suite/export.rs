//! Trained networks for other programs.

use std::fs;

use crate::checkout::Checkout;

#[test]
fn a_trained_network_is_written_as_onnx_beside_its_weights() {
    let checkout = Checkout::with_music();
    // What is not trained yet is trained.
    let exported = checkout.quick("export", &["--onnx", "--json"]).expect_code(0).json().remove(0);
    let onnx = checkout.run_file("model.onnx");
    let file = checkout.path().join(exported["file"].as_str().unwrap());
    assert_eq!(fs::canonicalize(file).unwrap(), checkout.run_folder().join("model.onnx"));
    assert_eq!(exported["bytes"], onnx.len());
    assert_eq!(exported["labels"], serde_json::json!(["Alto", "Basso", "Canto"]));
    assert_eq!(
        (&exported["frames_per_clip"], &exported["minimum_frames"]),
        (&32.into(), &16.into())
    );
    // Version 7 of the format, and whose file it is.
    assert!(onnx.starts_with(b"\x08\x07\x12\x06cantus"));
    let has = |part: &[u8]| onnx.windows(part.len()).any(|window| window == part);
    assert!(has(br#"["Alto","Basso","Canto"]"#) && has(b"front_end.mel.sample_rate"));

    // The same bytes of the run by its folder and by its file, and no training by `--force`.
    let run = checkout.run_folder();
    let weights = run.join("model.safetensors");
    let trained = fs::metadata(&weights).unwrap().modified().unwrap();
    for weights in [run.to_str().unwrap(), weights.to_str().unwrap()] {
        let arguments = ["export", "--onnx", "out/copy.onnx", "--weights", weights];
        let ended = checkout.run(&arguments).expect_code(0);
        assert_eq!(ended.out, "out/copy.onnx\n");
        let copy = checkout.path().join("out/copy.onnx");
        assert!(fs::read(&copy).unwrap() == onnx);
        fs::remove_file(copy).unwrap();
    }
    checkout.quick("export", &["--onnx", "--force"]).expect_code(0);
    assert_eq!(fs::metadata(&weights).unwrap().modified().unwrap(), trained);
    assert!(checkout.run_file("model.onnx") == onnx);
}

#[test]
fn export_refuses_what_is_no_trained_network_and_says_what_would_be_one() {
    let checkout = Checkout::with_music();
    let weights = |path: &str| {
        checkout.run(&["export", "--onnx", "--weights", path, "--data", "data"]).expect_code(1)
    };
    for (given, named, hint) in [
        (
            "data/runs/nowhere",
            "there is no model `data/runs/nowhere`",
            "hint: name a model file, the",
        ),
        ("music", "there is no `model.safetensors` in `music`", "hint: name a model file, or the"),
    ] {
        let ended = weights(given).expect_error(&[named, hint]);
        assert!(ended.out.is_empty(), "{}", ended.out);
    }
    weights("music/Alto/Album 1/Song 1.wav").expect_error(&["Song 1.wav` cannot be used"]);
    assert!(!checkout.music("Alto/Album 1/Song 1.onnx").exists());
}

#[test]
fn export_refuses_flags_that_contradict_each_other() {
    let checkout = Checkout::with_music();
    let no_form = checkout.run(&["export", "--weights", "music"]).expect_code(2);
    no_form.expect_error(&["--onnx [<FILE>]"]);
    for of_a_trial in [["--seed", "1"], ["--corpus", "music"]] {
        let arguments = [&["export", "--onnx", "--weights", "music"], &of_a_trial[..]].concat();
        let ended = checkout.run(&arguments).expect_code(2);
        ended.expect_error(&["`--weights` names a network that is there", "hint: leave out one"]);
    }
    let several = ["export", "--onnx", "one.onnx", "--corpus", "music", "--seed", "0,1"];
    let ended = checkout.run(&several).expect_code(2);
    ended.expect_error(&["2 trials cannot be written to one file", "hint: without a name"]);
    assert!(!checkout.path().join("data").exists());
}

#[test]
fn the_bundled_model_is_exported_by_its_name_and_while_a_training_goes_on() {
    let checkout = Checkout::with_music();
    let data = checkout.path().join("data");
    let held = cantus_pipeline::Lock::try_acquire(&data).unwrap();
    let arguments = ["export", "--onnx", "bundled.onnx", "--weights", "bundled", "--json"];
    let exported = checkout.run(&arguments).expect_code(0).json().remove(0);
    drop(held);
    assert_eq!(exported["labels"].as_array().unwrap().len(), 20);
    assert_eq!(exported["frames_per_clip"], 94);
    let bytes = fs::metadata(checkout.path().join("bundled.onnx")).unwrap().len();
    assert_eq!(exported["bytes"], bytes);
    let nameless = checkout.run(&["export", "--onnx", "--weights", "bundled"]).expect_code(2);
    nameless.expect_error(&["belongs to the checkout", "hint: name the file"]);
}
