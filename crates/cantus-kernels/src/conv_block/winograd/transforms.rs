//! The transforms around the products, sixteen channels at a time.

use std::ops::Range;

use pulp::Simd;

use super::SIDE;
use super::tiles::{Tiles, Transforms};
use crate::conv_block::lanes::vectors;
use crate::conv_block::planes::{Destination, GROUP, Groups, Planes};

/// `B' d B` of some tiles of the image whose first line is line `first_line` of the planes.
#[inline(always)]
pub(super) fn transform_input<S: Simd>(
    simd: S,
    source: &[f32],
    (planes, groups): (&Planes, Groups),
    first_line: usize,
    (tiles, chunk): (&Tiles, Range<usize>),
    (transforms, to): (&Transforms, &mut [f32]),
) {
    for (group, plane) in source.chunks_exact(planes.length * GROUP).enumerate().take(groups.count)
    {
        for run in tiles.runs(chunk.clone()) {
            // One pixel up and to the left. A line behind the last counts for no pixel of the
            // result but those that are left out: the margin stands for it.
            let mut lines: [&[S::f32s]; SIDE] = [&[]; SIDE];
            for (i, pixels) in lines.iter_mut().enumerate() {
                let line = (first_line + run.line + i).min(planes.height + 1);
                let above = planes.lead - planes.pitch - 1 + run.column;
                let start = (above + line * planes.pitch) * GROUP;
                *pixels = S::as_simd_f32s(&plane[start..start + (2 * run.count + 2) * GROUP]).0;
            }
            for vector in 0..vectors::<S>() {
                let mut left = [
                    input_column(simd, &lines, vector),
                    input_column(simd, &lines, vectors::<S>() + vector),
                ];
                for tile in 0..run.count {
                    let at = (2 * tile + 2) * vectors::<S>() + vector;
                    let right = [
                        input_column(simd, &lines, at),
                        input_column(simd, &lines, at + vectors::<S>()),
                    ];
                    for row in 0..SIDE {
                        let d = [left[0][row], left[1][row], right[0][row], right[1][row]];
                        let start = transforms.at(row * SIDE, group, run.place + tile);
                        let values = along_input(simd, d);
                        put::<S>(to, start + vector * S::F32_LANES, transforms, values);
                    }
                    left = right;
                }
            }
        }
    }
}

/// `B' d` of one column.
#[inline(always)]
fn input_column<S: Simd>(simd: S, lines: &[&[S::f32s]; SIDE], at: usize) -> [S::f32s; SIDE] {
    along_input(simd, [lines[0][at], lines[1][at], lines[2][at], lines[3][at]])
}

/// `A' m A` of some tiles into the destination's lines, of which there are `lines`.
#[inline(always)]
pub(super) fn transform_output<S: Simd>(
    simd: S,
    (transforms, from): (&Transforms, &[f32]),
    (tiles, chunk): (&Tiles, Range<usize>),
    groups: usize,
    (lines, planes): (usize, &Planes),
    destination: &mut Destination,
) {
    let Destination { values, plane, offset } = destination;
    for group in 0..groups {
        for run in tiles.runs(chunk.clone()) {
            for vector in 0..vectors::<S>() {
                let lane = vector * S::F32_LANES;
                let pixel = run.line * planes.pitch + run.column;
                let start = group * *plane + *offset + pixel * GROUP + lane;
                for tile in 0..run.count {
                    let mut columns = [[simd.splat_f32s(0.0); 2]; SIDE];
                    for (column, pair) in columns.iter_mut().enumerate() {
                        let mut m = [simd.splat_f32s(0.0); SIDE];
                        for (row, m) in m.iter_mut().enumerate() {
                            let position = row * SIDE + column;
                            let at = transforms.at(position, group, run.place + tile) + lane;
                            *m = S::as_simd_f32s(&from[at..at + S::F32_LANES]).0[0];
                        }
                        *pair = along_output(simd, m);
                    }
                    let second_column = run.column + 2 * tile + 1 < planes.width;
                    let [a, b, c, d] = columns;
                    for row in 0..2 {
                        if run.line + row == lines {
                            break;
                        }
                        let [left, right] = along_output(simd, [a[row], b[row], c[row], d[row]]);
                        let at = start + (row * planes.pitch + 2 * tile) * GROUP;
                        S::as_mut_simd_f32s(&mut values[at..at + S::F32_LANES]).0[0] = left;
                        if second_column {
                            let at = at + GROUP;
                            S::as_mut_simd_f32s(&mut values[at..at + S::F32_LANES]).0[0] = right;
                        }
                    }
                }
            }
        }
    }
}

/// `A dy A'` of some tiles of a gradient in planes, of those that begin at its line `first_line`.
#[inline(always)]
pub(super) fn transform_gradient<S: Simd>(
    simd: S,
    gradient: &[f32],
    (planes, groups): (&Planes, Groups),
    first_line: usize,
    (tiles, chunk): (&Tiles, Range<usize>),
    (transforms, to): (&Transforms, &mut [f32]),
) {
    for (group, plane) in
        gradient.chunks_exact(planes.length * GROUP).enumerate().take(groups.count)
    {
        for run in tiles.runs(chunk.clone()) {
            // Behind the last column and the last line stand the margins' zeros.
            let mut lines: [&[S::f32s]; 2] = [&[]; 2];
            for (i, pixels) in lines.iter_mut().enumerate() {
                let pixel = planes.lead + (first_line + run.line + i) * planes.pitch + run.column;
                let range = pixel * GROUP..(pixel + 2 * run.count) * GROUP;
                *pixels = S::as_simd_f32s(&plane[range]).0;
            }
            for vector in 0..vectors::<S>() {
                for tile in 0..run.count {
                    let left = 2 * tile * vectors::<S>() + vector;
                    let right = left + vectors::<S>();
                    let left = along_gradient(simd, [lines[0][left], lines[1][left]]);
                    let right = along_gradient(simd, [lines[0][right], lines[1][right]]);
                    for row in 0..SIDE {
                        let values = along_gradient(simd, [left[row], right[row]]);
                        let start = transforms.at(row * SIDE, group, run.place + tile);
                        put::<S>(to, start + vector * S::F32_LANES, transforms, values);
                    }
                }
            }
        }
    }
}

/// Writes a row of four positions, the first of which stands at `start`.
#[inline(always)]
fn put<S: Simd>(to: &mut [f32], start: usize, transforms: &Transforms, row: [S::f32s; SIDE]) {
    for (column, value) in row.into_iter().enumerate() {
        let at = start + column * transforms.of_position;
        S::as_mut_simd_f32s(&mut to[at..at + S::F32_LANES]).0[0] = value;
    }
}

/// `B' d`
#[inline(always)]
fn along_input<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// `A' m`
#[inline(always)]
fn along_output<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; SIDE]) -> [S::f32s; 2] {
    [simd.add_f32s(a, simd.add_f32s(b, c)), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}

/// `A d`
#[inline(always)]
fn along_gradient<S: Simd>(simd: S, [a, b]: [S::f32s; 2]) -> [S::f32s; SIDE] {
    [a, simd.add_f32s(a, b), simd.sub_f32s(a, b), simd.neg_f32s(b)]
}
