//! The convolution on AMX: tiles of 16-bit floats, multiplied sixteen rows by sixteen columns by
//! 32 products at a time.
//!
//! A number of 32 bits is split into a high and a low one of 16, `x = h + l` up to a part in 2^17,
//! and `x y` is computed as `h h' + h l' + l h'`: about five digits for three products, summed in
//! 32 bits. [`Path::AmxBf16`](crate::Path::AmxBf16) computes `h h'` alone.
//!
//! ```text
//!  left tile           32 numbers         right tile          16 columns
//!  (64 bytes a row)   -----------         (16 rows)        -----------------
//!           16 rows   h h h ... h                16 pairs  (h0 h1) (h0 h1) ...
//!                     h h h ... h                          (h2 h3) (h2 h3) ...
//! ```
//!
//! A convolution has pixels as rows, channels as numbers, and filters as columns; each tap of the
//! kernel moves the rows by some pixels, so the left tiles are read where the input stands. In the
//! filters' gradient the channels are rows, pixels are what is summed over, and a tap moves along
//! the rows: for that the input is turned, so that a channel's pixels are neighbours.
//!
//! Two left by two right tiles are multiplied at a time, into four tiles of sums.

mod convolve;
mod filters;
mod split;
mod tiles;
mod weight_gradient;

pub(crate) use self::convolve::convolve;
pub(crate) use self::filters::TileFilters;
pub(crate) use self::weight_gradient::add_weight_gradient;

/// Rows of a tile, columns of a tile of sums, and pairs of numbers that are summed over.
const SIDE: usize = 16;

/// Numbers that a tile sums over.
const DEPTH: usize = 2 * SIDE;

/// About so many pixels are split at a time: they stay in the second cache.
pub(crate) const PIXELS_AT_A_TIME: usize = 1024;

/// 32-bit words of a tile.
const TILE: usize = SIDE * SIDE;

/// Pixels of an image that is worth the splitting: one step of the filters' gradient.
pub(crate) const FEWEST_PIXELS: usize = DEPTH;

/// A right tile is followed by that of its low parts.
const RIGHT: usize = 2 * TILE;

/// How many products make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// High by high, high by low, low by high.
    Split,
    /// High by high alone.
    HighAlone,
}
