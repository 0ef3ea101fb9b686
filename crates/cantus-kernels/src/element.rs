//! The two element types that the operations compute in.

use std::cell::RefCell;

use candle_core::WithDType;

/// Gradients in single precision below this, `2^-100`, are taken as 0: their products with weights
/// down to `2^-26` are normal numbers yet.
pub(crate) const VANISHING: f32 = 1.0 / (1u128 << 100) as f32;

/// The same for double precision, some way above its smallest normal number, `2^-1022`.
const VANISHING_F64: f64 = 1e-270;

/// f32 or f64.
pub(crate) trait Element: WithDType {
    /// `exp(x) - 1` for `x <= 0`, without cancellation near 0.
    fn exp_m1_of_negative(self) -> Self;

    /// `yes` or `no`, without a branch: for conditions that cannot be predicted.
    fn select(condition: bool, yes: Self, no: Self) -> Self;

    /// The number, or 0 where it is so small that products with it could be denormal: those take
    /// some processors a hundred times as long, and change nothing that anybody would see.
    fn flushed(self) -> Self;

    /// Lends `body` the calling thread's scratch space, `length` elements with whatever was left in
    /// them.
    ///
    /// The space lives on with the thread: a fresh page costs more than the arithmetic on it. Must
    /// not be nested.
    fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [Self]) -> R) -> R;
}

thread_local! {
    static SCRATCH_F32: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static SCRATCH_F64: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

fn grown<T: Element>(space: &mut Vec<T>, length: usize) -> &mut [T] {
    if space.len() < length {
        space.resize(length, T::zero());
    }
    &mut space[..length]
}

impl Element for f32 {
    /// Branch-free, so that the compiler can vectorise loops over it: `x = n ln 2 + r`, a
    /// polynomial for `exp(r) - 1` on `|r| <= ln 2 / 2`, then `2^n (exp(r) - 1) + (2^n - 1)`.
    /// Within 2 units in the last place of the true value.
    #[inline(always)]
    fn exp_m1_of_negative(self) -> f32 {
        // Adding and subtracting 1.5 * 2^23 rounds to an integer.
        const ROUNDER: f32 = 12_582_912.0;
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        // Below -20 the result is -1 to the last bit; clamping keeps 2^n a normal number. NaN
        // passes.
        let x = if self < -20.0 { -20.0 } else { self };
        let n = (x * std::f32::consts::LOG2_E + ROUNDER) - ROUNDER;
        let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
        let mut series = 1.0 / 5040.0;
        series = series * r + 1.0 / 720.0;
        series = series * r + 1.0 / 120.0;
        series = series * r + 1.0 / 24.0;
        series = series * r + 1.0 / 6.0;
        series = series * r + 0.5;
        let exp_m1_r = series * (r * r) + r;
        let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
        power * exp_m1_r + (power - 1.0)
    }

    #[inline(always)]
    fn select(condition: bool, yes: f32, no: f32) -> f32 {
        let mask = u32::from(condition).wrapping_neg();
        f32::from_bits((yes.to_bits() & mask) | (no.to_bits() & !mask))
    }

    #[inline(always)]
    fn flushed(self) -> f32 {
        if self.abs() < VANISHING { 0.0 } else { self }
    }

    fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [Self]) -> R) -> R {
        SCRATCH_F32.with_borrow_mut(|space| body(grown(space, length)))
    }
}

impl Element for f64 {
    #[inline(always)]
    fn exp_m1_of_negative(self) -> f64 {
        self.exp_m1()
    }

    #[inline(always)]
    fn select(condition: bool, yes: f64, no: f64) -> f64 {
        let mask = u64::from(condition).wrapping_neg();
        f64::from_bits((yes.to_bits() & mask) | (no.to_bits() & !mask))
    }

    #[inline(always)]
    fn flushed(self) -> f64 {
        if self.abs() < VANISHING_F64 { 0.0 } else { self }
    }

    fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [Self]) -> R) -> R {
        SCRATCH_F64.with_borrow_mut(|space| body(grown(space, length)))
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_f32_exponential_stays_within_two_units_in_the_last_place() {
        for i in 0..200_000 {
            let x = -1e-4 * f64::from(i);
            let x = if i % 2 == 0 { x } else { x * x * 0.01 - 1e-9 * f64::from(i) };
            let x = if x > 0.0 { -x } else { x } as f32;
            let expected = f64::from(x).exp_m1();
            let got = f64::from(x.exp_m1_of_negative());
            let unit = f64::from(f32::EPSILON) * expected.abs().max(f64::from(f32::MIN_POSITIVE));
            assert!((got - expected).abs() <= 2.0 * unit, "exp_m1({x}) = {got}, not {expected}");
        }
    }

    #[test]
    fn the_f32_exponential_of_extreme_arguments_is_minus_one_zero_or_nan() {
        assert_eq!(f32::NEG_INFINITY.exp_m1_of_negative(), -1.0);
        assert_eq!((-1e30f32).exp_m1_of_negative(), -1.0);
        assert_eq!(0f32.exp_m1_of_negative(), 0.0);
        assert!(f32::NAN.exp_m1_of_negative().is_nan());
    }
}
