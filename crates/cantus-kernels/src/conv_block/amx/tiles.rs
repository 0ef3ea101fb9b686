//! The instructions, from stable Rust: as assembler text, since their intrinsics are not stable.

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::marker::PhantomData;

use super::{SIDE, TILE};

/// Eight tiles of sixteen rows of 64 bytes, on this thread, until it is dropped: one at a time on a
/// thread.
pub(super) struct Configured {
    /// It holds for one thread.
    _not_send: PhantomData<*const ()>,
}

impl Configured {
    /// # Panics
    /// On a processor without tiles.
    pub(super) fn new() -> Self {
        /// As the processor's manual has it: palette, the first row to do, bytes of a row of each
        /// tile, rows of each.
        #[repr(C, align(64))]
        struct Configuration {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        assert!(crate::amx::is_available(), "a processor with tiles");
        let mut configuration = Configuration {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        configuration.row_bytes[..8].fill(4 * SIDE as u16);
        configuration.rows[..8].fill(SIDE as u8);
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the intrinsic is not stable")]
        // SAFETY: the processor has tiles and the system's permission is there, as asserted; the
        // 64 bytes are laid out as the manual has them.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly));
        }
        Self { _not_send: PhantomData }
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the intrinsic is not stable")]
        // SAFETY: the processor has tiles, or `self` would not exist.
        unsafe {
            asm!("tilerelease", options(nomem, nostack));
        }
    }
}

/// Two left by two right tiles, over some steps, and where they stand.
pub(super) struct Product<'a> {
    /// The first row of each left tile's high parts.
    pub(super) left: [*const u8; 2],
    /// Bytes from a row of a left tile to the next.
    pub(super) left_stride: usize,
    /// Bytes from the high parts of a left tile to the low parts; none where these do not count.
    pub(super) left_low: Option<usize>,
    /// Of each step, bytes from `left` to the left tile.
    pub(super) steps: &'a [isize],
    /// The first right tile of each column; the next steps' follow.
    pub(super) right: [*const u32; 2],
    /// The tiles of sums: left 0 by right 0, 0 by 1, 1 by 0, 1 by 1.
    pub(super) sums: [*mut f32; 4],
    /// Bytes from a row of sums to the next.
    pub(super) sums_stride: usize,
    /// Whether to add to what stands there.
    pub(super) accumulate: bool,
}

/// What the assembler text reads of a [`Product`] outside its loop, in this order.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
struct Sums {
    tiles: [*mut f32; 4],
    stride: usize,
    accumulate: usize,
}

impl Product<'_> {
    /// Multiplies and adds up.
    ///
    /// # Safety
    /// All tiles must be readable, and those of sums writable: a left tile is sixteen rows of 64
    /// bytes, `left_stride` apart, at each of `steps` from each of `left`, and again `left_low`
    /// further; right tiles are [`RIGHT`](super::RIGHT) words a step. No two tiles of sums may
    /// overlap.
    #[expect(
        unsafe_code,
        reason = "the caller vouches for addresses; the intrinsics are not stable"
    )]
    #[cfg(target_arch = "x86_64")]
    pub(super) unsafe fn run(&self, _: &Configured) {
        const { assert!(TILE * 4 == 1024) };
        if self.steps.is_empty() {
            return;
        }
        let sums = Sums {
            tiles: self.sums,
            stride: self.sums_stride,
            accumulate: usize::from(self.accumulate),
        };
        let steps = self.steps.as_ptr_range();
        // SAFETY: the tiles are configured on this thread. The loop runs once for each of `steps`,
        // and reads and writes what the caller vouches for; no stack, no direction flag.
        unsafe {
            asm!(
                "cmp qword ptr [{sums} + 40], 0",
                "jne 2f",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "jmp 3f",
                "2:",
                "mov {upper}, [{sums} + 32]",
                "mov {lower}, [{sums}]",
                "tileloadd tmm0, [{lower} + {upper}*1]",
                "mov {lower}, [{sums} + 8]",
                "tileloadd tmm1, [{lower} + {upper}*1]",
                "mov {lower}, [{sums} + 16]",
                "tileloadd tmm2, [{lower} + {upper}*1]",
                "mov {lower}, [{sums} + 24]",
                "tileloadd tmm3, [{lower} + {upper}*1]",
                // Each step: both left tiles of high parts, tmm4 and tmm5 ...
                "3:",
                "mov {lower}, [{steps}]",
                "lea {upper}, [{left0} + {lower}]",
                "add {lower}, {left1}",
                "tileloadd tmm4, [{upper} + {left_stride}*1]",
                "tileloadd tmm6, [{right0} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right1} + {row}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {left_stride}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "test {left_low}, {left_low}",
                "jz 4f",
                // ... by the right tiles of low parts ...
                "tileloadd tmm6, [{right0} + {row}*1 + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right1} + {row}*1 + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                // ... and the left tiles of low parts by the right ones of high parts.
                "add {upper}, {left_low}",
                "add {lower}, {left_low}",
                "tileloadd tmm4, [{upper} + {left_stride}*1]",
                "tileloadd tmm6, [{right0} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right1} + {row}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {left_stride}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "4:",
                "add {right0}, 2048",
                "add {right1}, 2048",
                "add {steps}, 8",
                "cmp {steps}, {end}",
                "jb 3b",
                "mov {upper}, [{sums} + 32]",
                "mov {lower}, [{sums}]",
                "tilestored [{lower} + {upper}*1], tmm0",
                "mov {lower}, [{sums} + 8]",
                "tilestored [{lower} + {upper}*1], tmm1",
                "mov {lower}, [{sums} + 16]",
                "tilestored [{lower} + {upper}*1], tmm2",
                "mov {lower}, [{sums} + 24]",
                "tilestored [{lower} + {upper}*1], tmm3",
                sums = in(reg) &raw const sums,
                left0 = in(reg) self.left[0],
                left1 = in(reg) self.left[1],
                left_stride = in(reg) self.left_stride,
                left_low = in(reg) self.left_low.unwrap_or(0),
                right0 = inout(reg) self.right[0] => _,
                right1 = inout(reg) self.right[1] => _,
                row = in(reg) 4 * SIDE,
                steps = inout(reg) steps.start => _,
                end = in(reg) steps.end,
                upper = out(reg) _,
                lower = out(reg) _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// Other processors have no tiles to configure, so there is nothing to run.
    ///
    /// # Safety
    /// Nothing to vouch for.
    #[cfg(not(target_arch = "x86_64"))]
    #[expect(unsafe_code, reason = "the signature is that of the processors with tiles")]
    pub(super) unsafe fn run(&self, _: &Configured) {
        let Self { left: _, left_stride: _, left_low: _, steps: _, right: _, .. } = self;
        unreachable!("no tiles can be configured here")
    }
}
