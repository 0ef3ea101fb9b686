//! A convolution's input as a matrix: for each weight of a filter, the pixels that it meets.

use std::ops::Range;

use crate::element::Element;

/// The planes of one batch item and the kernel that slides over them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) kernel_height: usize,
    pub(crate) kernel_width: usize,
}

/// One row of the matrix: a channel, seen through one weight of the kernel.
struct Tap {
    channel: usize,
    /// The tap's offset from the centre of the kernel.
    down: isize,
    right: isize,
}

impl Planes {
    /// Pixels of one channel.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Rows of the matrix: weights of one filter.
    pub(crate) fn taps(&self) -> usize {
        self.channels * self.kernel_height * self.kernel_width
    }

    fn tap(&self, row: usize) -> Tap {
        let column = row % self.kernel_width;
        let line = row / self.kernel_width % self.kernel_height;
        Tap {
            channel: row / (self.kernel_width * self.kernel_height),
            down: line as isize - (self.kernel_height / 2) as isize,
            right: column as isize - (self.kernel_width / 2) as isize,
        }
    }

    /// Where the pixels of output line `line` fall for a tap: the start of the input line, and the
    /// output columns whose input column exists. `None` where there are none.
    fn overlap(&self, tap: &Tap, line: usize) -> Option<(usize, Range<usize>)> {
        let input_line = line.checked_add_signed(tap.down).filter(|&l| l < self.height)?;
        let start = tap.right.min(0).unsigned_abs().min(self.width);
        let end = self.width.saturating_sub(tap.right.max(0).unsigned_abs()).max(start);
        let input_line = (tap.channel * self.height + input_line) * self.width;
        (start < end).then_some((input_line, start..end))
    }

    /// Writes the columns of output lines `lines` to `matrix`, `[taps, lines * width]`; beyond the
    /// border is zero.
    pub(crate) fn gather<T: Element>(&self, input: &[T], lines: Range<usize>, matrix: &mut [T]) {
        let columns = lines.len() * self.width;
        for (row, row_elements) in matrix.chunks_exact_mut(columns).enumerate() {
            let tap = self.tap(row);
            for (line, output) in lines.clone().zip(row_elements.chunks_exact_mut(self.width)) {
                let Some((input_line, inside)) = self.overlap(&tap, line) else {
                    output.fill(T::zero());
                    continue;
                };
                output[..inside.start].fill(T::zero());
                output[inside.end..].fill(T::zero());
                let from = (input_line + inside.start).wrapping_add_signed(tap.right);
                let length = inside.len();
                output[inside].copy_from_slice(&input[from..from + length]);
            }
        }
    }

    /// The transpose of [`gather`](Self::gather): adds each element of `matrix` to the pixel that
    /// it came from.
    pub(crate) fn scatter_add<T: Element>(
        &self,
        matrix: &[T],
        lines: Range<usize>,
        input: &mut [T],
    ) {
        let columns = lines.len() * self.width;
        for (row, row_elements) in matrix.chunks_exact(columns).enumerate() {
            let tap = self.tap(row);
            for (line, output) in lines.clone().zip(row_elements.chunks_exact(self.width)) {
                let Some((input_line, inside)) = self.overlap(&tap, line) else {
                    continue;
                };
                let from = (input_line + inside.start).wrapping_add_signed(tap.right);
                let pixels = &mut input[from..from + inside.len()];
                for (pixel, &element) in pixels.iter_mut().zip(&output[inside]) {
                    *pixel += element;
                }
            }
        }
    }
}
