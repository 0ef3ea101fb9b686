//! t-SNE: the way from points to a map.

use std::ops::ControlFlow;

use cantus_eval::{EvalError, TsneMap, TsnePlan};

/// Numbers from -1 to 1: the generator of the golden files.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as i64 - (1 << 23)) as f32 / (1 << 23) as f32
        })
        .collect()
}

/// `clusters` clusters of points, one point of each in turn, far apart for their size.
fn mixture(points: usize, clusters: usize, dimensions: usize) -> Vec<f32> {
    let centres = noise(clusters * dimensions, 1);
    let offsets = noise(points * dimensions, 2);
    let place = |(index, offset): (usize, &f32)| {
        let (point, dimension) = (index / dimensions, index % dimensions);
        centres[point % clusters * dimensions + dimension] + 0.35 * offset
    };
    offsets.iter().enumerate().map(place).collect()
}

/// The share of points whose nearest one on the map is of their own cluster.
fn kept_together(map: &TsneMap, clusters: usize) -> f64 {
    let positions = &map.positions;
    let squared = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    let kept = |&point: &usize| {
        let nearest = (0..positions.len()).filter(|&other| other != point).min_by(|&a, &b| {
            let distance = |other: usize| squared(positions[point], positions[other]);
            distance(a).total_cmp(&distance(b))
        });
        nearest.is_some_and(|nearest| nearest % clusters == point % clusters)
    };
    (0..positions.len()).filter(kept).count() as f64 / positions.len() as f64
}

/// Trustworthiness (Venna & Kaski 2001), as scikit-learn's of so many neighbours: 1 if no point is
/// near on the map that is not near among the points.
fn trustworthiness(points: &[f32], dimensions: usize, map: &TsneMap, neighbours: usize) -> f64 {
    let n = map.positions.len();
    let row = |index: usize| &points[index * dimensions..][..dimensions];
    let apart = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum()
    };
    let by_distance = |point: usize, distance: &dyn Fn(usize) -> f64| -> Vec<usize> {
        let mut others: Vec<usize> = (0..n).filter(|&other| other != point).collect();
        others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        others
    };
    let mut penalty = 0;
    for point in 0..n {
        let original = by_distance(point, &|other| apart(row(point), row(other)));
        let mut ranks = vec![0; n];
        for (rank, &other) in original.iter().enumerate() {
            ranks[other] = rank + 1;
        }
        let place = map.positions[point];
        let mapped = by_distance(point, &|other| apart(&place, &map.positions[other]));
        for &other in &mapped[..neighbours] {
            penalty += ranks[other].saturating_sub(neighbours);
        }
    }
    let (n, k) = (n as f64, neighbours as f64);
    1.0 - penalty as f64 * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0))
}

fn short() -> TsnePlan {
    TsnePlan { early_iterations: 60, iterations: 90, ..TsnePlan::default() }
}

#[test]
fn a_mixture_keeps_its_clusters_and_its_neighbours() {
    let (points, clusters, dimensions) = (600, 8, 10);
    let numbers = mixture(points, clusters, dimensions);
    let map = TsnePlan::default().run(&numbers, dimensions).unwrap();
    assert_eq!((map.positions.len(), map.iterations), (points, 1000));
    assert!(kept_together(&map, clusters) > 0.99);
    let trust = trustworthiness(&numbers, dimensions, &map, 12);
    assert!(trust > 0.95, "{trust}");
    assert!(map.kl_divergence < 1.0, "{}", map.kl_divergence);
}

#[test]
fn a_map_made_on_a_mesh_keeps_its_clusters_too() {
    let (points, clusters, dimensions) = (2400, 8, 10);
    let numbers = mixture(points, clusters, dimensions);
    let map = short().run(&numbers, dimensions).unwrap();
    assert!(kept_together(&map, clusters) > 0.99);
    assert!(map.kl_divergence < 2.0, "{}", map.kl_divergence);
}

#[test]
fn more_iterations_bring_the_divergence_down() {
    let numbers = mixture(150, 3, 4);
    let divergence = |iterations| {
        let plan = TsnePlan { iterations, ..short() };
        plan.run(&numbers, 4).unwrap().kl_divergence
    };
    let [early, later] = [20, 400].map(divergence);
    assert!(later < early && later > 0.0, "{early}, then {later}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for points in [300, 1800] {
        let numbers = mixture(points, 5, 7);
        let [one, two, three] = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| short().run(&numbers, 7)).unwrap()
        });
        assert_eq!(one, two, "{points} points, two threads");
        assert_eq!(one, three, "{points} points, three threads");
    }
}

