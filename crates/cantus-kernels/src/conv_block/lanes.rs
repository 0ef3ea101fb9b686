//! Vector forms of the activations, on any path.

use pulp::{Simd, WithSimd};

use super::planes::GROUP;
use crate::activation::Activation;

/// Vectors that a group of channels takes.
pub(crate) const fn vectors<S: Simd>() -> usize {
    GROUP / S::F32_LANES
}

/// Filters of a panel, which are computed at a time: two vectors.
pub(crate) const fn panel_width<S: Simd>() -> usize {
    2 * S::F32_LANES
}

/// [`panel_width`] on a path.
pub(crate) struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        panel_width::<S>()
    }
}

/// `a * b + c`: in one rounding where the processor has an instruction for it, in two where one
/// rounding would take a call.
#[inline(always)]
pub(crate) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if S::F32_LANES > 4 || cfg!(target_arch = "aarch64") {
        simd.mul_add_f32s(a, b, c)
    } else {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    }
}

/// An activation and its derivative, a vector at a time.
pub(crate) trait Curve: Copy {
    fn value<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s;

    /// From the value.
    fn slope<S: Simd>(self, simd: S, value: S::f32s) -> S::f32s;
}

/// Something to be done with a curve that is known when the program is compiled.
pub(crate) trait WithCurve {
    fn with<C: Curve>(self, curve: C);
}

impl Activation {
    #[inline(always)]
    pub(crate) fn run(self, operation: impl WithCurve) {
        match self {
            Self::Identity => operation.with(Identity),
            Self::Relu => operation.with(Relu),
            Self::Elu => operation.with(Elu),
        }
    }
}

#[derive(Clone, Copy)]
struct Identity;

impl Curve for Identity {
    #[inline(always)]
    fn value<S: Simd>(self, _: S, x: S::f32s) -> S::f32s {
        x
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, _: S::f32s) -> S::f32s {
        simd.splat_f32s(1.0)
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl Curve for Relu {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        simd.select_f32s(simd.less_than_f32s(x, zero), zero, x)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, value: S::f32s) -> S::f32s {
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        simd.select_f32s(simd.greater_than_f32s(value, zero), one, zero)
    }
}

#[derive(Clone, Copy)]
struct Elu;

impl Curve for Elu {
    /// As `Element::exp_m1_of_negative` has it, where its constants are explained.
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        const ROUNDER: f32 = 12_582_912.0;
        const SERIES: [f32; 6] =
            [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
        let splat = |value| simd.splat_f32s(value);
        let low = splat(-20.0);
        let clipped = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
        let log2_e = splat(std::f32::consts::LOG2_E);
        let rounded = multiply_add(simd, clipped, log2_e, splat(ROUNDER));
        let n = simd.sub_f32s(rounded, splat(ROUNDER));
        let r = multiply_add(simd, n, splat(-0.693_359_4), clipped);
        let r = multiply_add(simd, n, splat(2.121_944_4e-4), r);
        let mut series = splat(SERIES[0]);
        for coefficient in &SERIES[1..] {
            series = multiply_add(simd, series, r, splat(*coefficient));
        }
        let exp_m1_r = multiply_add(simd, series, simd.mul_f32s(r, r), r);
        // The lowest bits of what was rounded are n: moved up they are the exponent of 2^n.
        let exponent =
            simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
        let power =
            simd.transmute_f32s_u32s(simd.add_u32s(exponent, simd.splat_u32s(1f32.to_bits())));
        let below = multiply_add(simd, power, exp_m1_r, simd.sub_f32s(power, splat(1.0)));
        simd.select_f32s(simd.greater_than_f32s(x, splat(0.0)), x, below)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, value: S::f32s) -> S::f32s {
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let above = simd.greater_than_f32s(value, zero);
        simd.select_f32s(above, one, simd.add_f32s(value, one))
    }
}
