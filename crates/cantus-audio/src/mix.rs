//! From many channels to one.

/// Appends the mean of `channels` interleaved channels to `mono`, one value a frame.
///
/// The sum runs in f32 in channel order and is then divided, as `librosa.to_mono` (NumPy's mean
/// over the channel axis of float32) does.
pub(crate) fn append_mean(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    match channels {
        0 => {}
        1 => mono.extend_from_slice(interleaved),
        _ => {
            let count = channels as f32;
            let frames = interleaved.chunks_exact(channels);
            mono.extend(frames.map(|frame| {
                frame.iter().copied().reduce(|sum, sample| sum + sample).unwrap_or(0.0) / count
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_the_mean_of_the_channels() {
        let mut mono = vec![9.0];
        append_mean(&[0.5, -0.5, 1.0, 0.5], 2, &mut mono);
        append_mean(&[0.25, 0.5], 1, &mut mono);
        append_mean(&[0.3, 0.6, 0.9], 3, &mut mono);
        assert_eq!(mono, [9.0, 0.0, 0.75, 0.25, 0.5, (0.3_f32 + 0.6 + 0.9) / 3.0]);
    }
}
