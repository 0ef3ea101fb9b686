//! Gaussians of songs and support vector machines: the numbers of NumPy and scikit-learn.

use cantus_baseline::{
    BaselineError, LabelledSongs, SongGaussian, SongGaussianConfig, SongGaussianPlan,
    SongVectorMachine, SongVectorMachineConfig,
};
use cantus_mel::MfccPlan;

use crate::golden_file::{Songs, golden, largest_difference};
use crate::noise::noise;

fn gaussians(golden: &Songs) -> Vec<SongGaussian> {
    golden
        .frames
        .iter()
        .map(|frames| {
            SongGaussian::from_frames(frames, golden.n_coefficients, golden.ridge).unwrap()
        })
        .collect()
}

#[test]
fn divergences_are_those_of_the_textbook_in_numpy() {
    let golden = golden().songs;
    let songs = gaussians(&golden);
    assert_eq!(songs.len(), 18);
    let all = |distance: fn(&SongGaussian, &SongGaussian) -> f64| -> Vec<f64> {
        songs.iter().flat_map(|a| songs.iter().map(move |b| distance(a, b))).collect()
    };
    let one_way = all(|a, b| a.divergence(b).unwrap());
    let both_ways = all(|a, b| a.symmetric_divergence(b).unwrap());
    for (name, ours, theirs) in [
        ("one way", one_way, golden.divergences),
        ("both ways", both_ways, golden.symmetric_divergences),
    ] {
        let most = largest_difference(&ours, &theirs, 1e-3);
        println!("{name}: {most:.1e}");
        assert!(most < 1e-10, "{name}: {most}");
    }
}

#[test]
fn decisions_and_votes_are_those_of_scikit_learns_machines() {
    let golden = golden().songs;
    let songs = gaussians(&golden);
    let pick = |which: &[usize]| which.iter().map(|&song| songs[song].clone()).collect::<Vec<_>>();
    let classes = golden.learnt.iter().map(|&song| golden.classes[song]).collect();
    let learnt = LabelledSongs::new(pick(&golden.learnt), classes, 4).unwrap();
    assert_eq!(golden.machines.len(), 3);
    for case in golden.machines {
        let config =
            SongVectorMachineConfig { cost: case.cost, gamma: Some(case.gamma), tolerance: 1e-12 };
        let machine = SongVectorMachine::fit(learnt.clone(), &config).unwrap();
        let asked = pick(&golden.asked);
        let decisions: Vec<f64> =
            asked.iter().flat_map(|song| machine.decisions(song).unwrap()).collect();
        let most = largest_difference(&decisions, &case.decisions, 1.0);
        println!("cost {}: {most:.1e}", case.cost);
        // LIBSVM rounds the kernel to f32; of a kernel rounded as well the difference is 4e-13.
        assert!(most < 1e-6, "{most}");

        for ((song, votes), &predicted) in
            asked.iter().zip(case.votes.chunks_exact(4)).zip(&case.predicted)
        {
            let shares = machine.probabilities(song).unwrap();
            let sum: f64 = votes.iter().map(|votes| votes + 1.0 / 3.0).sum();
            let expected: Vec<f64> = votes.iter().map(|votes| (votes + 1.0 / 3.0) / sum).collect();
            assert!(largest_difference(&shares, &expected, 1.0) < 1e-6);
            let largest = (0..4).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
            // Votes with margins to break ties; LIBSVM's own prediction breaks them by number.
            if votes[predicted] == votes.iter().copied().fold(f64::NEG_INFINITY, f64::max) {
                assert_eq!(largest, predicted);
            }
        }
    }
}

#[test]
fn gamma_is_one_over_the_median_divergence_unless_it_is_set() {
    let golden = golden().songs;
    let songs = gaussians(&golden)[..3].to_vec();
    let mut distances: Vec<f64> = [(0, 1), (0, 2), (1, 2)]
        .map(|(a, b)| songs[a].symmetric_divergence(&songs[b]).unwrap())
        .into();
    distances.sort_by(f64::total_cmp);
    let songs = LabelledSongs::new(songs, vec![0, 1, 1], 2).unwrap();
    let machine = SongVectorMachine::fit(songs, &SongVectorMachineConfig::default()).unwrap();
    assert_eq!(machine.gamma(), 1.0 / distances[1]);
}

#[test]
fn a_plan_makes_the_gaussian_of_the_songs_cepstra() {
    let song: Vec<f32> = noise(40 * 100, 4).iter().map(|value| 20.0 * value - 40.0).collect();
    let config = SongGaussianConfig { n_mfcc: 7, ridge: 0.5 };
    let gaussian = SongGaussianPlan::new(40, &config).unwrap().compute(&song).unwrap();
    let cepstra = MfccPlan::new(40, 7, 0.0).unwrap().compute(&song).unwrap();
    assert_eq!(gaussian, SongGaussian::from_frames(&cepstra, 7, 0.5).unwrap());
    assert_eq!((gaussian.n_coefficients(), gaussian.mean().len()), (7, 7));
}

#[test]
fn mean_and_covariance_are_those_of_pencil_and_paper() {
    let frames = [1.0, 0.0, 3.0, 4.0, 5.0, 2.0];
    let gaussian = SongGaussian::from_frames(&frames, 2, 0.25).unwrap();
    assert_eq!(gaussian.mean(), [3.0, 2.0]);
    let entries = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)].map(|(i, j)| gaussian.covariance(i, j));
    assert_eq!(entries, [Some(4.25), Some(2.0), Some(2.0), Some(4.25), None]);
}

#[test]
fn songs_of_silence_can_be_compared_thanks_to_the_ridge() {
    let plan = SongGaussianPlan::new(40, &SongGaussianConfig::default()).unwrap();
    let silence = plan.compute(&[-80.0; 40 * 50]).unwrap();
    let quieter = plan.compute(&[-81.0; 40 * 50]).unwrap();
    // The root of 40 in coefficient 0, over a variance of 0.01.
    let distance = silence.symmetric_divergence(&quieter).unwrap();
    assert!((distance - 4000.0).abs() < 0.1, "{distance}");

    let none = SongGaussianConfig { ridge: 0.0, ..SongGaussianConfig::default() };
    let plan = SongGaussianPlan::new(40, &none).unwrap();
    assert_eq!(
        plan.compute(&[-80.0; 40 * 50]),
        Err(BaselineError::SingularCovariance { rows: 50, columns: 20 })
    );
}
