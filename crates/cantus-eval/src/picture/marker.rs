//! The shapes of points: six, of one area, so that none looks heavier than another.

/// A filled shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Marker {
    Circle,
    Triangle,
    Square,
    Diamond,
    Cross,
    InvertedTriangle,
}

impl Marker {
    pub(crate) const ALL: [Self; 6] = [
        Self::Circle,
        Self::Triangle,
        Self::Square,
        Self::Diamond,
        Self::Cross,
        Self::InvertedTriangle,
    ];

    /// The shape as a path, `radius` that of a circle of its area.
    pub(crate) fn outline(self, radius: f64) -> Outline {
        let length = |share: f64| (radius * share).round() as i32;
        match self {
            Self::Circle => {
                let r = length(1.0);
                Outline {
                    start: [-r, 0],
                    path: format!("a{r} {r} 0 1 0 {0} 0a{r} {r} 0 1 0-{0} 0z", 2 * r),
                }
            }
            Self::Triangle | Self::InvertedTriangle => {
                let (half, height) = (length(1.35), length(2.33));
                let up = if self == Self::Triangle { 1 } else { -1 };
                Outline {
                    start: [0, -up * length(1.4)],
                    path: format!("l{half} {}h-{}z", up * height, 2 * half),
                }
            }
            Self::Square => {
                let half = length(0.886);
                let side = 2 * half;
                Outline { start: [-half, -half], path: format!("h{side}v{side}h-{side}z") }
            }
            Self::Diamond => {
                let half = length(1.253);
                Outline {
                    start: [0, -half],
                    path: format!("l{half} {half}l-{half} {half}l-{half}-{half}z"),
                }
            }
            Self::Cross => {
                let (arm, half) = (length(0.8), length(0.4));
                let beam = 2 * half;
                Outline {
                    start: [-half, -half - arm],
                    path: format!(
                        "h{beam}v{arm}h{arm}v{beam}h-{arm}v{arm}h-{beam}v-{arm}h-{arm}v-{beam}h{arm}z"
                    ),
                }
            }
        }
    }
}

/// A closed path around 0, in whole units.
pub(crate) struct Outline {
    /// Where it starts.
    pub(crate) start: [i32; 2],
    /// How it goes on from there, in relative commands.
    pub(crate) path: String,
}

impl Outline {
    /// The path around a place.
    pub(crate) fn at(&self, x: i32, y: i32) -> String {
        format!("M{} {}{}", x + self.start[0], y + self.start[1], self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The area within a path of straight relative commands, by the shoelace formula.
    fn area(path: &str) -> f64 {
        let spaced: String = path
            .chars()
            .flat_map(|c| match c {
                'l' | 'h' | 'v' => vec![' ', c, ' '],
                '-' => vec![' ', '-'],
                'z' => vec![],
                c => vec![c],
            })
            .collect();
        let mut words = spaced.split_whitespace();
        let (mut x, mut y, mut twice) = (0.0, 0.0, 0.0);
        let number = |words: &mut std::str::SplitWhitespace<'_>| -> f64 {
            words.next().unwrap().parse().unwrap()
        };
        while let Some(command) = words.next() {
            let (dx, dy) = match command {
                "l" => (number(&mut words), number(&mut words)),
                "h" => (number(&mut words), 0.0),
                "v" => (0.0, number(&mut words)),
                other => panic!("{other} in {path}"),
            };
            twice += x * dy - y * dx;
            (x, y) = (x + dx, y + dy);
        }
        f64::abs(twice) / 2.0
    }

    #[test]
    fn all_shapes_have_about_the_area_of_the_circle() {
        for marker in &Marker::ALL[1..] {
            let share = area(&marker.outline(100.0).path) / (std::f64::consts::PI * 1e4);
            assert!((share - 1.0).abs() < 0.12, "{marker:?}: {share}");
        }
    }
}
