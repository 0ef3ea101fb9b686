//! Trials side by side.

use cantus_eval::{
    BootstrapOptions, ClipPrediction, EvalError, Grid, GridPoint, GridTrial, Level, Metrics,
    PartCounts, Predictions, PublishedScore,
};

/// Songs `from` to `to` of one clip each; every `wrong`th is taken for the other class.
fn predictions(from: u32, to: u32, wrong: u32) -> Predictions {
    let clip = |song: u32| {
        let truth = (song % 2) as usize;
        let said = if song.is_multiple_of(wrong) { 1 - truth } else { truth };
        let mut probabilities = vec![0.25, 0.25];
        probabilities[said] = 0.75;
        ClipPrediction {
            song_id: format!("song {song:03}"),
            clip: 0,
            start_seconds: 0.0,
            truth,
            probabilities,
        }
    };
    let labels = vec!["Ann".to_owned(), "Bob".to_owned()];
    Predictions::new(labels, (from..to).map(clip).collect()).unwrap()
}

fn trial(split: &str, clip_seconds: f64, seed: u64, wrong: u32) -> GridTrial {
    let point = GridPoint {
        model: "crnn2d".to_owned(),
        split: split.to_owned(),
        clip: format!("{clip_seconds}s"),
        clip_seconds,
    };
    let part = PartCounts { part: "test".to_owned(), artists: 2, albums: 4, songs: 40, clips: 40 };
    let bootstrap = BootstrapOptions { replicates: 20, ..BootstrapOptions::default() };
    let metrics = Metrics::new(&predictions(1, 41, wrong), &bootstrap).unwrap();
    GridTrial::new(point, seed, None, vec![part], &metrics)
}

fn grid() -> Grid {
    Grid::new(vec![
        trial("album", 3.0, 0, 2),
        trial("song", 10.0, 0, 5),
        trial("song", 3.0, 21, 20),
        trial("song", 3.0, 0, 10),
    ])
}

#[test]
fn a_summary_has_mean_deviation_and_best_of_a_points_trials() {
    let summaries = grid().summaries(Level::Clip);
    let points: Vec<(&str, f64, usize)> = summaries
        .iter()
        .map(|summary| (summary.point.split.as_str(), summary.point.clip_seconds, summary.trials))
        .collect();
    assert_eq!(points, [("song", 3.0, 2), ("song", 10.0, 1), ("album", 3.0, 1)]);
    let grid = grid();
    let scores: Vec<f64> =
        grid.trials()[..2].iter().map(|trial| trial.clip.weighted_f1.value).collect();
    let mean = f64::midpoint(scores[0], scores[1]);
    assert!((summaries[0].mean - mean).abs() < 1e-12);
    // Of two, the deviation of a sample is half of their distance times the square root of two.
    let deviation = (scores[0] - scores[1]).abs() / std::f64::consts::SQRT_2;
    assert!((summaries[0].deviation.unwrap() - deviation).abs() < 1e-12);
    assert!((summaries[0].best - scores[0].max(scores[1])).abs() < 1e-12);
    assert_eq!(summaries[1].deviation, None);
}

#[test]
fn the_order_in_which_trials_came_changes_nothing() {
    let mut trials = grid().trials().to_vec();
    trials.reverse();
    assert_eq!(Grid::new(trials), grid());
}

#[test]
fn the_tables_have_a_row_a_split_a_column_a_clip_length_and_the_papers_figures_below() {
    let published = PublishedScore {
        model: "crnn2d".to_owned(),
        split: "song".to_owned(),
        clip_seconds: 3.0,
        level: Level::Clip,
        mean: 0.765,
        best: 0.768,
    };
    let of_another = PublishedScore { model: "mfcc-lda".to_owned(), ..published.clone() };
    let text = grid().beside(vec![published, of_another]).to_markdown();
    let clips = text.split("## ").nth(1).unwrap();
    let rows: Vec<&str> = clips.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows[0], "| model | split | 3s | 10s |");
    assert!(rows[2].starts_with("| crnn2d | song | 0.9") && rows[2].contains(" ± "), "{text}");
    assert_eq!(rows[3], "| the paper's | song | 0.765, best 0.768 |  |");
    assert!(rows[4].starts_with("| crnn2d | album | ") && rows[4].ends_with(" |  |"), "{text}");
    assert_eq!(rows.len(), 5);
    let every_trial = text.split("## Every trial").nth(1).unwrap();
    assert_eq!(every_trial.lines().filter(|line| line.contains("crnn2d")).count(), 4 * 3);
}

#[test]
fn a_bar_in_a_name_does_not_end_its_cell() {
    let mut trial = trial("song", 3.0, 0, 5);
    trial.point.model = "a|b".to_owned();
    assert!(Grid::new(vec![trial]).to_markdown().contains("| a\\|b | song |"));
}

#[test]
fn the_rows_for_programs_are_one_a_trial_and_level_with_equal_widths() {
    let csv = grid().to_csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 3);
    let width = lines[0].split(',').count();
    assert!(lines.iter().all(|line| line.split(',').count() == width), "{csv}");
    assert!(lines[0].starts_with("model,split,clip,clip_seconds,seed,folds,level,count,"));
    assert!(lines[1].starts_with("crnn2d,song,3s,3,0,,clip,40,,,,,40,40,0.8"), "{}", lines[1]);
    let parquet = grid().write_parquet(Vec::new()).unwrap();
    assert_eq!(&parquet[..4], b"PAR1");
    assert_eq!(parquet, grid().write_parquet(Vec::new()).unwrap());
}

#[test]
fn folds_pooled_score_as_if_they_were_one() {
    let folds = vec![predictions(1, 15, 5), predictions(15, 41, 5)];
    assert_eq!(Predictions::pooled(folds).unwrap(), predictions(1, 41, 5));
    assert!(matches!(Predictions::pooled(Vec::new()), Err(EvalError::NoPredictions)));
    let twice = vec![predictions(1, 15, 5), predictions(14, 41, 5)];
    assert!(matches!(Predictions::pooled(twice), Err(EvalError::DuplicateClip { .. })));
}
