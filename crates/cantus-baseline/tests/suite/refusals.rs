//! What is refused, and how it is told.

use cantus_baseline::{
    BaselineError, ClipStatistics, ClipStatisticsConfig, LabelledSongs, LinearDiscriminant,
    LinearDiscriminantConfig, NearestSongs, NearestSongsConfig, Shrinkage, SongGaussian,
    SongGaussianConfig, SongGaussianPlan, SongVectorMachine, SongVectorMachineConfig,
};
use cantus_mel::MelError;
use proptest::prelude::*;

use crate::noise::{noise, noise_f64};

const DEFAULT: LinearDiscriminantConfig = LinearDiscriminantConfig {
    shrinkage: Shrinkage::LedoitWolf,
    priors: cantus_baseline::Priors::Observed,
};

fn fit(features: &[f64], n_features: usize, classes: &[usize]) -> Option<BaselineError> {
    LinearDiscriminant::fit(features, n_features, classes, 2, &DEFAULT).err()
}

#[test]
fn clips_that_cannot_be_used_are_told_and_the_output_left_alone() {
    let plan = ClipStatistics::new(32, &ClipStatisticsConfig::default()).unwrap();
    assert_eq!((plan.n_features(), plan.least_frames()), (80, 9));
    let mut clip = noise(32 * 12, 1);
    let (mut scratch, mut out) = (plan.make_scratch(), vec![7.0; 80]);
    let mut refused = |clip: &[f32]| plan.process(clip, &mut scratch, &mut out).unwrap_err();

    assert_eq!(refused(&[]), BaselineError::TooFewFrames { frames: 0, least: 9 });
    assert_eq!(refused(&clip[..32 * 8]), BaselineError::TooFewFrames { frames: 8, least: 9 });
    assert_eq!(
        refused(&clip[1..]),
        BaselineError::Mel(MelError::RaggedFrames { values: 383, per_frame: 32 })
    );
    clip[32 * 5 + 3] = f32::NAN;
    assert_eq!(
        refused(&clip).to_string(),
        "column 0 of row 5 is NaN, expected a number of at most 1e100 either way"
    );
    clip[32 * 5 + 3] = f32::MAX;
    clip[32 * 5 + 4] = f32::MAX;
    clip[32 * 5 + 5] = f32::INFINITY;
    assert!(matches!(refused(&clip), BaselineError::Value { row: 5, .. }));
    assert_eq!(out, [7.0; 80]);

    let clip = noise(32 * 12, 1);
    assert_eq!(
        plan.process(&clip, &mut plan.make_scratch(), &mut out[1..]),
        Err(BaselineError::OutputLength { expected: 80, got: 79 })
    );
    let config = ClipStatisticsConfig { n_mfcc: 13, ..ClipStatisticsConfig::default() };
    let other = ClipStatistics::new(32, &config).unwrap();
    assert_eq!(
        plan.process(&clip, &mut other.make_scratch(), &mut out),
        Err(BaselineError::ForeignScratch { expected: 20, got: 13 })
    );
}

#[test]
fn features_that_cannot_be_learnt_from_are_told() {
    let features = noise_f64(18, 1);
    let classes = [0, 1, 0, 1, 0, 1];
    assert_eq!(fit(&features, 3, &classes), None);
    for (features, n_features, classes, expected) in [
        (&features[1..], 3, &classes[..], BaselineError::RaggedRows { values: 17, per_row: 3 }),
        (&features, 0, &classes, BaselineError::RaggedRows { values: 18, per_row: 0 }),
        (&features, 3, &classes[1..], BaselineError::LabelCount { examples: 6, labels: 5 }),
        (&[], 3, &[], BaselineError::EmptyClass { class: 0 }),
        (&features, 3, &[0; 6], BaselineError::EmptyClass { class: 1 }),
        (
            &features,
            3,
            &[0, 1, 0, 1, 0, 2],
            BaselineError::UnknownClass { example: 5, class: 2, classes: 2 },
        ),
        (&features[..6], 3, &[1, 0], BaselineError::OneExampleEach { examples: 2, classes: 2 }),
    ] {
        assert_eq!(fit(features, n_features, classes), Some(expected));
    }
    for classes in [0, 1] {
        assert_eq!(
            LinearDiscriminant::fit(&features, 3, &[0; 6], classes, &DEFAULT),
            Err(BaselineError::TooFewClasses { classes })
        );
    }
    for value in [f64::NAN, f64::INFINITY, -1.1e100] {
        let mut features = features.clone();
        features[7] = value;
        let Some(BaselineError::Value { row: 2, column: 1, .. }) = fit(&features, 3, &classes)
        else {
            panic!("{value} was taken");
        };
    }
    for share in [-0.1, 1.5, f64::NAN] {
        let config = LinearDiscriminantConfig { shrinkage: Shrinkage::Fixed(share), ..DEFAULT };
        let error = LinearDiscriminant::fit(&features, 3, &classes, 2, &config).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`shrinkage` is {share:?}, expected a number from 0 to 1")
        );
    }
}

