//! How the kernels store a sample: groups of channels side by side, framed by zeros.
//!
//! Sixteen channels make a group (one when there are fewer than sixteen in all), and each group is
//! a plane of pixels, each pixel sixteen numbers: one vector of AVX-512. Lines are followed by
//! columns of zeros, which serve as the right margin of one line and the left margin of the next;
//! lines of zeros stand before the first and after the last. With a 3x3 kernel and two lines of
//! three pixels:
//!
//! ```text
//!  lead    . . . . .          . zero
//!          x x x .            x pixel
//!          x x x .
//!  tail    . . . . . and some slack
//! ```
//!
//! So a convolution is, for each tap of its kernel, the same plane shifted by a fixed number of
//! pixels: no edges, no gathering. What it computes at the margin's pixels is ignored.

/// Channels in a group.
pub(crate) const GROUP: usize = 16;

/// Pixels by which a kernel may run over the end, so that it need not know where a plane ends.
pub(crate) const SLACK: usize = 16;

/// The pixels of one group, with their margins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Odd sizes: lines, columns.
    kernel: (usize, usize),
    /// Pixels from one line to the next.
    pub(crate) pitch: usize,
    /// Pixels before the first.
    pub(crate) lead: usize,
    /// Pixels in all.
    pub(crate) length: usize,
}

impl Planes {
    pub(crate) fn new(height: usize, width: usize, kernel: (usize, usize)) -> Self {
        let margin = (kernel.0 / 2, kernel.1 / 2);
        let pitch = width + margin.1;
        let lead = margin.0 * pitch + margin.1;
        let length = lead + height * pitch + lead + SLACK;
        Self { height, width, kernel, pitch, lead, length }
    }

    /// Whether the kernel is one of three by three.
    pub(crate) fn is_three_by_three(&self) -> bool {
        self.kernel == (3, 3)
    }

    /// How many lines above and below a pixel the kernel reaches.
    pub(crate) fn reach(&self) -> usize {
        self.kernel.0 / 2
    }

    /// Pixels and their right margins.
    pub(crate) fn body(&self) -> usize {
        self.height * self.pitch
    }

    /// For each tap of the kernel, in C order, how far away its pixel lies.
    pub(crate) fn taps(&self) -> Vec<isize> {
        let (lines, columns) = self.kernel;
        let centred = |position: usize, size: usize| position as isize - (size / 2) as isize;
        (0..lines)
            .flat_map(|line| (0..columns).map(move |column| (line, column)))
            .map(|(line, column)| {
                centred(line, lines) * self.pitch as isize + centred(column, columns)
            })
            .collect()
    }
}

/// Where a convolution's result goes: a plane for each group of outputs.
pub(crate) struct Destination<'a> {
    pub(crate) values: &'a mut [f32],
    /// Numbers from one group's plane to the next.
    pub(crate) plane: usize,
    /// Numbers from the beginning of a plane to the first of the pixels.
    pub(crate) offset: usize,
}

/// How many channels a pixel holds, and how many planes that makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups {
    pub(crate) channels: usize,
    /// [`GROUP`] or 1.
    pub(crate) lanes: usize,
    pub(crate) count: usize,
}

impl Groups {
    /// The grouping of what is read: few channels have a plane each, so that none is computed with
    /// in vain.
    pub(crate) fn of_input(channels: usize) -> Self {
        let lanes = if channels < GROUP { 1 } else { GROUP };
        Self { channels, lanes, count: channels.div_ceil(lanes) }
    }

    /// The grouping of what is written: whole groups.
    pub(crate) fn of_output(channels: usize) -> Self {
        Self { channels, lanes: GROUP, count: channels.div_ceil(GROUP) }
    }

    /// Channels with those that fill the last group.
    pub(crate) fn padded(&self) -> usize {
        self.count * self.lanes
    }

    /// Numbers of a sample.
    pub(crate) fn sample(&self, planes: &Planes) -> usize {
        self.padded() * planes.length
    }
}
