//! What classes look like: ten hues times six shapes, told apart by colour-blind readers too.

use std::fmt::Write;

use super::marker::Marker;

/// Hues on a light ground, found by search: as far apart as ten can be to the worst of four kinds of
/// sight, none too near the ground and none near black.
const LIGHT: [[u8; 3]; 10] = [
    [0x2c, 0x13, 0xff],
    [0xf1, 0x0e, 0x07],
    [0xb3, 0xc0, 0x17],
    [0x77, 0x25, 0xa8],
    [0x33, 0xc3, 0xff],
    [0x7f, 0x02, 0x02],
    [0xf3, 0x89, 0xa9],
    [0x1b, 0x40, 0x59],
    [0x9c, 0x68, 0x81],
    [0x7f, 0x7d, 0xfe],
];
/// Hues on a dark ground, found so too.
const DARK: [[u8; 3]; 10] = [
    [0xb0, 0xb7, 0xf5],
    [0xe8, 0x0b, 0x08],
    [0xe2, 0xcb, 0x29],
    [0xb5, 0x01, 0xdf],
    [0x33, 0xac, 0xa7],
    [0x17, 0x81, 0x54],
    [0xde, 0x90, 0x4c],
    [0x74, 0x56, 0x94],
    [0x21, 0xe4, 0xaa],
    [0xb3, 0x78, 0xfa],
];

/// How many hues there are.
pub(crate) const HUES: usize = LIGHT.len();

/// A class's looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Look {
    /// Number of the hue: the custom property `--hue-N`.
    pub(crate) hue: usize,
    pub(crate) marker: Marker,
}

impl Look {
    /// Sixty looks for sixty classes; then they come again.
    ///
    /// Neighbouring classes have other hues and other shapes; the second ten classes have the hues of
    /// the first in other shapes.
    pub(crate) fn of(class: usize) -> Self {
        let (hues, markers) = (LIGHT.len(), Marker::ALL.len());
        Self { hue: class % hues, marker: Marker::ALL[(class + class / hues) % markers] }
    }
}

/// The hues as custom properties of `selector`, following the reader's colour scheme.
pub(crate) fn palette_css(selector: &str) -> String {
    let properties = |hues: &[[u8; 3]]| {
        hues.iter().enumerate().fold(String::new(), |mut css, (hue, [red, green, blue])| {
            let _ = write!(css, "--hue-{hue}:#{red:02x}{green:02x}{blue:02x};");
            css
        })
    };
    format!(
        "{selector}{{{}}}\n@media (prefers-color-scheme:dark){{{selector}{{{}}}}}\n",
        properties(&LIGHT),
        properties(&DARK)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    type Matrix = [[f64; 3]; 3];

    const NORMAL: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    /// What linear light looks like to dichromats: Machado, Oliveira & Fernandes 2009, severity 1.
    const PROTANOPIA: Matrix = [
        [0.152_286, 1.052_583, -0.204_868],
        [0.114_503, 0.786_281, 0.099_216],
        [-0.003_882, -0.048_116, 1.051_998],
    ];
    const DEUTERANOPIA: Matrix = [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ];
    const TRITANOPIA: Matrix = [
        [1.255_528, -0.076_749, -0.178_779],
        [-0.078_411, 0.930_809, 0.147_602],
        [0.004_733, 0.691_367, 0.303_900],
    ];

    fn times(matrix: &Matrix, vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    /// Linear light of a colour of the screen.
    fn linear(colour: [u8; 3]) -> [f64; 3] {
        colour.map(|number| {
            let share = f64::from(number) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// OKLab (Ottosson 2020), in which a distance of 0.02 is just seen.
    fn oklab(light: [f64; 3]) -> [f64; 3] {
        let cones = times(
            &[
                [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
                [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
                [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
            ],
            light.map(|number| number.clamp(0.0, 1.0)),
        );
        times(
            &[
                [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
                [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
                [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
            ],
            cones.map(f64::cbrt),
        )
    }

    fn distance(a: [u8; 3], b: [u8; 3], sight: &Matrix) -> f64 {
        let [a, b] = [a, b].map(|colour| oklab(times(sight, linear(colour))));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// The contrast of WCAG 2, from 1 to 21.
    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let luminance = |colour| -> f64 {
            linear(colour).iter().zip([0.2126, 0.7152, 0.0722]).map(|(a, b)| a * b).sum()
        };
        let [a, b] = [a, b].map(|colour| luminance(colour) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn any_two_hues_differ_to_every_kind_of_sight() {
        for (sight, matrix, least) in [
            ("normal", NORMAL, 0.15),
            ("protanopia", PROTANOPIA, 0.115),
            ("deuteranopia", DEUTERANOPIA, 0.115),
            ("tritanopia", TRITANOPIA, 0.115),
        ] {
            for (ground, hues) in [("light", LIGHT), ("dark", DARK)] {
                for (index, &a) in hues.iter().enumerate() {
                    for &b in &hues[..index] {
                        let found = distance(a, b, &matrix);
                        assert!(found >= least, "{sight} on {ground}: {a:?}, {b:?}: {found:.3}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_hue_stands_out_from_its_ground() {
        for (ground, hues) in [([0xff; 3], LIGHT), ([0x12, 0x17, 0x1e], DARK)] {
            for hue in hues {
                assert!(contrast(hue, ground) >= 2.0, "{hue:?} on {ground:?}");
            }
        }
    }

    #[test]
    fn sixty_classes_have_sixty_looks_and_neighbours_differ_in_both() {
        let looks: HashSet<Look> = (0..60).map(Look::of).collect();
        assert_eq!(looks.len(), 60);
        for class in 0..200 {
            let (look, next) = (Look::of(class), Look::of(class + 1));
            assert!(look.hue != next.hue && look.marker != next.marker, "{class}");
        }
    }
}
