//! `predict`: a trained model asked about recordings.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::sync::OnceLock;

use cantus_eval::{Predictions, song_votes};
use serde_json::Value;

use crate::checkout::Checkout;

/// A model that tells the three artists of [`Checkout::with_music`] apart, 1 s a clip.
pub(crate) fn model() -> &'static [u8] {
    static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
    MODEL.get_or_init(|| trained().run_file("model.safetensors"))
}

/// Music, and a run that has learnt it.
fn trained() -> Checkout {
    let checkout = Checkout::with_music();
    let long = ["--epochs", "30", "--patience", "30", "--batch-size", "4"];
    checkout.quick("evaluate", &long).expect_code(0);
    checkout
}

/// The model in a folder of its own, without music.
fn with_model() -> Checkout {
    let checkout = Checkout::new();
    fs::write(checkout.path().join("model.safetensors"), model()).unwrap();
    checkout
}

const WEIGHTS: [&str; 2] = ["--weights", "model.safetensors"];

fn predict<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["predict"], arguments, &WEIGHTS].concat()
}

/// Lines of a table without its header, by tabs.
fn table(text: &str) -> Vec<Vec<String>> {
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn songs_get_the_probabilities_and_votes_of_the_evaluation() {
    let checkout = trained();
    let ended = checkout.run(&["predict", "music", "--json"]).expect_code(0);
    assert!(ended.err.contains("asking data/runs/music-"), "{}", ended.err);
    let rows: BTreeMap<String, Value> = ended
        .json()
        .into_iter()
        .map(|row| (row["path"].as_str().unwrap().to_owned(), row))
        .collect();
    assert_eq!(rows.len(), 18);
    let predictions =
        Predictions::read_parquet(&checkout.run_folder().join("predictions.parquet")).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    for clip in predictions.clips() {
        let row = &rows[&format!("music/{}", clip.song_id)];
        let told = &row["clips"][clip.clip as usize];
        assert!((number(&told["start_seconds"]) - clip.start_seconds).abs() < 1e-9);
        for (rank, artist) in row["artists"].as_array().unwrap().iter().enumerate() {
            let labels = predictions.labels();
            let class = labels.iter().position(|label| artist["name"] == label.as_str()).unwrap();
            let (told, expected) =
                (number(&told["probabilities"][rank]), f64::from(clip.probabilities[class]));
            assert!((told - expected).abs() < 1e-6, "{}: {told}, not {expected}", clip.song_id);
        }
    }
    let songs = song_votes(&predictions);
    assert!(!songs.is_empty());
    for song in songs {
        let row = &rows[&format!("music/{}", song.song_id)];
        assert_eq!(row["vote"]["artist"], predictions.labels()[song.vote].as_str());
        assert_eq!(row["artist"], predictions.labels()[song.mean].as_str());
        assert!((number(&row["probability"]) - song.mean_probabilities[song.mean]).abs() < 1e-6);
        assert_eq!(row["clips"].as_array().unwrap().len(), song.clips);
    }
}

#[test]
fn of_one_recording_the_right_artist_stands_first_and_a_timeline_below() {
    let checkout = with_model();
    checkout.song("who.wav", 490.0, 65.0);
    let ended = checkout.run(&predict(&["music/who.wav", "--svg", "who.svg"])).expect_code(0);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[..3], ["music/who.wav", "0:00 to 1:05, 63 clips of 1.0 s", ""]);
    assert!(lines[3].starts_with("A Alto ") && lines[3].ends_with('#'), "{}", ended.out);
    assert!(lines[4].starts_with("B ") && lines[5].starts_with("C "), "{}", ended.out);
    assert!(lines[6].starts_with("by vote: Alto, "), "{}", ended.out);
    // Two rows of a minute and a few seconds; most of them Alto.
    let rows = [lines[8], lines[9]];
    assert!(rows[0].starts_with("0:00 ") && rows[1].starts_with("1:01 "), "{}", ended.out);
    let letters: String = rows.map(|row| &row[5..]).concat();
    assert_eq!(letters.len(), 63);
    assert!(letters.matches(['A', 'a']).count() > 40, "{letters}");
    let svg = fs::read_to_string(checkout.path().join("who.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("who.wav") && svg.contains("Canto"));
}

#[test]
fn only_so_many_artists_are_named_as_are_asked_for() {
    let checkout = with_model();
    checkout.song("who.wav", 490.0, 4.2);
    let ended = checkout.run(&predict(&["music/who.wav", "--top", "1"])).expect_code(0);
    assert!(ended.out.contains("A Alto") && !ended.out.contains("\nB "), "{}", ended.out);
    assert!(ended.out.contains(".: another artist"), "{}", ended.out);
}

#[test]
fn one_recording_as_json_is_one_line_with_its_clips() {
    let checkout = with_model();
    checkout.song("who.wav", 121.0, 4.2);
    let ended = checkout.run(&predict(&["music/who.wav", "--json"])).expect_code(0);
    let rows = ended.json();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["artist"], "Basso");
    assert_eq!(rows[0]["artists"].as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["clips"].as_array().unwrap().len(), 4);
    assert!(rows[0]["damage"].is_null());
    assert_eq!(rows[0]["model"], "model.safetensors");
}

#[test]
fn a_folder_is_a_table_in_order_of_paths_and_what_cannot_be_used_is_listed() {
    let checkout = with_model();
    checkout.song("c/high.wav", 1950.0, 4.2);
    checkout.song("a.wav", 490.0, 4.2);
    checkout.song("b short.wav", 490.0, 0.5);
    checkout.bytes("c/broken.mp3", b"no music at all");
    checkout.song("d cut.wav", 121.0, 8.4);
    let cut = checkout.music("d cut.wav");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let ended = checkout.run(&predict(&["music"])).expect_code(3);
    assert!(ended.out.starts_with("path\tartist\tprobability\tsecond_artist\t"), "{}", ended.out);
    let rows = table(&ended.out);
    let paths: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        paths,
        ["a.wav", "b short.wav", "c/broken.mp3", "c/high.wav", "d cut.wav"]
            .map(|path| format!("music/{path}"))
    );
    let artists: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(artists, ["Alto", "", "", "Canto", "Basso"]);
    let notes: Vec<&str> = rows.iter().map(|row| row[8].as_str()).collect();
    assert_eq!([notes[0], notes[3]], ["", ""]);
    assert!(notes[1].contains("too short") && notes[1].contains("0.50 s"), "{notes:?}");
    assert!(notes[2].contains("not audio in a known format"), "{notes:?}");
    assert!(notes[4].starts_with("damaged: some of the music"), "{notes:?}");
    let listed = ["2 songs could not be used:", "b short.wav", "broken.mp3", "hint: supported are"];
    let ended = ended.expect_error(&listed);
    ended.expect_error(&["1 song is damaged and used as far as it goes:", "d cut.wav"]);
}

