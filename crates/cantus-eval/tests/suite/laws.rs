//! What must hold for any predictions.

use cantus_eval::{
    BootstrapOptions, Chance, ConfusionMatrix, EvalError, LevelMetrics, Metrics, Predictions,
    classification_report, original_vote, song_votes,
};
use proptest::prelude::*;

use crate::samples::{any_clips, clip, favouring, labels, numbered_labels, some_predictions};

fn few_replicates() -> BootstrapOptions {
    BootstrapOptions { replicates: 40, ..BootstrapOptions::default() }
}

proptest! {
    #[test]
    fn the_order_of_the_clips_changes_nothing((labels, clips) in any_clips()) {
        let mut sorted = clips.clone();
        sorted.sort_by(|a, b| (&b.song_id, b.clip).cmp(&(&a.song_id, a.clip)));
        let shuffled = Predictions::new(labels.clone(), clips).unwrap();
        let reversed = Predictions::new(labels, sorted).unwrap();
        prop_assert_eq!(song_votes(&shuffled), song_votes(&reversed));
        prop_assert_eq!(
            Metrics::new(&shuffled, &few_replicates()).unwrap(),
            Metrics::new(&reversed, &few_replicates()).unwrap()
        );
        prop_assert_eq!(
            shuffled.write_parquet(Vec::new()).unwrap(),
            reversed.write_parquet(Vec::new()).unwrap()
        );
    }

    #[test]
    fn perfect_predictions_score_one((labels, mut clips) in any_clips()) {
        for clip in &mut clips {
            clip.probabilities = favouring(clip.truth, labels.len());
        }
        let predictions = Predictions::new(labels, clips).unwrap();
        let metrics = Metrics::new(&predictions, &few_replicates()).unwrap();
        for level in [&metrics.clip, &metrics.song_vote, &metrics.song_mean] {
            for estimate in [level.weighted_f1, level.accuracy, level.balanced_accuracy] {
                prop_assert!((estimate.value - 1.0).abs() < 1e-12);
                prop_assert!((estimate.low.unwrap() - 1.0).abs() < 1e-12);
            }
            prop_assert!(level.confusion.most_confused(usize::MAX).is_empty());
        }
    }

    #[test]
    fn scores_are_shares_and_the_levels_count_alike((labels, clips) in any_clips()) {
        let predictions = Predictions::new(labels, clips).unwrap();
        let metrics = Metrics::new(&predictions, &few_replicates()).unwrap();
        prop_assert_eq!(metrics.clip.count, predictions.clips().len() as u64);
        prop_assert_eq!(metrics.song_vote.count, metrics.songs);
        for level in [&metrics.clip, &metrics.song_vote, &metrics.song_mean] {
            check_level(level)?;
        }
    }

    #[test]
    fn a_vote_needs_a_clip_that_voted_for_it((_, clips) in any_clips()) {
        let rows: Vec<&[f32]> = clips.iter().map(|clip| clip.probabilities.as_slice()).collect();
        let vote = original_vote(&rows).unwrap();
        prop_assert!(clips.iter().any(|clip| clip.predicted() == vote));
    }

    #[test]
    fn a_song_repeated_clip_by_clip_votes_the_same((_, clips) in any_clips()) {
        let once: Vec<&[f32]> = clips.iter().map(|clip| clip.probabilities.as_slice()).collect();
        let thrice = [once.clone(), once.clone(), once.clone()].concat();
        prop_assert_eq!(original_vote(&once), original_vote(&thrice));
    }

    #[test]
    fn unsure_clips_have_no_vote_beside_a_sure_one(class in 0..5_usize, unsure in 1..9_usize) {
        let sure = favouring(class, 5);
        let hesitant = [0.5, 0.2, 0.1, 0.1, 0.1];
        let mut rows: Vec<&[f32]> = vec![&hesitant; unsure];
        prop_assert_eq!(original_vote(&rows), Some(0));
        rows.push(&sure);
        prop_assert_eq!(original_vote(&rows), Some(class));
    }
}

fn check_level(level: &LevelMetrics) -> Result<(), TestCaseError> {
    let report = &level.report;
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    prop_assert!(near(level.weighted_f1.value, report.weighted_f1()));
    let occurring: Vec<f64> =
        report.classes.iter().filter(|class| class.support > 0).map(|class| class.f1).collect();
    let macro_f1 = occurring.iter().sum::<f64>() / occurring.len() as f64;
    prop_assert!(near(level.macro_f1.value, macro_f1));
    prop_assert!(near(level.accuracy.value, report.accuracy));
    prop_assert!(near(level.balanced_accuracy.value, report.balanced_accuracy()));
    // Weighted by support, recall is the accuracy.
    prop_assert!(near(report.weighted_average.recall, report.accuracy));
    for estimate in [level.weighted_f1, level.macro_f1, level.accuracy, level.balanced_accuracy] {
        let (low, high) = (estimate.low.unwrap(), estimate.high.unwrap());
        prop_assert!(0.0 <= low && low <= high && high <= 1.0 + 1e-12);
    }
    Ok(())
}

