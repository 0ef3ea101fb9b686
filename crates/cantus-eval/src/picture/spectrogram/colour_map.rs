//! Levels as colours that darken evenly, for the colour-blind too.

/// Every 17th of the 256 colours of "magma" by Stéfan van der Walt and Nathaniel Smith (CC0; in
/// matplotlib since 1.5), which librosa draws spectrograms in: red, green, blue. Its lightness rises
/// evenly, so that it is read without its hues.
const MAGMA: [[u8; 3]; 16] = [
    [0, 0, 4],
    [11, 9, 36],
    [32, 17, 75],
    [59, 15, 112],
    [87, 21, 126],
    [114, 31, 129],
    [140, 41, 129],
    [168, 50, 125],
    [196, 60, 117],
    [222, 73, 104],
    [241, 96, 93],
    [250, 127, 94],
    [254, 159, 109],
    [254, 191, 132],
    [253, 222, 160],
    [252, 253, 191],
];
/// Levels from one of those to the next.
const STEP: usize = 17;

/// The colours from the quietest to the loudest. Between those of the table they are mixed evenly,
/// which misses matplotlib's by 2 of 255 at most.
pub(super) fn palette() -> [[u8; 3]; 256] {
    std::array::from_fn(|level| {
        let (index, above) = (level / STEP, level % STEP);
        let (low, high) = (MAGMA[index], MAGMA[(index + 1).min(MAGMA.len() - 1)]);
        std::array::from_fn(|channel| {
            let mix =
                usize::from(low[channel]) * (STEP - above) + usize::from(high[channel]) * above;
            ((mix + STEP / 2) / STEP) as u8
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2).
    fn luminance(colour: [u8; 3]) -> f64 {
        let linear = colour.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn louder_is_lighter_at_every_level() {
        let palette = palette();
        for (level, pair) in palette.windows(2).enumerate() {
            assert!(luminance(pair[1]) >= luminance(pair[0]), "at {level}: {pair:?}");
        }
    }

    #[test]
    fn the_colours_are_matplotlibs() {
        // `numpy.round(matplotlib.colormaps["magma"](level)[:3] * 255)` of matplotlib 3.
        let expected = [
            (0, [0, 0, 4]),
            (64, [81, 18, 124]),
            (100, [137, 40, 129]),
            (128, [183, 55, 121]),
            (192, [252, 137, 97]),
            (255, [252, 253, 191]),
        ];
        let palette = palette();
        for (level, colour) in expected {
            for (found, expected) in palette[level].into_iter().zip(colour) {
                assert!(found.abs_diff(expected) <= 2, "{level}: {:?}", palette[level]);
            }
        }
    }
}
