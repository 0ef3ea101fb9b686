//! From time-major spectrograms to the mel-major clips that networks read.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Side of the square tiles: 4 kB of `f32`, so that tile and rows stay in the first-level cache.
const TILE: usize = 32;

/// A value that spectrograms are held as.
pub(crate) trait Stored: Copy {
    /// Widens `from` into `to`, which is as long.
    fn widen(from: &[Self], to: &mut [f32]);
}

impl Stored for f32 {
    fn widen(from: &[Self], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
}

impl Stored for f16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}

/// Writes `frames` (`[n_frames, n_mels]`) to `out` as `[n_mels, n_frames]`, tile by tile: plain
/// loops would touch a new cache line with every value on one of the two sides.
pub(crate) fn transpose<T: Stored>(frames: &[T], n_mels: usize, out: &mut [f32]) {
    let n_frames = frames.len().checked_div(n_mels).unwrap_or(0);
    debug_assert_eq!(frames.len(), out.len());
    let mut tile = [[0.0_f32; TILE]; TILE];
    for first_frame in (0..n_frames).step_by(TILE) {
        let tile_frames = TILE.min(n_frames - first_frame);
        for first_band in (0..n_mels).step_by(TILE) {
            let tile_bands = TILE.min(n_mels - first_band);
            for (frame, row) in tile[..tile_frames].iter_mut().enumerate() {
                let at = (first_frame + frame) * n_mels + first_band;
                T::widen(&frames[at..at + tile_bands], &mut row[..tile_bands]);
            }
            for band in 0..tile_bands {
                let at = (first_band + band) * n_frames + first_frame;
                let values = tile[..tile_frames].iter().map(|row| row[band]);
                for (to, value) in out[at..at + tile_frames].iter_mut().zip(values) {
                    *to = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_to_its_transposed_place_at_any_size() {
        for n_frames in [0, 1, 2, 31, 32, 33, 94, 157] {
            for n_mels in [1, 7, 32, 40, 128] {
                let time_major: Vec<f32> = (0..n_frames * n_mels).map(|i| i as f32).collect();
                let mut out = vec![-1.0; time_major.len()];
                transpose(&time_major, n_mels, &mut out);
                for frame in 0..n_frames {
                    for band in 0..n_mels {
                        let expected = (frame * n_mels + band) as f32;
                        let found = out[band * n_frames + frame];
                        assert!((found - expected).abs() < 0.5, "{n_frames} x {n_mels}");
                    }
                }
            }
        }
    }

    #[test]
    fn sixteen_bits_are_widened_exactly() {
        let (n_frames, n_mels) = (45, 50);
        let narrow: Vec<f16> =
            (0..n_frames * n_mels).map(|i| f16::from_f32(i as f32 * -0.037)).collect();
        let mut out = vec![0.0; narrow.len()];
        transpose(&narrow, n_mels, &mut out);
        for frame in 0..n_frames {
            for band in 0..n_mels {
                let expected = narrow[frame * n_mels + band].to_f32();
                assert_eq!(out[band * n_frames + frame].to_bits(), expected.to_bits());
            }
        }
    }
}