#[test]
fn the_seed_changes_the_map_and_nothing_else_does() {
    let numbers = mixture(120, 4, 6);
    let again = short().run(&numbers, 6).unwrap();
    assert_eq!(short().run(&numbers, 6).unwrap(), again);
    assert_ne!(TsnePlan { seed: 1, ..short() }.run(&numbers, 6).unwrap(), again);
}

#[test]
fn a_map_does_not_depend_on_the_unit_of_its_points() {
    let numbers = mixture(120, 4, 6);
    let map = short().run(&numbers, 6).unwrap();
    for power in [-100, 60, 120] {
        let scaled: Vec<f32> = numbers.iter().map(|x| x * 2.0_f32.powi(power)).collect();
        assert_eq!(short().run(&scaled, 6).unwrap(), map, "2^{power}");
    }
}

#[test]
fn few_points_have_a_smaller_perplexity() {
    let map = short().run(&noise(31 * 3, 8), 3).unwrap();
    assert!((map.perplexity - 10.0).abs() < 1e-12, "{}", map.perplexity);
    let map = short().run(&noise(4 * 3, 8), 3).unwrap();
    assert!((map.perplexity - 1.0).abs() < 1e-12, "{}", map.perplexity);
    assert!(map.positions.iter().flatten().all(|x| x.is_finite()));
}

#[test]
fn equal_points_are_mapped() {
    let mut numbers = mixture(1600, 4, 3);
    for point in 1..200 {
        numbers.copy_within(0..3, point * 3);
    }
    for numbers in [numbers, vec![2.5; 90], vec![1.0; 2000]] {
        let map = short().run(&numbers, if numbers.len() == 90 { 3 } else { 1 }).unwrap();
        assert!(map.positions.iter().flatten().all(|x| x.is_finite()));
        assert!(map.kl_divergence.is_finite());
    }
}

#[test]
fn the_caller_sees_the_divergence_fall_and_may_stop() {
    let numbers = mixture(200, 4, 5);
    let mut seen = Vec::new();
    let map = TsnePlan::default()
        .run_observed(&numbers, 5, |progress| {
            assert_eq!(progress.iterations, 1000);
            seen.push((progress.iteration, progress.kl_divergence));
            if progress.iteration == 600 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(map.iterations, 600);
    assert_eq!(
        seen.iter().map(|seen| seen.0).collect::<Vec<_>>(),
        (50..=600).step_by(50).collect::<Vec<_>>()
    );
    assert!(seen[11].1 < seen[0].1);
    assert_eq!(seen[11].1.to_bits(), map.kl_divergence.to_bits());
}

#[test]
fn a_plan_of_no_iterations_gives_the_principal_components() {
    let plan = TsnePlan { early_iterations: 0, iterations: 0, ..TsnePlan::default() };
    let map = plan.run(&mixture(200, 4, 5), 5).unwrap();
    let squares = |axis: usize| -> f32 { map.positions.iter().map(|at| at[axis].powi(2)).sum() };
    let deviation = (squares(0) / 200.0).sqrt();
    assert!((deviation - 1e-4).abs() < 2e-6, "{deviation}");
    assert!(squares(1) < squares(0));
    assert!(map.kl_divergence > 0.0);
}

#[test]
fn numbers_that_make_no_map_are_refused() {
    let run = |numbers: &[f32], dimensions| short().run(numbers, dimensions).unwrap_err();
    assert!(matches!(run(&[], 3), EvalError::TooFewPoints { found: 0, fewest: 4 }));
    assert!(matches!(run(&[1.0; 9], 3), EvalError::TooFewPoints { found: 3, .. }));
    assert!(matches!(run(&[1.0; 10], 3), EvalError::PointShape { numbers: 10, dimensions: 3 }));
    assert!(matches!(run(&[1.0; 10], 0), EvalError::PointShape { dimensions: 0, .. }));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut numbers = vec![0.0; 30];
        numbers[16] = bad;
        assert!(matches!(run(&numbers, 3), EvalError::NotFinite { point: 5 }));
    }
}

#[test]
fn settings_out_of_their_range_are_refused_by_name() {
    let good = TsnePlan::default();
    for (name, plan) in [
        ("perplexity", TsnePlan { perplexity: 0.5, ..good }),
        ("perplexity", TsnePlan { perplexity: f64::NAN, ..good }),
        ("perplexity", TsnePlan { perplexity: f64::INFINITY, ..good }),
        ("early_exaggeration", TsnePlan { early_exaggeration: 0.0, ..good }),
        ("learning_rate", TsnePlan { learning_rate: Some(0.0), ..good }),
        ("early_momentum", TsnePlan { early_momentum: 1.0, ..good }),
        ("momentum", TsnePlan { momentum: -0.1, ..good }),
    ] {
        let error = plan.run(&noise(60, 1), 3).unwrap_err();
        assert!(matches!(error, EvalError::TsnePlan { setting, .. } if setting == name), "{error}");
    }
}
