//! What may go to other threads, and that the bits do not depend on them.

use cantus_baseline::{
    BaselineError, ClipStatistics, ClipStatisticsConfig, ClipStatisticsScratch, LabelledSongs,
    LinearDiscriminant, NearestSongs, SongGaussian, SongGaussianPlan, SongVectorMachine,
};

use crate::noise::noise;

#[test]
fn every_type_goes_to_other_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<BaselineError>();
    is_send_and_sync::<ClipStatistics>();
    is_send_and_sync::<ClipStatisticsScratch>();
    is_send_and_sync::<LabelledSongs>();
    is_send_and_sync::<LinearDiscriminant>();
    is_send_and_sync::<NearestSongs>();
    is_send_and_sync::<SongGaussian>();
    is_send_and_sync::<SongGaussianPlan>();
    is_send_and_sync::<SongVectorMachine>();
}

#[test]
fn a_plan_serves_threads_and_gives_each_the_same_bits() {
    let plan = ClipStatistics::new(32, &ClipStatisticsConfig::default()).unwrap();
    let clips: Vec<Vec<f32>> = (0..8).map(|seed| noise(32 * 20, seed)).collect();
    let alone: Vec<Vec<f64>> = clips.iter().map(|clip| plan.compute(clip).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut scratch = plan.make_scratch();
                let mut out = vec![0.0; plan.n_features()];
                for (clip, expected) in clips.iter().zip(&alone) {
                    plan.process(clip, &mut scratch, &mut out).unwrap();
                    assert_eq!(out, *expected);
                }
            });
        }
    });
}
