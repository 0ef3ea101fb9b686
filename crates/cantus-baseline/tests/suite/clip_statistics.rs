//! Statistics of clips: NumPy's and SciPy's numbers, settings.

use cantus_baseline::{ClipStatistics, ClipStatisticsConfig};

use crate::golden_file::{golden, largest_difference};
use crate::noise::noise;

#[test]
fn statistics_are_those_of_scipy_but_for_coefficients_being_f32() {
    let cases = golden().clip_statistics;
    assert_eq!(cases.len(), 4);
    for case in cases {
        let config = ClipStatisticsConfig { n_mfcc: case.n_mfcc, delta_width: case.delta_width };
        let clip: Vec<f32> =
            case.eighths_of_decibel.iter().map(|&value| f32::from(value) / 8.0).collect();
        let ours = ClipStatistics::new(case.n_mels, &config).unwrap().compute(&clip).unwrap();
        let most = largest_difference(&ours, &case.statistics, 1.0);
        println!("{} coefficients of {} bands: {most:.1e}", case.n_mfcc, case.n_mels);
        assert!(most < 1e-5, "{most}");
    }
}

#[test]
fn more_coefficients_than_bands_are_refused() {
    let error = ClipStatistics::new(16, &ClipStatisticsConfig::default()).unwrap_err();
    assert_eq!(error.to_string(), "`n_mfcc` is 20, expected 1 to 16");
}

#[test]
fn a_used_scratch_leaves_no_trace() {
    let plan = ClipStatistics::new(32, &ClipStatisticsConfig::default()).unwrap();
    let (long, short) = (noise(32 * 50, 1), noise(32 * 9, 2));
    let mut scratch = plan.make_scratch();
    let mut out = vec![0.0; plan.n_features()];
    plan.process(&long, &mut scratch, &mut out).unwrap();
    plan.process(&short, &mut scratch, &mut out).unwrap();
    assert_eq!(out, plan.compute(&short).unwrap());
}

#[test]
fn louder_moves_the_mean_of_coefficient_0_alone() {
    let plan = ClipStatistics::new(25, &ClipStatisticsConfig::default()).unwrap();
    let clip: Vec<f32> = noise(25 * 40, 3).iter().map(|value| 20.0 * value - 40.0).collect();
    let louder: Vec<f32> = clip.iter().map(|value| value + 6.0).collect();
    let (before, after) = (plan.compute(&clip).unwrap(), plan.compute(&louder).unwrap());
    for (feature, (before, after)) in before.iter().zip(after).enumerate() {
        let expected = if feature == 0 { 6.0 * 5.0 } else { 0.0 };
        assert!((after - before - expected).abs() < 1e-4, "{feature}: {before} to {after}");
    }
}

#[test]
fn settings_are_read_from_toml_and_unknown_ones_refused() {
    let config: ClipStatisticsConfig = toml::from_str("n_mfcc = 13").unwrap();
    assert_eq!(config, ClipStatisticsConfig { n_mfcc: 13, delta_width: 9 });
    assert_eq!(
        toml::from_str::<ClipStatisticsConfig>(&toml::to_string(&config).unwrap()),
        Ok(config)
    );
    assert!(toml::from_str::<ClipStatisticsConfig>("mfcc = 13").is_err());
}
