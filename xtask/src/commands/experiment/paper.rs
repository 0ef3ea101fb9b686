//! What the paper printed: weighted F1 on artist20, mean and best of three trials.

use cantus_eval::{Level, PublishedScore};

/// Mean and best.
type Score = Option<(f64, f64)>;

/// Clip length in seconds; by song: clips, songs; by album: clips, songs.
const SCORES: [(f64, [Score; 4]); 7] = [
    (1.0, [Some((0.729, 0.733)), Some((0.929, 0.944)), Some((0.482, 0.516)), Some((0.641, 0.700))]),
    (3.0, [Some((0.765, 0.768)), Some((0.937, 0.966)), Some((0.513, 0.527)), Some((0.651, 0.653))]),
    (5.0, [Some((0.770, 0.779)), Some((0.918, 0.930)), Some((0.536, 0.550)), Some((0.652, 0.662))]),
    (6.0, [None, None, Some((0.552, 0.575)), Some((0.677, 0.727))]),
    (
        10.0,
        [Some((0.772, 0.787)), Some((0.902, 0.915)), Some((0.538, 0.560)), Some((0.630, 0.683))],
    ),
    (
        20.0,
        [Some((0.768, 0.792)), Some((0.861, 0.880)), Some((0.534, 0.553)), Some((0.568, 0.609))],
    ),
    (
        30.0,
        [Some((0.764, 0.771)), Some((0.846, 0.851)), Some((0.603, 0.612)), Some((0.674, 0.691))],
    ),
];

/// Its figures, where the corpus is the paper's; of another they would mean nothing.
pub(super) fn scores_on(corpus: &str) -> Vec<PublishedScore> {
    if !corpus.starts_with("artist20") {
        return Vec::new();
    }
    let columns = [
        ("song", Level::Clip),
        ("song", Level::SongVote),
        ("album", Level::Clip),
        ("album", Level::SongVote),
    ];
    let scores = SCORES.iter().flat_map(|(clip_seconds, scores)| {
        columns.iter().zip(scores).filter_map(|((split, level), score)| {
            let (mean, best) = (*score)?;
            let (split, level) = ((*split).to_owned(), *level);
            let (model, clip_seconds) = ("crnn2d".to_owned(), *clip_seconds);
            Some(PublishedScore { model, split, clip_seconds, level, mean, best })
        })
    });
    scores.collect()
}
