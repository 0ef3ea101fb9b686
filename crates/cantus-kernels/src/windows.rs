//! Pooling windows over a plane, and the largest value in each.

use candle_core::Tensor;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_input, shape_error};

/// Windows of `(mel, frame)` values side by side in planes of a size; what fills no window is
/// dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) height: usize,
    pub(crate) width: usize,
    window: (usize, usize),
}

impl Windows {
    /// The windows in the planes of `x`, `[batch, channel, mel, frame]`, of which there must be one
    /// at least.
    pub(crate) fn of(
        operation: &'static str,
        x: &Tensor,
        window: (usize, usize),
    ) -> Result<Self, KernelError> {
        check_input(operation, x)?;
        for (parameter, size) in
            [("window's mel size", window.0), ("window's frame size", window.1)]
        {
            if size == 0 {
                let (expected, got) = ("at least 1", 0.0);
                return Err(KernelError::Parameter { operation, parameter, expected, got });
            }
        }
        let fits = |&(_, _, height, width): &(usize, usize, usize, usize)| {
            height >= window.0 && width >= window.1 && u32::try_from(height * width).is_ok()
        };
        let Some((_, _, height, width)) = x.dims4().ok().filter(fits) else {
            let expected = format!("[batch, channel, mel >= {}, frame >= {}]", window.0, window.1);
            return Err(shape_error(operation, "input", expected, x));
        };
        Ok(Self { height, width, window })
    }

    /// Windows in a column and in a row of a plane.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.height / self.window.0, self.width / self.window.1)
    }

    /// Values of a plane before pooling.
    pub(crate) fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Values of a plane after pooling.
    pub(crate) fn pooled_plane(&self) -> usize {
        let (rows, columns) = self.count();
        rows * columns
    }

    /// The largest value of each window of the plane `x`, and where in the plane it lies: the first
    /// of several.
    pub(crate) fn pool_plane<T: Element>(&self, x: &[T], y: &mut [T], maxima: &mut [u32]) {
        let (mel, frame) = self.window;
        let (_, columns) = self.count();
        let rows = y.chunks_exact_mut(columns).zip(maxima.chunks_exact_mut(columns));
        for (row, (largest, positions)) in rows.enumerate() {
            let first = row * mel * self.width;
            for (column, (largest, position)) in largest.iter_mut().zip(&mut *positions).enumerate()
            {
                *position = (first + column * frame) as u32;
                *largest = x[first + column * frame];
            }
            for line in row * mel..(row + 1) * mel {
                let start = line * self.width;
                let values = &x[start..start + columns * frame];
                match frame {
                    1 => fold_line::<T, 1>(values, start, largest, positions),
                    2 => fold_line::<T, 2>(values, start, largest, positions),
                    4 => fold_line::<T, 4>(values, start, largest, positions),
                    _ => {
                        for (i, &value) in values.iter().enumerate() {
                            let column = i / frame;
                            let (largest, position) =
                                (&mut largest[column], &mut positions[column]);
                            keep_larger(value, (start + i) as u32, largest, position);
                        }
                    }
                }
            }
        }
    }
}

/// Folds one line of windows, each `FRAME` wide, into the maxima so far; vectorised for a width
/// that is known.
fn fold_line<T: Element, const FRAME: usize>(
    values: &[T],
    start: usize,
    largest: &mut [T],
    positions: &mut [u32],
) {
    let (windows, _) = values.as_chunks::<FRAME>();
    let mut here = start as u32;
    for (window, (largest, position)) in windows.iter().zip(largest.iter_mut().zip(positions)) {
        for (offset, &value) in window.iter().enumerate() {
            keep_larger(value, here + offset as u32, largest, position);
        }
        here += FRAME as u32;
    }
}

/// Selections rather than branches: which value is the largest cannot be predicted. NaN exceeds
/// every number, and nothing exceeds NaN.
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
#[expect(clippy::needless_bitwise_bool, reason = "a lazy operator would be a branch")]
#[inline]
fn keep_larger<T: Element>(value: T, here: u32, largest: &mut T, position: &mut u32) {
    let exceeds = (value > *largest) | ((value != value) & (*largest == *largest));
    *largest = T::select(exceeds, value, *largest);
    let mask = u32::from(exceeds).wrapping_neg();
    *position = (here & mask) | (*position & !mask);
}