#[test]
fn mean_probability_and_vote_may_differ() {
    let clips = vec![
        clip("a", 0, 0, &[0.51, 0.49]),
        clip("a", 1, 0, &[0.51, 0.49]),
        clip("a", 2, 0, &[0.0, 1.0]),
    ];
    let predictions = Predictions::new(labels(&["x", "y"]), clips).unwrap();
    let song = &song_votes(&predictions)[0];
    assert_eq!((song.vote, song.mean), (0, 1));
    assert!((song.vote_share - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn equal_mean_probabilities_go_to_the_smallest_class() {
    let clips = vec![clip("a", 0, 1, &[0.25, 0.75]), clip("a", 1, 1, &[0.75, 0.25])];
    let predictions = Predictions::new(labels(&["x", "y"]), clips).unwrap();
    assert_eq!(song_votes(&predictions)[0].mean, 0);
}

#[test]
fn songs_of_one_name_on_two_albums_stay_two_songs_in_the_order_of_their_ids() {
    let clips = vec![
        clip("x/second/01 Intro.mp3", 0, 0, &[0.9, 0.1]),
        clip("x/first/01 Intro.mp3", 0, 0, &[0.2, 0.8]),
    ];
    let predictions = Predictions::new(labels(&["x", "y"]), clips).unwrap();
    let songs = song_votes(&predictions);
    let ids: Vec<&str> = songs.iter().map(|song| song.song_id.as_str()).collect();
    assert_eq!(ids, ["x/first/01 Intro.mp3", "x/second/01 Intro.mp3"]);
    assert_eq!([songs[0].vote, songs[1].vote], [1, 0]);
}

#[test]
fn a_class_without_support_or_prediction_scores_zero_and_counts_in_the_macro_average() {
    let report = classification_report(&[0, 0], &[0, 0], &labels(&["x", "y"])).unwrap();
    assert!((report.macro_f1() - 0.5).abs() < 1e-12);
    assert!((report.balanced_accuracy() - 1.0).abs() < 1e-12);
}

#[test]
fn the_printed_report_rounds_halves_to_even_and_widens_for_long_names() {
    let name = "a name of twenty-five ch.".to_owned();
    let mut predicted = vec![0; 8];
    predicted[0] = 1;
    let report = classification_report(&[0; 8], &predicted, &[name, "y".to_owned()]).unwrap();
    let text = report.to_string();
    let first = text.lines().nth(2).unwrap();
    assert_eq!(first, "a name of twenty-five ch.       1.00      0.88      0.93         8");
}

#[test]
fn no_pairs_at_all_score_zero() {
    let report = classification_report(&[], &[], &labels(&["x"])).unwrap();
    assert!(report.weighted_f1().abs() < 1e-12 && report.balanced_accuracy().abs() < 1e-12);
}

#[test]
fn lists_of_different_lengths_and_unknown_classes_are_refused() {
    let names = labels(&["x", "y"]);
    let error = classification_report(&[0, 1], &[0], &names).unwrap_err();
    assert!(matches!(error, EvalError::LengthMismatch { truth: 2, predicted: 1 }), "{error}");
    let error = classification_report(&[0, 1], &[0, 2], &names).unwrap_err();
    let expected = EvalError::UnknownClass { position: 1, class: 2, classes: 2 };
    assert_eq!(error.to_string(), expected.to_string());
}

#[test]
fn impossible_predictions_are_refused() {
    let refuse = |names: &[&str], clips| Predictions::new(labels(names), clips).unwrap_err();
    let one = |probabilities: &[f32]| vec![clip("a", 0, 0, probabilities)];
    let good = || one(&[0.5, 0.5]);

    assert!(matches!(refuse(&[], good()), EvalError::NoClasses));
    assert!(matches!(refuse(&["x", ""], good()), EvalError::EmptyLabel { class: 1 }));
    let error = refuse(&["x", "x"], good());
    assert!(matches!(error, EvalError::DuplicateLabel { first: 0, second: 1, .. }));
    assert!(matches!(refuse(&["x", "y"], vec![]), EvalError::NoPredictions));

    let error = refuse(&["x", "y"], one(&[1.0]));
    assert!(matches!(error, EvalError::ProbabilityCount { found: 1, classes: 2, .. }));
    for row in [[f32::NAN, 1.0], [-0.5, 1.5], [f32::INFINITY, 0.0], [0.9, 0.9], [0.0, 0.0]] {
        let error = refuse(&["x", "y"], one(&row));
        assert!(matches!(error, EvalError::NotADistribution { .. }), "{row:?}: {error}");
    }

    let error = refuse(&["x", "y"], vec![clip("a", 0, 2, &[0.5, 0.5])]);
    assert!(matches!(error, EvalError::ClipClass { truth: 2, .. }));
    let error = refuse(&["x", "y"], [good(), good()].concat());
    assert!(matches!(error, EvalError::DuplicateClip { clip: 0, .. }));
    let error = refuse(&["x", "y"], vec![good()[0].clone(), clip("a", 1, 1, &[0.5, 0.5])]);
    assert!(matches!(error, EvalError::SongClass { first: 0, second: 1, .. }));
    let mut late = good();
    late[0].start_seconds = f64::NAN;
    assert!(matches!(refuse(&["x", "y"], late), EvalError::StartTime { .. }));
}

#[test]
fn the_most_confused_pairs_stand_by_share_then_count_then_class() {
    let counts = vec![vec![8, 2, 0], vec![10, 80, 10], vec![0, 1, 0]];
    let confusion = ConfusionMatrix::from_counts(numbered_labels(3), counts).unwrap();
    let pairs = confusion.most_confused(usize::MAX);
    let found: Vec<(usize, usize, u64)> =
        pairs.iter().map(|pair| (pair.truth, pair.predicted, pair.count)).collect();
    assert_eq!(found, [(2, 1, 1), (0, 1, 2), (1, 0, 10), (1, 2, 10)]);
    assert_eq!(confusion.most_confused(2), pairs[..2]);
}

#[test]
fn a_confusion_matrix_that_is_not_square_is_refused() {
    for counts in [vec![vec![1, 2]], vec![vec![1, 2], vec![3]]] {
        let error = ConfusionMatrix::from_counts(numbered_labels(2), counts).unwrap_err();
        assert!(matches!(error, EvalError::ConfusionShape { classes: 2, .. }), "{error}");
    }
}

#[test]
fn chance_is_one_over_the_classes_where_they_are_of_one_size() {
    let confusion =
        ConfusionMatrix::from_counts(numbered_labels(2), vec![vec![5, 5], vec![10, 0]]).unwrap();
    let chance = Chance::of(&confusion);
    assert!((chance.uniform_accuracy - 0.5).abs() < 1e-12);
    assert!((chance.uniform_weighted_f1 - 0.5).abs() < 1e-12);
    assert!((chance.majority_accuracy - 0.5).abs() < 1e-12);
}

#[test]
fn always_the_largest_class_scores_what_its_report_says() {
    let truth = [0, 1, 1, 1, 2, 2, 1, 0, 1, 2];
    let names = numbered_labels(3);
    let confusion = ConfusionMatrix::new(&truth, &[1; 10], &names).unwrap();
    let report = classification_report(&truth, &[1; 10], &names).unwrap();
    let chance = Chance::of(&confusion);
    assert_eq!(chance.majority_label, "artist 1");
    assert!((chance.majority_accuracy - report.accuracy).abs() < 1e-12);
    assert!((chance.majority_weighted_f1 - report.weighted_f1()).abs() < 1e-12);
}

#[test]
fn the_chance_of_guessing_is_that_of_predictions_spread_evenly_over_all_classes() {
    // Each class of 20, 40 and 60 is predicted as each class equally often.
    let counts: Vec<Vec<u64>> = [20, 40, 60].iter().map(|n| vec![n / 5; 5]).collect();
    let counts = [counts, vec![vec![0; 5]; 2]].concat();
    let confusion = ConfusionMatrix::from_counts(numbered_labels(5), counts).unwrap();
    let report = cantus_eval::ClassificationReport::from_confusion(&confusion);
    let chance = Chance::of(&confusion);
    assert!((chance.uniform_accuracy - report.accuracy).abs() < 1e-12);
    assert!((chance.uniform_weighted_f1 - report.weighted_f1()).abs() < 1e-12);
}

#[test]
fn intervals_hold_the_score_and_narrow_with_the_confidence() {
    let predictions = some_predictions();
    let wide = Metrics::new(&predictions, &BootstrapOptions::default()).unwrap();
    let options = BootstrapOptions { confidence: 0.5, ..BootstrapOptions::default() };
    let narrow = Metrics::new(&predictions, &options).unwrap();
    let (wide, narrow) = (wide.clip.weighted_f1, narrow.clip.weighted_f1);
    assert!(wide.low.unwrap() < narrow.low.unwrap() && narrow.high.unwrap() < wide.high.unwrap());
    assert!(wide.low.unwrap() < wide.value && wide.value < wide.high.unwrap());
}

#[test]
fn another_seed_gives_another_interval_and_no_replicates_give_none() {
    let predictions = some_predictions();
    let interval = |options: BootstrapOptions| {
        let estimate = Metrics::new(&predictions, &options).unwrap().clip.weighted_f1;
        (estimate.low, estimate.high)
    };
    let default = BootstrapOptions::default();
    let few = BootstrapOptions { replicates: 30, ..default };
    assert_ne!(interval(few), interval(BootstrapOptions { seed: 1, ..few }));
    assert_eq!(interval(BootstrapOptions { replicates: 0, ..default }), (None, None));
}

#[test]
fn a_confidence_outside_its_range_is_refused() {
    for confidence in [0.0, 1.0, f64::NAN, -1.0] {
        let options = BootstrapOptions { confidence, ..BootstrapOptions::default() };
        let error = Metrics::new(&some_predictions(), &options).unwrap_err();
        assert!(matches!(error, EvalError::Confidence { .. }), "{error}");
    }
}
