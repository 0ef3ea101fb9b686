//! From many channels to one.

/// Appends the mean of the channels, each a plane of as many frames, to `mono`.
///
/// The sum runs in f32 in channel order and is then divided, as `librosa.to_mono` (NumPy's mean
/// over the channel axis of float32) does.
pub(crate) fn append_mean<'a>(mut planes: impl Iterator<Item = &'a [f32]>, mono: &mut Vec<f32>) {
    let Some(first) = planes.next() else { return };
    let start = mono.len();
    mono.extend_from_slice(first);
    let sums = &mut mono[start..];
    let mut count = 1.0;
    for plane in planes {
        count += 1.0;
        for (sum, &sample) in sums.iter_mut().zip(plane) {
            *sum += sample;
        }
    }
    if count > 1.0 {
        for sum in sums {
            *sum /= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_the_mean_of_the_channels() {
        let mut mono = vec![9.0];
        append_mean([&[0.5, 1.0][..], &[-0.5, 0.5]].into_iter(), &mut mono);
        append_mean([&[0.25, 0.5][..]].into_iter(), &mut mono);
        append_mean([&[0.3][..], &[0.6], &[0.9]].into_iter(), &mut mono);
        append_mean([].into_iter(), &mut mono);
        assert_eq!(mono, [9.0, 0.0, 0.75, 0.25, 0.5, (0.3_f32 + 0.6 + 0.9) / 3.0]);
    }
}
