//! Laws of the divergence between songs.

use cantus_baseline::SongGaussian;
use proptest::prelude::*;

use crate::noise::noise;

/// Two songs of `n` coefficients, of 4 n frames each.
fn two_songs(n: usize, seed: u64) -> [Vec<f32>; 2] {
    [(seed, 3.0, 1.0), (seed + 1, 5.0, -2.0)].map(|(seed, spread, mean)| {
        noise(4 * n * n, seed).iter().map(|value| spread * value + mean).collect()
    })
}

fn gaussians(songs: &[Vec<f32>; 2], n: usize, ridge: f64) -> [SongGaussian; 2] {
    [0, 1].map(|i| SongGaussian::from_frames(&songs[i], n, ridge).unwrap())
}

/// `A x + b` of each frame, for an A that is the identity and small terms beside it.
fn affine(frames: &[f32], n: usize, seed: u64) -> Vec<f32> {
    let (matrix, shift) = (noise(n * n, seed), noise(n, seed + 1));
    frames
        .chunks_exact(n)
        .flat_map(|frame| {
            (0..n)
                .map(|i| {
                    let others: f32 =
                        frame.iter().zip(&matrix[i * n..]).map(|(x, weight)| x * weight).sum();
                    2.0 * frame[i] + others / n as f32 + 10.0 * shift[i]
                })
                .collect::<Vec<f32>>()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn of_a_song_and_itself_it_is_0(n in 2_usize..21, seed in 0_u64..1000) {
        let [song, _] = gaussians(&two_songs(n, seed), n, 0.01);
        prop_assert_eq!(song.symmetric_divergence(&song), Ok(0.0));
        prop_assert!(song.divergence(&song).unwrap() < 1e-9);
    }

    #[test]
    fn it_is_the_same_bits_both_ways(n in 2_usize..21, seed in 0_u64..1000) {
        let [a, b] = gaussians(&two_songs(n, seed), n, 0.01);
        prop_assert_eq!(a.symmetric_divergence(&b), b.symmetric_divergence(&a));
    }

    #[test]
    fn of_different_songs_it_is_positive_and_the_sum_of_both_ways(
        n in 2_usize..21,
        seed in 0_u64..1000,
    ) {
        let [a, b] = gaussians(&two_songs(n, seed), n, 0.01);
        let (there, back) = (a.divergence(&b).unwrap(), b.divergence(&a).unwrap());
        let both = a.symmetric_divergence(&b).unwrap();
        prop_assert!(there > 0.0 && back > 0.0);
        prop_assert!((both - there - back).abs() < 1e-9 * both, "{there} + {back} is not {both}");
    }

    #[test]
    fn an_invertible_affine_map_of_the_coefficients_changes_nothing(
        n in 2_usize..21,
        seed in 0_u64..1000,
    ) {
        // Without a ridge, which has the unit of the coefficients.
        let songs = two_songs(n, seed);
        let mapped = [0, 1].map(|i| affine(&songs[i], n, seed + 2));
        let ([a, b], [c, d]) = (gaussians(&songs, n, 0.0), gaussians(&mapped, n, 0.0));
        let before = a.symmetric_divergence(&b).unwrap();
        let after = c.symmetric_divergence(&d).unwrap();
        // Mapped frames are rounded to f32.
        prop_assert!((before - after).abs() < 1e-4 * before, "{before} became {after}");
        let (before, after) = (a.divergence(&b).unwrap(), c.divergence(&d).unwrap());
        prop_assert!((before - after).abs() < 1e-4 * before, "{before} became {after}");
    }

    #[test]
    fn the_order_of_the_frames_does_not_matter(n in 2_usize..21, seed in 0_u64..1000) {
        let songs = two_songs(n, seed);
        let backwards = [0, 1].map(|i: usize| {
            songs[i].chunks_exact(n).rev().flatten().copied().collect::<Vec<f32>>()
        });
        let ([a, b], [c, d]) = (gaussians(&songs, n, 0.01), gaussians(&backwards, n, 0.01));
        let before = a.symmetric_divergence(&b).unwrap();
        prop_assert!((before - c.symmetric_divergence(&d).unwrap()).abs() < 1e-8 * before);
    }
}