#[test]
fn a_spread_that_has_no_inverse_is_told_and_shrinkage_helps() {
    let classes = [0, 1, 0, 1, 0, 1, 0, 1];
    let twice: Vec<f64> = noise_f64(8, 2).into_iter().flat_map(|value| [value, value]).collect();
    let raw = LinearDiscriminantConfig { shrinkage: Shrinkage::Fixed(0.0), ..DEFAULT };
    assert_eq!(
        LinearDiscriminant::fit(&twice, 2, &classes, 2, &raw),
        Err(BaselineError::SingularCovariance { rows: 8, columns: 2 })
    );
    assert_eq!(fit(&twice, 2, &classes), None);

    // Constant within each class, whatever the shrinkage.
    let apart: Vec<f64> = classes.iter().map(|&class| class as f64).collect();
    assert_eq!(
        fit(&apart, 1, &classes),
        Some(BaselineError::SingularCovariance { rows: 8, columns: 1 })
    );
}

#[test]
fn clips_of_another_width_are_refused_and_the_output_left_alone() {
    let discriminant =
        LinearDiscriminant::fit(&noise_f64(18, 1), 3, &[0, 1, 0, 1, 0, 1], 2, &DEFAULT).unwrap();
    assert_eq!((discriminant.n_features(), discriminant.n_classes()), (3, 2));
    let mut out = [7.0; 4];
    for (clips, length, expected) in [
        (&[0.5; 5][..], 4, BaselineError::RaggedRows { values: 5, per_row: 3 }),
        (&[0.5; 6], 3, BaselineError::OutputLength { expected: 4, got: 3 }),
    ] {
        assert_eq!(discriminant.process(clips, &mut out[..length]), Err(expected));
    }
    let refused = discriminant.process(&[0.0, 0.0, 0.0, 0.0, f64::NAN, 0.0], &mut out);
    assert!(matches!(refused, Err(BaselineError::Value { row: 1, column: 1, .. })));
    assert_eq!(out, [7.0; 4]);
    assert_eq!(discriminant.probabilities(&[]), Ok(vec![]));
}

#[test]
fn songs_that_cannot_be_described_are_told() {
    let frames = noise(5 * 20, 1);
    let from = SongGaussian::from_frames;
    assert_eq!(from(&frames, 5, 0.0).map(|_| ()), Ok(()));
    assert_eq!(
        from(&frames[1..], 5, 0.0),
        Err(BaselineError::RaggedRows { values: 99, per_row: 5 })
    );
    assert_eq!(from(&frames, 0, 0.0), Err(BaselineError::RaggedRows { values: 100, per_row: 0 }));
    assert_eq!(
        from(&frames[..25], 5, 0.0),
        Err(BaselineError::TooFewFrames { frames: 5, least: 6 })
    );
    assert_eq!(from(&[], 5, 0.0), Err(BaselineError::TooFewFrames { frames: 0, least: 6 }));
    assert_eq!(
        from(&[0.1; 100], 5, 0.0),
        Err(BaselineError::SingularCovariance { rows: 20, columns: 5 })
    );
    for ridge in [-1e-9, f64::NAN, f64::INFINITY] {
        assert!(matches!(from(&frames, 5, ridge), Err(BaselineError::Setting { .. })));
    }
    let mut damaged = frames;
    damaged[17] = f32::INFINITY;
    assert_eq!(
        from(&damaged, 5, 0.0),
        Err(BaselineError::Value { row: 3, column: 2, value: f64::INFINITY })
    );
    let plan = SongGaussianPlan::new(40, &SongGaussianConfig::default()).unwrap();
    assert_eq!(
        plan.compute(&[0.0; 41]),
        Err(BaselineError::Mel(MelError::RaggedFrames { values: 41, per_frame: 40 }))
    );
}

