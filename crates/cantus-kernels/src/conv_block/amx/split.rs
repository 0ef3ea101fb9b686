//! Numbers of 32 bits as two of 16, which have the same exponents and fewer digits.

/// The nearest number of 16 bits, in the upper half; NaN stays NaN.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    const HALF: u32 = 0x8000;
    let bits = x.to_bits();
    // Of NaN the digits could overflow into another number: its upper half is NaN enough.
    let nearest = if x.is_nan() { bits | 0x0040_0000 } else { bits.wrapping_add(HALF) };
    nearest & 0xFFFF_0000
}

/// The upper halves of the high and of the low part.
#[inline(always)]
pub(super) fn split(x: f32) -> (u32, u32) {
    let high = rounded(x);
    (high, rounded(x - f32::from_bits(high)))
}

/// Two numbers of 16 bits beside each other in memory.
#[inline(always)]
pub(super) fn pair(first: u32, second: u32) -> u32 {
    if cfg!(target_endian = "little") { first >> 16 | second } else { first | second >> 16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_have_all_but_the_last_digits() {
        let mut worst = 0f64;
        for i in 0..100_000u32 {
            let x = f32::from_bits(0x3F80_0000 + i * 83) * if i % 2 == 0 { 1.0 } else { -1.0 };
            let (high, low) = split(x);
            assert_eq!((high | low) & 0xFFFF, 0);
            let sum = f64::from(f32::from_bits(high)) + f64::from(f32::from_bits(low));
            worst = worst.max((sum / f64::from(x) - 1.0).abs());
        }
        assert!(worst < 2f64.powi(-17), "{worst:e}");
    }

    #[test]
    fn nan_stays_nan_and_zero_zero() {
        for bits in [0x7FFF_FFFF, 0x7F80_0001, 0xFFFF_FFFF, 0x7FC0_0000] {
            let (high, low) = split(f32::from_bits(bits));
            assert!(f32::from_bits(high).is_nan() && f32::from_bits(low).is_nan());
        }
        assert_eq!(split(0.0), (0, 0));
    }

    #[test]
    fn the_first_of_a_pair_stands_first() {
        let (first, second) = (1.5f32.to_bits(), (-2f32).to_bits());
        let bytes = pair(first, second).to_ne_bytes();
        let of = |bits: u32| ((bits >> 16) as u16).to_ne_bytes();
        assert_eq!(bytes, [of(first), of(second)].concat()[..]);
    }
}
