//! MT19937 with the two seedings and the two shuffles that the original's splits rest on.
//!
//! After Matsumoto and Nishimura (1998, the initialisation of 2002), as in NumPy's `RandomState`
//! and Python's `random`.

const WORDS: usize = 624;
const SHIFT: usize = 397;

pub(crate) struct MersenneTwister {
    state: [u32; WORDS],
    next: usize,
}

impl MersenneTwister {
    /// `numpy.random.RandomState(seed)`.
    pub(crate) fn numpy(seed: u32) -> Self {
        let mut state = [0; WORDS];
        state[0] = seed;
        for i in 1..WORDS {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = before.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, next: WORDS }
    }

    /// `random.seed(seed)` of Python 3, for a whole number that is not negative.
    pub(crate) fn python(seed: u64) -> Self {
        let words = [seed as u32, (seed >> 32) as u32];
        // Python's key is as long as the number needs, and one word at least.
        let key = if words[1] == 0 { &words[..1] } else { &words[..] };
        let mut twister = Self::numpy(19_650_218);
        let state = &mut twister.state;
        let mut i = 1;
        let mut j = 0;
        for _ in 0..WORDS {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            j = (j + 1) % key.len();
            Self::step(state, &mut i);
        }
        for _ in 1..WORDS {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            Self::step(state, &mut i);
        }
        state[0] = 0x8000_0000;
        twister
    }

    fn step(state: &mut [u32; WORDS], i: &mut usize) {
        *i += 1;
        if *i == WORDS {
            state[0] = state[WORDS - 1];
            *i = 1;
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.refill();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn refill(&mut self) {
        for i in 0..WORDS {
            let joined =
                (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// `RandomState.shuffle` of a one-dimensional array: masked draws, rejected above the bound.
    pub(crate) fn numpy_shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let mask = u32::MAX >> (last as u32).leading_zeros();
            let other = loop {
                let draw = (self.next_u32() & mask) as usize;
                if draw <= last {
                    break draw;
                }
            };
            items.swap(last, other);
        }
    }

    /// `RandomState.permutation(n)`.
    pub(crate) fn numpy_permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.numpy_shuffle(&mut order);
        order
    }

    /// `random.shuffle` of Python 3: draws of as many top bits as the bound needs.
    pub(crate) fn python_shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let shift = (last as u32 + 1).leading_zeros();
            let other = loop {
                let draw = (self.next_u32() >> shift) as usize;
                if draw <= last {
                    break draw;
                }
            };
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_numpys() {
        // numpy.random.RandomState(5489).randint(0, 2**32, 3, dtype=numpy.uint64), which is also
        // the published start of the reference implementation.
        let mut twister = MersenneTwister::numpy(5489);
        let words = [twister.next_u32(), twister.next_u32(), twister.next_u32()];
        assert_eq!(words, [3_499_211_612, 581_869_302, 3_890_346_734]);
    }

    #[test]
    fn the_ten_thousandth_word_is_the_one_that_the_cpp_standard_names() {
        let mut twister = MersenneTwister::numpy(5489);
        let last = (0..10_000).map(|_| twister.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn the_first_words_are_pythons_for_seeds_of_one_and_of_two_words() {
        // random.seed(s); [random.getrandbits(32) for _ in range(2)]
        let words = |seed| {
            let mut twister = MersenneTwister::python(seed);
            [twister.next_u32(), twister.next_u32()]
        };
        assert_eq!(words(0), [3_626_764_237, 1_654_615_998]);
        assert_eq!(words(42), [2_746_317_213, 478_163_327]);
        assert_eq!(words(1 << 40), [445_128_065, 1_517_081_360]);
    }
}
