//! How a layer convolves: the arithmetic behind its passes.

use std::ops::Range;

use pulp::Simd;

use super::amx::{self, Parts, TileFilters};
use super::direct;
use super::planes::{Destination, GROUP, Groups, Planes};
use super::weight_gradient::{self, GradientLayout, SampleAndGradient};
use super::weights::{Direction, FilterShape, PackedFilters};
use super::winograd::{self, TransformedFilters};
use crate::path::Path;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// As its definition says: any kernel, any number of channels.
    Direct,
    /// In tiles that save products: 3x3 kernels, whole groups of channels.
    Winograd,
    /// By AMX: whole groups of channels.
    Amx(Parts),
}

impl Method {
    /// The one that is the fastest on a path.
    pub(crate) fn fastest(path: Path, planes: &Planes, inputs: Groups) -> Self {
        // What Winograd's transforms cost, by its products.
        const OVERHEAD: f64 = 1.3;
        if inputs.lanes != GROUP {
            return Self::Direct;
        }
        // Fewer pixels would leave most of a tile empty.
        if planes.body() >= amx::FEWEST_PIXELS {
            match path {
                Path::Amx if path.is_available() => return Self::Amx(Parts::Split),
                Path::AmxBf16 if path.is_available() => return Self::Amx(Parts::HighAlone),
                _ => {}
            }
        }
        let tiles = winograd::Tiles::new(planes.height, planes.width).count();
        let products = (tiles * winograd::POSITIONS) as f64;
        let of_the_definition = (planes.height * planes.width * planes.taps().len()) as f64;
        if planes.is_three_by_three() && OVERHEAD * products < of_the_definition {
            Self::Winograd
        } else {
            Self::Direct
        }
    }

    /// The layout of the sums from which the filters' gradient is made.
    pub(crate) fn gradient_layout(self, shape: FilterShape, panel: usize) -> GradientLayout {
        let (inputs, outputs) = shape.groups(Direction::Forward);
        let steps = match self {
            Self::Direct | Self::Amx(_) => shape.taps,
            Self::Winograd => winograd::POSITIONS,
        };
        GradientLayout::new(inputs, steps, outputs, panel)
    }

    /// Adds what some lines of one sample give to the sums of the filters' gradient. All lines one
    /// part after the other, of even numbers of lines but the last, give the same bits as all at once.
    ///
    /// # Panics
    /// Where a method that takes whole samples only is given less.
    #[inline(always)]
    pub(crate) fn add_weight_gradient<S: Simd>(
        self,
        simd: S,
        pair: SampleAndGradient<'_>,
        lines: Range<usize>,
        layout: GradientLayout,
        sums: &mut [f32],
    ) {
        match self {
            Self::Direct => weight_gradient::add_weight_gradient(simd, pair, lines, layout, sums),
            Self::Winograd => winograd::add_weight_gradient(simd, pair, lines, layout, sums),
            Self::Amx(parts) => {
                assert_eq!(lines, 0..pair.planes.height, "all lines");
                amx::add_weight_gradient(pair, layout, parts, sums);
            }
        }
    }

    /// The filters' gradient, `[filter, channel, tap]`, from the sums.
    pub(crate) fn filters_gradient(
        self,
        sums: &[f32],
        layout: GradientLayout,
        shape: FilterShape,
    ) -> Vec<f32> {
        match self {
            Self::Direct | Self::Amx(_) => weight_gradient::filters_gradient(sums, layout, shape),
            Self::Winograd => winograd::filters_gradient(sums, layout, shape),
        }
    }
}

/// Filters as a method reads them.
#[derive(Debug)]
pub(crate) enum Filters {
    Direct(PackedFilters),
    Winograd(TransformedFilters),
    Amx(TileFilters),
}

impl Filters {
    /// In panels of at most `panel` outputs.
    pub(crate) fn new(
        method: Method,
        weight: &[f32],
        shape: FilterShape,
        direction: Direction,
        panel: usize,
    ) -> Self {
        match method {
            Method::Direct => Self::Direct(PackedFilters::new(weight, shape, direction, panel)),
            Method::Winograd => {
                Self::Winograd(TransformedFilters::new(weight, shape, direction, panel))
            }
            Method::Amx(parts) => Self::Amx(TileFilters::new(weight, shape, direction, parts)),
        }
    }

    /// Convolves some lines of one sample into the destination. What that holds in the margins, and
    /// up to [`SLACK`](super::planes::SLACK) pixels behind the last line, is undefined afterwards.
    ///
    /// # Panics
    /// When source or destination is too short.
    #[inline(always)]
    pub(crate) fn convolve<S: Simd>(
        &self,
        simd: S,
        source: &[f32],
        planes: &Planes,
        inputs: Groups,
        lines: Range<usize>,
        destination: &mut Destination,
    ) {
        match self {
            Self::Direct(filters) => {
                direct::convolve(simd, source, planes, inputs, filters, lines, destination);
            }
            Self::Winograd(filters) => {
                winograd::convolve(simd, source, planes, inputs, filters, lines, destination);
            }
            Self::Amx(filters) => {
                amx::convolve(source, planes, inputs, filters, lines, destination);
            }
        }
    }
}
