//! Votes of the nearest songs.

use cantus_baseline::{LabelledSongs, NearestSongs, NearestSongsConfig, SongGaussian};

use crate::golden_file::golden;

/// A song of one coefficient with variance 2 around `mean`: two of them lie half of their squared
/// difference apart.
fn song(mean: f32) -> SongGaussian {
    SongGaussian::from_frames(&[mean - 1.0, mean + 1.0], 1, 0.0).unwrap()
}

fn nearest(songs: &[(f32, usize)], n_classes: usize, neighbours: usize) -> NearestSongs {
    let (songs, classes) = songs.iter().map(|&(mean, class)| (song(mean), class)).unzip();
    let songs = LabelledSongs::new(songs, classes, n_classes).unwrap();
    NearestSongs::new(songs, &NearestSongsConfig { neighbours }).unwrap()
}

#[test]
fn one_neighbour_decides_alone() {
    let songs = nearest(&[(0.0, 0), (10.0, 1), (20.0, 2)], 3, 1);
    assert_eq!(songs.probabilities(&song(9.0)), Ok(vec![0.0, 1.0, 0.0]));
    assert_eq!(songs.probabilities(&song(500.0)), Ok(vec![0.0, 0.0, 1.0]));
}

#[test]
fn the_majority_wins_over_the_nearest() {
    let songs = nearest(&[(0.0, 0), (3.0, 1), (-3.0, 1), (90.0, 0)], 2, 3);
    let shares = songs.probabilities(&song(0.5)).unwrap();
    assert!(shares[1] > shares[0] && shares[0] > 0.0, "{shares:?}");
}

#[test]
fn of_as_many_votes_the_nearer_voters_win() {
    let songs = nearest(&[(0.0, 1), (3.0, 1), (1.0, 0), (3.5, 0), (90.0, 2)], 3, 4);
    // 0.5^2 + 2.5^2 against 0.5^2 + 3^2.
    let shares = songs.probabilities(&song(0.5)).unwrap();
    assert!(shares[1] > shares[0] && shares[0] > 0.4 && shares[2] == 0.0, "{shares:?}");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn of_songs_equally_far_the_first_votes() {
    let songs = nearest(&[(2.0, 1), (-2.0, 0), (2.0, 0)], 2, 1);
    assert_eq!(songs.probabilities(&song(0.0)), Ok(vec![0.0, 1.0]));
}

#[test]
fn equal_songs_vote_without_dividing_by_their_distance_of_0() {
    let songs = nearest(&[(1.0, 1), (1.0, 0), (5.0, 0)], 2, 2);
    assert_eq!(songs.probabilities(&song(1.0)), Ok(vec![0.5, 0.5]));
}

#[test]
fn left_out_one_by_one_each_song_is_predicted_by_the_others() {
    let golden = golden().songs;
    let gaussians: Vec<SongGaussian> = golden
        .frames
        .iter()
        .map(|frames| SongGaussian::from_frames(frames, 5, golden.ridge).unwrap())
        .collect();
    let fit = |songs: &[SongGaussian], classes: &[usize]| {
        let songs = LabelledSongs::new(songs.to_vec(), classes.to_vec(), 4).unwrap();
        NearestSongs::new(songs, &NearestSongsConfig { neighbours: 3 }).unwrap()
    };
    let together = fit(&gaussians, &golden.classes).leave_one_out();
    for (left_out, shares) in together.iter().enumerate() {
        let (mut songs, mut classes) = (gaussians.clone(), golden.classes.clone());
        songs.remove(left_out);
        classes.remove(left_out);
        let alone = fit(&songs, &classes).probabilities(&gaussians[left_out]).unwrap();
        assert_eq!(*shares, alone, "song {left_out}");
    }
}
