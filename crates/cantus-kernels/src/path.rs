//! Which instructions the kernels use, decided when the program runs.

use std::env;
use std::fmt;
use std::sync::OnceLock;

use pulp::{Scalar128b, Simd, WithSimd};

/// The variable that forces a path: `portable`, `neon`, `avx2`, `avx512`, `amx` or `amx-bf16`.
pub const PATH_VARIABLE: &str = "CANTUS_KERNELS";

/// A set of instructions that the f32 kernels are compiled for.
///
/// Paths differ in the last bits of their results: one that multiplies and adds in one instruction
/// rounds once, one that does not rounds twice. Those of AMX keep fewer digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Path {
    /// Plain Rust, four numbers at a time, for any processor.
    Portable,
    /// 64-bit ARM, four numbers at a time.
    Neon,
    /// x86-64 with AVX2 and FMA (since 2013), eight numbers at a time.
    Avx2,
    /// x86-64 with AVX-512 F, BW, CD, DQ and VL (since 2017), sixteen numbers at a time.
    Avx512,
    /// x86-64 with AMX (since 2023) on Linux: convolutions multiply tiles of numbers of 16 bits, two
    /// of which stand for one of 32, and lose a part in 2^16 of a product: about five digits stay.
    /// The rest is as on [`Avx512`](Self::Avx512). Used if it is asked for.
    Amx,
    /// As [`Amx`](Self::Amx), with the upper 16 bits of each number alone: three digits.
    AmxBf16,
}

impl Path {
    const ALL: [Self; 6] =
        [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512, Self::Amx, Self::AmxBf16];

    /// The fastest path of this processor in full 32-bit arithmetic, or the one that [`PATH_VARIABLE`] names; decided once,
    /// and logged.
    ///
    /// A name that is unknown or not for this processor is warned of and ignored.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Path> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let full = |path: &Self| !matches!(path, Self::Amx | Self::AmxBf16);
            let fastest = Self::available().into_iter().rfind(full).unwrap_or(Self::Portable);
            let path = match env::var(PATH_VARIABLE) {
                Ok(name) => Self::named(&name).unwrap_or_else(|| {
                    tracing::warn!(
                        "{PATH_VARIABLE}={name} is no path of this processor; using {fastest}"
                    );
                    fastest
                }),
                Err(_) => fastest,
            };
            tracing::debug!(%path, "kernels chosen");
            path
        })
    }

    /// The paths that this processor can take; those of full 32-bit arithmetic first, in order of
    /// speed.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|path| path.is_available()).collect()
    }

    /// The path of this name, where this processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|path| path.to_string() == name)
    }

    pub(crate) fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            Self::Amx | Self::AmxBf16 => crate::amx::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
            _ => false,
        }
    }

    /// Runs `operation`, compiled for this path. One that the processor does not have is run as
    /// plain Rust.
    pub(crate) fn run<O: WithSimd>(self, operation: O) -> O::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => match pulp::x86::V3::try_new() {
                Some(simd) => Simd::vectorize(simd, operation),
                None => Simd::vectorize(Scalar128b, operation),
            },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Amx | Self::AmxBf16 => match pulp::x86::V4::try_new() {
                Some(simd) => Simd::vectorize(simd, operation),
                None => Simd::vectorize(Scalar128b, operation),
            },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => match pulp::aarch64::Neon::try_new() {
                Some(simd) => Simd::vectorize(simd, operation),
                None => Simd::vectorize(Scalar128b, operation),
            },
            _ => Simd::vectorize(Scalar128b, operation),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
            Self::AmxBf16 => "amx-bf16",
        })
    }
}