#[test]
fn files_of_a_folder_as_json_have_their_errors_in_their_lines() {
    let checkout = with_model();
    checkout.song("a.wav", 490.0, 4.2);
    checkout.bytes("b.mp3", b"no music at all");
    let rows = checkout.run(&predict(&["music", "--json"])).expect_code(3).json();
    assert_eq!(rows[0]["artist"], "Alto");
    assert!(rows[1]["error"].as_str().unwrap().contains("not audio"), "{}", rows[1]);
    assert!(rows[1]["hint"].as_str().unwrap().contains("mp3"), "{}", rows[1]);
}

#[test]
fn several_files_are_a_table_in_the_order_given() {
    let checkout = with_model();
    checkout.song("z.wav", 121.0, 4.2);
    checkout.song("a.wav", 490.0, 4.2);
    let arguments = predict(&["music/z.wav", "music/a.wav", "music/gone.wav"]);
    let ended = checkout.run(&arguments).expect_code(3);
    let rows = table(&ended.out);
    let artists: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(artists, ["Basso", "Alto", ""]);
    assert!(rows[2][8].contains("no such file"), "{rows:?}");
}

#[test]
fn a_recording_alone_that_cannot_be_used_fails_with_a_hint() {
    let checkout = with_model();
    checkout.song("short.wav", 490.0, 0.5);
    let ended = checkout.run(&predict(&["music/short.wav"])).expect_code(1);
    assert_eq!(ended.out, "");
    ended.expect_error(&["short.wav` is too short: 0.50 s", "takes 1.00 s", "hint:", "longer"]);
    let gone = checkout.run(&predict(&["music/gone.wav"])).expect_code(1);
    gone.expect_error(&["no such file", "gone.wav", "hint:"]);
    let row = &checkout.run(&predict(&["music/short.wav", "--json"])).expect_code(1).json()[0];
    assert_eq!(row["path"], "music/short.wav");
    for (part, said) in [("error", "too short: 0.50 s"), ("hint", "longer")] {
        assert!(row[part].as_str().unwrap().contains(said), "{row}");
    }
}

