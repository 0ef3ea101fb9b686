//! Whether this processor has AMX's tiles, and the system lets us use them.

/// Whether tiles of 16-bit floats can be multiplied. Asks the system for permission, once, which
/// then holds for all threads.
pub(crate) fn is_available() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            pulp::x86::V4::try_new().is_some()
                && linux::processor_has_tiles()
                && linux::system_saves_tiles()
                && linux::permission()
        })
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// CPUID's word for AMX, which no feature macro of stable Rust tells.
    pub(super) fn processor_has_tiles() -> bool {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        #[allow(unused_unsafe, unsafe_code, reason = "whether this is unsafe depends on the Rust")]
        // SAFETY: every x86-64 processor has the instruction; a leaf beyond the highest, which is
        // asked for first, says nothing.
        let features = unsafe { if __cpuid(0).eax < 7 { 0 } else { __cpuid_count(7, 0).edx } };
        features & (BF16 | TILE) == BF16 | TILE
    }

    /// Whether the system saves the tiles when it switches threads: XCR0. To be asked of processors
    /// with AVX-512 alone, whose systems have turned the instruction on.
    pub(super) fn system_saves_tiles() -> bool {
        const TILES: u32 = 0b11 << 17;
        let low: u32;
        #[expect(unsafe_code, reason = "the intrinsic wants a feature that the crate is not for")]
        // SAFETY: the instruction reads a register, and AVX-512 was found usable before.
        unsafe {
            asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack));
        }
        low & TILES == TILES
    }

    /// Linux hands out the tiles on demand: `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`.
    pub(super) fn permission() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const REQUEST: i64 = 0x1023;
        const TILE_DATA: i64 = 18;
        let answer: i64;
        #[expect(unsafe_code, reason = "no kept library has this call")]
        // SAFETY: the call takes two numbers and changes nothing but what this process may do;
        // systems that do not know it say so.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => answer,
                in("rdi") REQUEST,
                in("rsi") TILE_DATA,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        answer == 0
    }
}
