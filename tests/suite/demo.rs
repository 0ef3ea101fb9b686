//! The main job on the built-in corpus, which is all that a first visitor runs.

use crate::checkout::Checkout;

/// One clip a song and one epoch: all stages run, nothing is learnt.
const SMALLEST: [&str; 7] =
    ["demo", "--song-seconds", "4", "--max-seconds", "3.5", "--epochs", "1"];

fn smallest(further: &[&'static str]) -> Vec<&'static str> {
    [SMALLEST.as_slice(), further].concat()
}

#[test]
fn demo_goes_from_an_empty_folder_to_a_report_and_then_has_nothing_to_do() {
    let checkout = Checkout::new();
    let ended = checkout.run(&smallest(&["--json"])).expect_code(0);
    let results = ended.json();
    assert_eq!(results[0]["corpus"], "demo");
    assert_eq!(results[0]["already_there"], 0);
    assert_eq!(results[1]["scores"]["artists"], 8);
    assert!(!checkout.run_file("report.html").is_empty());

    let again = checkout.run(&smallest(&[])).expect_code(0);
    assert!(again.out.contains("all there already"), "{}", again.out);
    assert!(again.out.contains("nothing was stale"), "{}", again.out);
    let dry = checkout.run(&smallest(&["--dry-run"])).expect_code(0);
    assert!(dry.out.contains("demo: all songs are in "), "{}", dry.out);
    assert!(dry.out.contains("report      fresh"), "{}", dry.out);
}

#[test]
fn a_dry_run_in_an_empty_folder_says_what_would_be_made_and_makes_nothing() {
    for (arguments, parts) in [
        (
            ["demo", "--dry-run"].as_slice(),
            ["would synthesise 128 songs", "would train", "data/runs/demo/crnn2d-3s-song-0"]
                .as_slice(),
        ),
        (&["fetch", "demo", "--dry-run"], &["would synthesise 128 songs", "data/raw/demo"]),
        (&["fetch", "freemusic-small", "--dry-run"], &["freemusic-small", "data/raw/freemusic"]),
        (&["fetch", "artist20", "--from", "mine", "--dry-run"], &["would check artist20", "mine"]),
    ] {
        let checkout = Checkout::new();
        let ended = checkout.run(arguments).expect_code(0);
        for part in parts {
            assert!(ended.out.contains(part), "no `{part}` in {}", ended.out);
        }
        assert!(!checkout.path().join("data").exists(), "{arguments:?}");
    }
}