#[test]
fn what_is_read_is_not_written_over() {
    let checkout = with_model();
    checkout.song("who.wav", 490.0, 4.2);
    let song = fs::read(checkout.music("who.wav")).unwrap();
    for read in ["music/who.wav", "music/../music/who.wav", "model.safetensors"] {
        let ended = checkout.run(&predict(&["music/who.wav", "--svg", read])).expect_code(2);
        ended.expect_error(&["what the result is made from", "hint: name another file"]);
    }
    let export = ["export", "--weights", "model.safetensors", "--onnx", "model.safetensors"];
    checkout.run(&export).expect_code(2).expect_error(&["what the result is made from"]);
    // A network by the name that its ONNX file would have.
    fs::copy(checkout.path().join("model.safetensors"), checkout.path().join("m.onnx")).unwrap();
    let export = ["export", "--weights", "m.onnx", "--onnx"];
    checkout.run(&export).expect_code(2).expect_error(&["what the result is made from"]);
    // Of a trial that is not trained yet, too.
    let from = ["--corpus", "songs.tsv", "--clip", "1s", "--from", "model.safetensors"];
    let rows = "path\tartist\talbum\ttitle\nmusic/who.wav\tA\tB\tC\n";
    fs::write(checkout.path().join("songs.tsv"), rows).unwrap();
    let run = checkout.run(&[&["status", "--json"], &from[..]].concat()).expect_code(0);
    let run = run.json()[0]["run"].as_str().unwrap().to_owned();
    fs::create_dir_all(checkout.path().join(&run)).unwrap();
    let weights = format!("{run}/model.safetensors");
    for read in ["music/who.wav", "songs.tsv", "model.safetensors", &weights] {
        for further in [&[][..], &["--dry-run"]] {
            let export = [&["export", "--onnx", read], &from[..], further].concat();
            checkout.run(&export).expect_code(2).expect_error(&["what the result is made from"]);
            let calibrate = [&["calibrate", "--out", read], &from[..], further].concat();
            checkout.run(&calibrate).expect_code(2).expect_error(&["what the result is made from"]);
            if read != weights {
                let embed = ["embed", "--weights", "model.safetensors", "--out", read];
                let embed = [&embed, &from[..2], further].concat();
                checkout.run(&embed).expect_code(2).expect_error(&["what the result is made from"]);
            }
        }
    }
    assert!(fs::read(checkout.music("who.wav")).unwrap() == song);
    assert_eq!(fs::read_to_string(checkout.path().join("songs.tsv")).unwrap(), rows);
    for network in ["model.safetensors", "m.onnx"] {
        assert!(fs::read(checkout.path().join(network)).unwrap() == model());
    }
}

#[test]
fn where_nothing_was_trained_the_bundled_model_is_asked() {
    let checkout = Checkout::new();
    checkout.song("who.wav", 490.0, 4.2);
    let ended = checkout.run(&["predict", "music/who.wav", "--json"]).expect_code(0);
    let row = &ended.json()[0];
    assert_eq!(row["artists"].as_array().unwrap().len(), 20);
    assert!(row["stranger"]["false_alarms"].is_number(), "{row}");
    ended.expect_error(&["asking the bundled model", "cargo xtask train --corpus DIR"]);
    // By its name also where there are others.
    let trained = trained();
    let asked = ["predict", "music/Alto/Album 1/Song 1.wav", "--weights", "bundled", "--json"];
    let row = &trained.run(&asked).expect_code(0).json()[0];
    assert_eq!(row["artists"].as_array().unwrap().len(), 20);
    let gone = ["predict", "music/who.wav", "--weights", "gone.safetensors"];
    let ended = checkout.run(&gone).expect_code(1);
    ended.expect_error(&["there is no model `gone.safetensors`", "hint:"]);
}

