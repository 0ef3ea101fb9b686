//! Power to decibels.

use std::f64::consts::{LN_2, LN_10, SQRT_2};

/// `10 log10(power)` of a positive, normal number, to 1e-9 dB: far finer than the f32 it becomes.
///
/// Plain arithmetic without a branch, so that the compiler does several side by side; the system's
/// logarithm takes one at a time.
#[inline(always)]
pub(crate) fn decibels(power: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    // A float whose mantissa's last bits count ones.
    const COUNTING: f64 = (1_u64 << 52) as f64;
    let bits = power.to_bits();
    let mantissa = f64::from_bits(bits & MANTISSA | 1.0_f64.to_bits());
    let exponent = f64::from_bits(bits >> 52 | COUNTING.to_bits()) - COUNTING - 1023.0;
    // From half to twice the square root of two the series would need more terms.
    let is_large = mantissa > SQRT_2;
    let mantissa = if is_large { 0.5 * mantissa } else { mantissa };
    let exponent = if is_large { exponent + 1.0 } else { exponent };
    // ln m = 2 artanh s, s = (m - 1) / (m + 1), and |s| < 0.1716.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0 / 11.0 + square * (1.0 / 13.0);
    let series = 1.0 / 9.0 + square * series;
    let series = 1.0 / 7.0 + square * series;
    let series = 1.0 / 5.0 + square * series;
    let series = 1.0 / 3.0 + square * series;
    let of_mantissa = 2.0 * s * (1.0 + square * series);
    (exponent * LN_2 + of_mantissa) * (10.0 / LN_10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decibels_are_ten_times_the_decimal_logarithm(
            mantissa in 1.0_f64..10.0, exponent in -300_i32..300
        ) {
            let power = mantissa * 10.0_f64.powi(exponent);
            let error = (decibels(power) - 10.0 * power.log10()).abs();
            prop_assert!(error < 1e-9, "{power}: {error}");
        }
    }

    #[test]
    fn powers_of_ten_are_whole_decibels_once_rounded() {
        for exponent in -10_i16..=10 {
            let power = 10.0_f64.powi(i32::from(exponent));
            let rounded = decibels(power) as f32;
            assert_eq!(rounded.to_bits(), f32::from(exponent * 10).to_bits(), "{power}");
        }
        for extreme in [f64::MIN_POSITIVE, f64::MAX] {
            let expected = (10.0 * extreme.log10()) as f32;
            assert_eq!((decibels(extreme) as f32).to_bits(), expected.to_bits());
        }
    }
}
