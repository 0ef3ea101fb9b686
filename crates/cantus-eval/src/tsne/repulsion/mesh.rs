//! All pairs by way of a mesh: the charges of the points go to nodes, from nodes to nodes by Fourier
//! transform, and from nodes back to the points.
//!
//! The idea is that of FIt-SNE (Linderman et al. 2019, Nature Methods 16:243). Where it interpolates
//! three sums by Lagrange's polynomials in boxes, this reads one smooth field off splines, as in
//! smooth particle mesh Ewald (Essmann et al. 1995): the sum of the similarities q is the field, and
//! since the gradient of q is -2 q² (y(i) - y(j)), the forces are minus half its gradient.

use rayon::prelude::*;

use super::bands::Bands;
use super::convolution::Convolution;
use super::spline::{BELOW, SUPPORT, weights};

/// Nodes no farther apart than this, in units of the map, in which the similarity is one wide: then
/// the forces are right to three thousandths.
const WIDEST_SPACING: f64 = 0.35;
/// Of a small map, the longer side has so many spacings: where all points are within reach of each
/// other, their errors add up and must be smaller.
const FEWEST_SPACINGS: f64 = 96.0;
/// Of a map too wide for the finest mesh the longer side has so many spacings.
const MOST_SPACINGS: f64 = 1024.0;
/// A map is not taken to be smaller.
const SMALLEST_SPAN: f64 = 1e-9;
/// Points of a task: enough to be worth one.
const TASK: usize = 256;

/// A mesh over the map, made anew when the map outgrows it.
pub(in crate::tsne) struct Mesh {
    convolution: Option<Convolution>,
    nodes: Vec<f64>,
    places: Vec<Place>,
    lowest_rows: Vec<u32>,
    bands: Bands,
}

/// Where a point stands: the lowest row and column that it touches, and how far it is above the
/// nodes under it, in spacings.
#[derive(Clone, Copy, Default)]
struct Place {
    row: u32,
    column: u32,
    above: [f64; 2],
}

impl Mesh {
    pub(super) fn new() -> Self {
        Self {
            convolution: None,
            nodes: Vec::new(),
            places: Vec::new(),
            lowest_rows: Vec::new(),
            bands: Bands::default(),
        }
    }

    /// As [`Repulsion::forces`](super::Repulsion::forces).
    pub(super) fn forces(&mut self, positions: &[[f64; 2]], forces: &mut [[f64; 2]]) -> f64 {
        let [x, y] = [0, 1].map(|axis| extent(positions, axis));
        let Self { convolution, nodes, places, lowest_rows, bands } = self;
        let convolution = fitting(convolution, x.1 - x.0, y.1 - y.0);
        let spacing = convolution.spacing;
        let row_length = convolution.row_length;

        places.resize(positions.len(), Place::default());
        places.par_iter_mut().zip(positions).with_min_len(TASK).for_each(|(place, position)| {
            let [across, down] = [(position[0] - x.0) / spacing, (position[1] - y.0) / spacing];
            *place = Place {
                row: down as u32,
                column: across as u32,
                above: [across.fract(), down.fract()],
            };
        });
        lowest_rows.clear();
        lowest_rows.extend(places.iter().map(|place| place.row));
        bands.sort(lowest_rows, convolution.rows);

        nodes.clear();
        nodes.resize(convolution.rows * row_length, 0.0);
        bands.for_each(nodes, row_length, |point, rows, first_row| {
            let place = places[point];
            let (across, _) = weights(place.above[0]);
            let (down, _) = weights(place.above[1]);
            let start = (place.row as usize - first_row) * row_length + place.column as usize;
            for (row, down) in rows[start..].chunks_mut(row_length).zip(down) {
                for (node, across) in row.iter_mut().zip(across) {
                    *node += down * across;
                }
            }
        });
        convolution.apply(nodes);
        self.read(row_length, spacing, forces)
    }

    /// The field and its slopes at the points.
    fn read(&self, row_length: usize, spacing: f64, forces: &mut [[f64; 2]]) -> f64 {
        let mut fields = vec![0.0; forces.len()];
        forces.par_iter_mut().zip(&mut fields).zip(&self.places).with_min_len(TASK).for_each(
            |((force, field), place)| {
                let (across, slopes_across) = weights(place.above[0]);
                let (down, slopes_down) = weights(place.above[1]);
                let start = place.row as usize * row_length + place.column as usize;
                let (mut value, mut slopes) = (0.0, [0.0; 2]);
                for (row, nodes) in self.nodes[start..].chunks(row_length).take(SUPPORT).enumerate()
                {
                    let (mut along, mut slope) = (0.0, 0.0);
                    for ((node, weight), weight_slope) in
                        nodes.iter().zip(across).zip(slopes_across)
                    {
                        along += node * weight;
                        slope += node * weight_slope;
                    }
                    value += down[row] * along;
                    slopes[0] += down[row] * slope;
                    slopes[1] += slopes_down[row] * along;
                }
                *force = slopes.map(|slope| -0.5 * slope / spacing);
                *field = value;
            },
        );
        // The field lacks 1 for each pair, that of a point with itself included, which is none.
        let points = forces.len() as f64;
        fields.iter().sum::<f64>() + points * points - points
    }
}

/// The smallest and the largest of a coordinate.
fn extent(positions: &[[f64; 2]], axis: usize) -> (f64, f64) {
    positions.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), position| {
        (low.min(position[axis]), high.max(position[axis]))
    })
}

/// The convolution kept if it fits a map of this size, or else another.
fn fitting(kept: &mut Option<Convolution>, width: f64, height: f64) -> &mut Convolution {
    let spacing = spacing(width.max(height));
    let touched = |span: f64| (span / spacing) as usize + SUPPORT;
    let (rows, columns) = (touched(height), touched(width));
    let fits = |mesh: &Convolution| {
        mesh.spacing.to_bits() == spacing.to_bits()
            && (rows..=rows + rows / 4 + BELOW).contains(&mesh.rows)
            && (columns..=columns + columns / 4 + BELOW).contains(&mesh.columns)
    };
    kept.take_if(|mesh| !fits(mesh));
    kept.get_or_insert_with(|| Convolution::new(spacing, rows, columns))
}

/// The distance of nodes for a map of this size: powers of √2 below the widest, so that a mesh serves
/// many iterations.
fn spacing(span: f64) -> f64 {
    let wanted = (span.max(SMALLEST_SPAN) / FEWEST_SPACINGS).min(WIDEST_SPACING);
    let wanted = wanted.max(span / MOST_SPACINGS);
    let halvings = (2.0 * (WIDEST_SPACING / wanted).log2()).ceil() / 2.0;
    WIDEST_SPACING * (-halvings).exp2()
}