#[test]
fn songs_that_do_not_go_together_are_told() {
    let wide = SongGaussian::from_frames(&noise(30, 1), 3, 0.01).unwrap();
    let narrow = SongGaussian::from_frames(&noise(30, 2), 2, 0.01).unwrap();
    let width = BaselineError::Width { expected: 3, got: 2 };
    assert_eq!(wide.divergence(&narrow), Err(width.clone()));
    assert_eq!(wide.symmetric_divergence(&narrow), Err(width.clone()));
    let both = vec![wide.clone(), narrow.clone()];
    assert_eq!(LabelledSongs::new(both, vec![0, 1], 2), Err(width.clone()));
    assert_eq!(LabelledSongs::new(vec![], vec![], 2), Err(BaselineError::EmptyClass { class: 0 }));

    let songs = LabelledSongs::new(vec![wide.clone(), wide], vec![0, 1], 2).unwrap();
    for neighbours in [0, 3] {
        assert_eq!(
            NearestSongs::new(songs.clone(), &NearestSongsConfig { neighbours })
                .unwrap_err()
                .to_string(),
            format!("`neighbours` is {neighbours}, expected 1 to 2, the number of songs")
        );
    }
    let nearest = NearestSongs::new(songs.clone(), &NearestSongsConfig::default()).unwrap();
    assert_eq!(nearest.probabilities(&narrow), Err(width));

    // Equal songs have no median distance.
    let machine = |config| SongVectorMachine::fit(songs.clone(), &config).map(|_| ());
    let default = SongVectorMachineConfig::default();
    assert!(matches!(machine(default), Err(BaselineError::Setting { setting: "gamma", .. })));
    for gamma in [0.0, -1.0, f64::NAN] {
        let config = SongVectorMachineConfig { gamma: Some(gamma), ..default };
        assert!(matches!(machine(config), Err(BaselineError::Setting { setting: "gamma", .. })));
    }
    let config = SongVectorMachineConfig { gamma: Some(1.0), ..default };
    assert_eq!(machine(config), Ok(()));
    let free = SongVectorMachineConfig { cost: 0.0, ..config };
    assert!(matches!(machine(free), Err(BaselineError::Setting { setting: "cost", .. })));
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1.0),
        Just(1e-300),
        Just(1e100),
        Just(-1e100),
        Just(f64::NAN),
        any::<f64>(),
        -1.0..1.0,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_comes_is_refused_or_gives_probabilities(
        n_features in 0_usize..4,
        features in prop::collection::vec(any_number(), 0..40),
        classes in prop::collection::vec(0_usize..4, 0..14),
        n_classes in 0_usize..5,
        share in prop::option::of(0.0_f64..1.0),
    ) {
        let shrinkage = share.map_or(Shrinkage::LedoitWolf, Shrinkage::Fixed);
        let config = LinearDiscriminantConfig { shrinkage, ..DEFAULT };
        let rows = classes.len().min(features.len() / n_features.max(1));
        let (features, classes) = (&features[..rows * n_features], &classes[..rows]);
        let fitted = LinearDiscriminant::fit(features, n_features, classes, n_classes, &config);
        if let Ok(discriminant) = fitted {
            for clip in discriminant.probabilities(features).unwrap().chunks_exact(n_classes) {
                prop_assert!((clip.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{clip:?}");
            }
        }
    }

    #[test]
    fn whatever_frames_come_are_refused_or_give_distances(
        n in 0_usize..4,
        frames in prop::collection::vec(
            prop_oneof![Just(0.0), Just(f32::MAX), Just(f32::MIN_POSITIVE), any::<f32>()],
            0..40,
        ),
        ridge in prop_oneof![Just(0.0), Just(0.01)],
    ) {
        let frames = &frames[..frames.len() / n.max(1) * n];
        if let Ok(song) = SongGaussian::from_frames(frames, n, ridge) {
            let other = SongGaussian::from_frames(&noise(20 * n, 1), n, 0.01).unwrap();
            prop_assert!(song.symmetric_divergence(&other).unwrap() >= 0.0);
            prop_assert!(song.divergence(&other).unwrap() >= 0.0);
        }
    }
}
