//! A convolution's input as a matrix: for each weight of a filter, the pixels that it meets.

use std::ops::Range;

use crate::element::Element;

/// The planes of one batch item, zeros around them, and the kernel that slides over both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) kernel_height: usize,
    pub(crate) kernel_width: usize,
    /// Lines of zeros above a plane, and below it.
    pub(crate) padding_height: usize,
    /// Columns of zeros left of a plane, and right of it.
    pub(crate) padding_width: usize,
}

/// One row of the matrix: a channel, seen through one weight of the kernel.
struct Tap {
    channel: usize,
    /// From an output pixel to the input pixel that the tap meets.
    down: isize,
    right: isize,
}

impl Planes {
    /// Pixels of one channel.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Lines that the kernel has room for.
    pub(crate) fn output_height(&self) -> usize {
        self.height + 2 * self.padding_height + 1 - self.kernel_height
    }

    /// Columns that the kernel has room for.
    pub(crate) fn output_width(&self) -> usize {
        self.width + 2 * self.padding_width + 1 - self.kernel_width
    }

    /// Pixels of one filter's output.
    pub(crate) fn output_pixels(&self) -> usize {
        self.output_height() * self.output_width()
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
            down: line as isize - self.padding_height as isize,
            right: column as isize - self.padding_width as isize,
        }
    }

    /// A range of output pixels line by line: the line and its columns.
    fn lines(&self, pixels: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let width = self.output_width();
        let lines = pixels.start / width..pixels.end.div_ceil(width);
        lines.map(move |line| {
            let first = line * width;
            (line, pixels.start.max(first) - first..pixels.end.min(first + width) - first)
        })
    }

    /// Where the pixels of output line `line` fall for a tap: the start of the input line, and
    /// those of the output `columns` whose input column exists. `None` where there are none.
    fn overlap(
        &self,
        tap: &Tap,
        line: usize,
        columns: &Range<usize>,
    ) -> Option<(usize, Range<usize>)> {
        let input_line = line.checked_add_signed(tap.down).filter(|&l| l < self.height)?;
        let start = columns.start.max(tap.right.min(0).unsigned_abs());
        let end = columns.end.min(self.width.saturating_add_signed(-tap.right));
        let input_line = (tap.channel * self.height + input_line) * self.width;
        (start < end).then_some((input_line, start..end))
    }

    /// Writes the columns of the output pixels `pixels` to `matrix`, `[taps, pixels]`; beyond the
    /// border is zero.
    pub(crate) fn gather<T: Element>(&self, input: &[T], pixels: Range<usize>, matrix: &mut [T]) {
        for (row, mut row_elements) in matrix.chunks_exact_mut(pixels.len()).enumerate() {
            let tap = self.tap(row);
            for (line, columns) in self.lines(pixels.clone()) {
                let output;
                (output, row_elements) = row_elements.split_at_mut(columns.len());
                let Some((input_line, inside)) = self.overlap(&tap, line, &columns) else {
                    output.fill(T::zero());
                    continue;
                };
                let from = (input_line + inside.start).wrapping_add_signed(tap.right);
                let length = inside.len();
                let inside = inside.start - columns.start..inside.end - columns.start;
                output[..inside.start].fill(T::zero());
                output[inside.end..].fill(T::zero());
                output[inside].copy_from_slice(&input[from..from + length]);
            }
        }
    }

    /// The transpose of [`gather`](Self::gather): adds each element of `matrix` to the pixel that
    /// it came from.
    pub(crate) fn scatter_add<T: Element>(
        &self,
        matrix: &[T],
        pixels: Range<usize>,
        input: &mut [T],
    ) {
        for (row, mut row_elements) in matrix.chunks_exact(pixels.len()).enumerate() {
            let tap = self.tap(row);
            for (line, columns) in self.lines(pixels.clone()) {
                let output;
                (output, row_elements) = row_elements.split_at(columns.len());
                let Some((input_line, inside)) = self.overlap(&tap, line, &columns) else {
                    continue;
                };
                let from = (input_line + inside.start).wrapping_add_signed(tap.right);
                let input = &mut input[from..from + inside.len()];
                let inside = inside.start - columns.start..inside.end - columns.start;
                for (pixel, &element) in input.iter_mut().zip(&output[inside]) {
                    *pixel += element;
                }
            }
        }
    }
}
