//! scikit-learn's affinities, divergence and gradient.

use serde::Deserialize;

use super::affinities::Affinities;
use super::attraction::{attraction, divergence};
use super::made_up::{noise, points};
use super::neighbours::nearest;
use super::repulsion::Repulsion;

#[derive(Deserialize)]
struct Golden {
    seed_points: u64,
    seed_map: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    points: usize,
    dimensions: usize,
    perplexity: f64,
    spread: f32,
    affinities: Vec<f64>,
    kl_divergence: f64,
    gradient: Vec<f64>,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tsne.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// scikit-learn stops the search for a bandwidth at 1e-5 of entropy, and its distances are float32.
#[test]
fn affinities_divergence_and_gradient_are_scikit_learns() {
    let golden = golden();
    assert_eq!(golden.cases.len(), 2);
    for case in golden.cases {
        let numbers = noise(case.points * case.dimensions, golden.seed_points);
        let neighbours =
            nearest(&points(&numbers, case.dimensions), (3.0 * case.perplexity) as usize);
        let affinities = Affinities::new(&neighbours, case.perplexity);
        let mut found = vec![0.0; case.points * case.points];
        for point in 0..case.points {
            for (other, affinity) in affinities.row(point) {
                found[point * case.points + other] = f64::from(affinity);
            }
        }
        let most = case.affinities.iter().fold(0.0, |most: f64, &p| most.max(p));
        for (found, expected) in found.iter().zip(&case.affinities) {
            assert!((found - expected).abs() < 1e-4 * most, "{found} for {expected}");
        }

        let coordinates = noise(2 * case.points, golden.seed_map);
        let place = |pair: &[f32]| [pair[0], pair[1]].map(|x| f64::from(x * case.spread));
        let positions: Vec<[f64; 2]> = coordinates.chunks(2).map(place).collect();
        let mut drawing = vec![[0.0; 2]; case.points];
        let mut driving = drawing.clone();
        attraction(&affinities, &positions, &mut drawing);
        let normaliser = Repulsion::Exact.forces(&positions, &mut driving);
        let kl = divergence(&affinities, &positions, normaliser);
        assert!((kl - case.kl_divergence).abs() < 1e-4, "{kl} for {}", case.kl_divergence);
        let largest = case.gradient.iter().fold(0.0, |most: f64, number| most.max(number.abs()));
        let forces = drawing.iter().flatten().zip(driving.iter().flatten());
        for ((drawing, driving), expected) in forces.zip(&case.gradient) {
            let gradient = 4.0 * (drawing - driving / normaliser);
            assert!((gradient - expected).abs() < 1e-4 * largest, "{gradient} for {expected}");
        }
    }
}
