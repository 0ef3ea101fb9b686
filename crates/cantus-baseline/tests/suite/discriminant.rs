//! Linear discriminants: scikit-learn's numbers, laws, settings.

use cantus_baseline::{LinearDiscriminant, LinearDiscriminantConfig, Priors, Shrinkage};
use proptest::prelude::*;

use crate::golden_file::{golden, largest_difference};
use crate::noise::noise_f64;

#[test]
fn probabilities_are_those_of_scikit_learn() {
    let golden = golden().discriminants;
    assert_eq!((golden.sets.len(), golden.cases.len()), (7, 40));
    let mut largest = 0.0_f64;
    for case in golden.cases {
        let set = &golden.sets[&case.set];
        let config = LinearDiscriminantConfig {
            shrinkage: case.shrinkage.map_or(Shrinkage::LedoitWolf, Shrinkage::Fixed),
            priors: if case.equal_priors { Priors::Equal } else { Priors::Observed },
        };
        let discriminant = LinearDiscriminant::fit(
            &set.features,
            set.n_features,
            &set.classes,
            set.n_classes,
            &config,
        )
        .unwrap();
        let ours = discriminant.probabilities(&set.test).unwrap();
        assert_eq!(ours.len(), case.probabilities.len());
        for (ours, theirs) in ours.iter().zip(&case.probabilities) {
            // Of two classes scikit-learn takes the second from 1, to the last bit of 1.
            let off = (ours - theirs).abs();
            assert!(off <= 1e-8 * theirs + 4e-16, "{ours}, not {theirs}: {}, {config:?}", case.set);
        }
        largest = largest.max(largest_difference(&ours, &case.probabilities, 1e-6));
    }
    println!("largest relative difference: {largest:.1e}");
}

/// Clips of three classes that lie apart, and others to ask about.
fn three_classes(n_features: usize, seed: u64) -> (Vec<f64>, Vec<usize>, Vec<f64>) {
    let classes: Vec<usize> = (0..45).map(|clip| clip % 3).collect();
    let centres = noise_f64(3 * n_features, seed + 1);
    let features = noise_f64(45 * n_features, seed);
    let features = features.chunks_exact(n_features).zip(&classes).flat_map(|(row, class)| {
        row.iter().zip(&centres[class * n_features..]).map(|(value, centre)| value + centre)
    });
    (features.collect(), classes, noise_f64(8 * n_features, seed + 2))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn probabilities_of_a_clip_add_up_to_1(n_features in 1_usize..12, seed in 0_u64..1000) {
        let (features, classes, asked) = three_classes(n_features, seed);
        let config = LinearDiscriminantConfig::default();
        let discriminant =
            LinearDiscriminant::fit(&features, n_features, &classes, 3, &config).unwrap();
        for clip in discriminant.probabilities(&asked).unwrap().chunks_exact(3) {
            prop_assert!(clip.iter().all(|share| (0.0..=1.0).contains(share)));
            prop_assert!((clip.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_units_of_the_features_do_not_matter(
        n_features in 2_usize..8,
        seed in 0_u64..1000,
        automatic in any::<bool>(),
    ) {
        let (features, classes, asked) = three_classes(n_features, seed);
        let other_units = |values: &[f64]| -> Vec<f64> {
            let unit = |(i, value)| value * 10_f64.powi(i as i32 % n_features as i32 - 2) - 7.0;
            values.iter().enumerate().map(unit).collect()
        };
        let shrinkage = if automatic { Shrinkage::LedoitWolf } else { Shrinkage::Fixed(0.3) };
        let config = LinearDiscriminantConfig { shrinkage, priors: Priors::Observed };
        let here = LinearDiscriminant::fit(&features, n_features, &classes, 3, &config)
            .unwrap()
            .probabilities(&asked)
            .unwrap();
        let there =
            LinearDiscriminant::fit(&other_units(&features), n_features, &classes, 3, &config)
                .unwrap()
                .probabilities(&other_units(&asked))
                .unwrap();
        for (here, there) in here.iter().zip(there) {
            prop_assert!((here - there).abs() < 1e-7, "{here} became {there}");
        }
    }

    #[test]
    fn other_numbers_for_the_classes_change_their_order_alone(
        n_features in 1_usize..8,
        seed in 0_u64..1000,
    ) {
        let (features, classes, asked) = three_classes(n_features, seed);
        let renamed: Vec<usize> = classes.iter().map(|class| (class + 1) % 3).collect();
        let fit = |classes: &[usize]| {
            let config = LinearDiscriminantConfig::default();
            LinearDiscriminant::fit(&features, n_features, classes, 3, &config)
                .unwrap()
                .probabilities(&asked)
                .unwrap()
        };
        let (before, after) = (fit(&classes), fit(&renamed));
        for (before, after) in before.chunks_exact(3).zip(after.chunks_exact(3)) {
            for class in 0..3 {
                prop_assert!((before[class] - after[(class + 1) % 3]).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn a_feature_that_never_varies_has_no_say() {
    let (features, classes, asked) = three_classes(4, 5);
    let with = |values: &[f64], constant: f64| -> Vec<f64> {
        values.chunks_exact(4).flat_map(|row| [row, &[constant]].concat()).collect()
    };
    // Without shrinkage, which would be by a mean over one feature more.
    let config = LinearDiscriminantConfig {
        shrinkage: Shrinkage::Fixed(0.0),
        ..LinearDiscriminantConfig::default()
    };
    let without = LinearDiscriminant::fit(&features, 4, &classes, 3, &config).unwrap();
    let with_it = LinearDiscriminant::fit(&with(&features, 0.1), 5, &classes, 3, &config).unwrap();
    let ours = with_it.probabilities(&with(&asked, 1e9)).unwrap();
    let expected = without.probabilities(&asked).unwrap();
    assert!(largest_difference(&ours, &expected, 1e-6) < 1e-10);
}

#[test]
fn many_clips_at_once_are_the_same_bits_as_one_by_one() {
    let (features, classes, asked) = three_classes(6, 9);
    let config = LinearDiscriminantConfig::default();
    let discriminant = LinearDiscriminant::fit(&features, 6, &classes, 3, &config).unwrap();
    let one_by_one: Vec<f64> =
        asked.chunks_exact(6).flat_map(|clip| discriminant.probabilities(clip).unwrap()).collect();
    assert_eq!(discriminant.probabilities(&asked).unwrap(), one_by_one);
}

#[test]
fn settings_are_read_from_toml_and_unknown_ones_refused() {
    type Config = LinearDiscriminantConfig;
    assert_eq!(toml::from_str::<Config>(""), Ok(Config::default()));
    let text = "shrinkage = \"ledoit-wolf\"\npriors = \"equal\"";
    let config = Config { priors: Priors::Equal, ..Config::default() };
    assert_eq!(toml::from_str::<Config>(text), Ok(config));
    let config = Config { shrinkage: Shrinkage::Fixed(0.5), ..config };
    assert_eq!(toml::from_str::<Config>(&toml::to_string(&config).unwrap()), Ok(config));
    assert!(toml::from_str::<Config>("shrink = 1").is_err());
}
