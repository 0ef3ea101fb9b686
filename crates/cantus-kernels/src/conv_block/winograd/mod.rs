//! Winograd's form of the 3x3 convolution: 16 products where the definition has 36.
//!
//! With `d` four by four pixels of the input, `g` a filter, and `y` the two by two pixels of the
//! result in the middle (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
//! 2016, F(2x2, 3x3); `.` multiplies number by number):
//!
//! ```text
//! y  = A' [ (G g G') . (B' d B) ] A
//! dg = G' [ (A dy A') . (B' d B) ] G
//! ```
//!
//! ```text
//!      1  0 -1  0          1    0    0          1  0
//! B' = 0  1  1  0     G = 1/2  1/2  1/2     A = 1  1
//!      0 -1  1  0         1/2 -1/2  1/2         1 -1
//!      0  1  0 -1          0    0    1          0 -1
//! ```
//!
//! A tile is such a `y`. For some tiles at a time, as many as fit the second cache, the inputs are
//! transformed; then each of the 16 positions is a product of matrices, `[tile, channel]` by
//! `[channel, filter]`, whose sums over channels stay in registers; and the result is transformed
//! back. The sums of the filters' gradient run over the tiles instead.
//!
//! Additions and halves alone stand around the products, so that hardly any digits are lost; larger
//! tiles save more products and lose digits to their larger factors.

mod convolve;
mod filters;
mod tiles;
mod transforms;
mod weight_gradient;

pub(crate) use self::convolve::convolve;
pub(crate) use self::filters::{TransformedFilters, filters_gradient};
pub(crate) use self::tiles::Tiles;
pub(crate) use self::weight_gradient::add_weight_gradient;

/// Pixels along a side of the inputs of a tile.
const SIDE: usize = 4;

/// Products of a tile, a channel and a filter.
pub(crate) const POSITIONS: usize = SIDE * SIDE;