#[test]
fn a_model_that_cannot_be_used_is_named_with_what_is_wrong() {
    let checkout = with_model();
    checkout.song("who.wav", 490.0, 4.2);
    let refused = |bytes: &[u8], parts: &[&str]| {
        fs::write(checkout.path().join("model.safetensors"), bytes).unwrap();
        let ended = checkout.run(&predict(&["music/who.wav"])).expect_code(1);
        ended.expect_error(&["model `model.safetensors` cannot be used"]).expect_error(parts);
    };
    refused(&model()[..model().len() / 2], &["not a valid safetensors file", "cut short"]);
    refused(b"PK\x03\x04 an archive of something", &["not a valid safetensors file", "hint:"]);

    // The header with a label less, as long as before.
    let text = String::from_utf8_lossy(&model()[8..]);
    let (labels, fewer) = (r#"[\"Alto\",\"Basso\",\"Canto\"]"#, r#"[\"Alto\",\"Basso\"]"#);
    let at = 8 + text.find(labels).unwrap();
    let end = 8 + u64::from_le_bytes(model()[..8].try_into().unwrap()) as usize;
    let mut header = model()[..at].to_vec();
    header.extend(fewer.as_bytes());
    header.extend(&model()[at + labels.len()..end]);
    header.resize(end, b' ');
    let bytes = [&header, &model()[end..]].concat();
    refused(&bytes, &["2 labels for 3 classes", "changed after the training"]);
}

#[test]
fn a_checkpoint_is_no_model_and_a_run_is_named_by_its_folder() {
    let checkout = trained();
    let run = checkout.run_folder();
    let [checkpoint, folder] =
        [run.join("checkpoint.safetensors"), run].map(|path| path.to_str().unwrap().to_owned());
    let song = "music/Alto/Album 1/Song 1.wav";
    let ended = checkout.run(&["predict", song, "--weights", &checkpoint]).expect_code(1);
    ended.expect_error(&["checkpoint.safetensors` cannot be used", "a checkpoint is none"]);
    let ended = checkout.run(&["predict", song, "--weights", &folder]).expect_code(0);
    assert!(ended.out.contains("A Alto"), "{}", ended.out);
    let ended = checkout.run(&["predict", song, "--weights", "data/runs"]).expect_code(1);
    ended.expect_error(&["no `model.safetensors` in `data/runs`", "there is one in `data/runs/"]);
}

#[test]
fn what_cannot_be_asked_is_refused_before_any_work() {
    let checkout = with_model();
    checkout.run(&predict(&[])).expect_code(2).expect_error(&["<FILE|DIR>"]);
    checkout.run(&predict(&["x.wav", "--top", "0"])).expect_code(2).expect_error(&["--top"]);
    fs::create_dir_all(checkout.music("")).unwrap();
    let ended = checkout.run(&predict(&["music"])).expect_code(1);
    ended.expect_error(&["no music in `music`", "hint:", "flac"]);
    checkout.song("a.wav", 490.0, 4.2);
    let ended = checkout.run(&predict(&["music", "--svg", "a.svg"])).expect_code(2);
    ended.expect_error(&["one recording", "hint:"]);
    let dry = checkout.run(&predict(&["music", "--dry-run"])).expect_code(0);
    assert_eq!(dry.out, "would ask model.safetensors about 1 file\n");
    let gone = checkout.run(&predict(&["music/b.wav", "--dry-run"])).expect_code(1);
    gone.expect_error(&["music/b.wav"]);
    assert!(!checkout.path().join("data").exists());
}

#[cfg(unix)]
#[test]
fn what_is_no_music_in_folders_that_hold_some_is_a_row_of_the_table_too() {
    let checkout = with_model();
    checkout.song("one/a.wav", 490.0, 4.2);
    std::os::unix::fs::symlink("nowhere.wav", checkout.music("one/lost.wav")).unwrap();
    fs::create_dir_all(checkout.music("two")).unwrap();
    let ended = checkout.run(&predict(&["music/one", "music/two"])).expect_code(3);
    let rows = table(&ended.out);
    let found: Vec<(&str, &str)> =
        rows.iter().map(|row| (row[0].as_str(), row[8].as_str())).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], ("music/one/a.wav", ""));
    assert_eq!(found[1].0, "music/one/lost.wav");
    assert_eq!(found[2], ("music/two", "there is no music in this folder"));
    ended.expect_error(&["2 songs could not be used", "hint: files are found by"]);
}

#[cfg(unix)]
#[test]
fn a_picture_goes_where_a_link_leads_and_to_nothing_but_a_file() {
    let checkout = with_model();
    checkout.song("who.wav", 490.0, 4.2);
    let (link, target) = (checkout.path().join("link.svg"), checkout.path().join("target.svg"));
    fs::write(&target, b"old").unwrap();
    std::os::unix::fs::symlink("target.svg", &link).unwrap();
    checkout.run(&predict(&["music/who.wav", "--svg", "link.svg"])).expect_code(0);
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&target).unwrap().starts_with("<svg"));
    let refused = checkout.run(&predict(&["music/who.wav", "--svg", "/dev/null"])).expect_code(1);
    let refused = refused.expect_error(&["not a regular file: /dev/null", "hint:"]);
    assert_eq!(refused.out, "");
}

#[test]
fn ctrl_c_ends_with_130_after_the_lines_that_are_done() {
    let checkout = with_model();
    checkout.song("000.wav", 490.0, 20.0);
    let first = checkout.music("000.wav");
    for number in 1..400 {
        fs::hard_link(&first, checkout.music(&format!("{number:03}.wav"))).unwrap();
    }
    let mut child = checkout.start(&predict(&["music"]));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // The header and a first row.
    out.read_line(&mut text).unwrap();
    out.read_line(&mut text).unwrap();
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    out.read_to_string(&mut text).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    let rows = table(&text);
    assert!((1..400).contains(&rows.len()), "{}", rows.len());
    // Of files that were under way at once, one may be done and the one before it not.
    assert!(rows.is_sorted_by(|a, b| a[0] < b[0]), "{text}");
    for row in &rows {
        assert_eq!((row.len(), row[1].as_str()), (9, "Alto"), "{row:?}");
    }
    assert!(said.contains(&format!("interrupted after {} of 400 files", rows.len())), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let checkout = trained();
    for arguments in [["predict", "music", "--json"], ["predict", "music", "--quiet"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let ended = checkout.command(&arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot write the result to standard output"), "{said}");
    }
}
