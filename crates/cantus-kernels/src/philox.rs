//! Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random
//! words that are a function of their position.

/// Counters that are worked on at a time.
const LANES: usize = 16;

/// Words that one block holds.
pub(crate) const BLOCK: usize = 4 * LANES;

/// A stream of words for each key and stream number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Philox {
    pub(crate) key: [u32; 2],
    /// The upper three words of the counter.
    pub(crate) stream: [u32; 3],
}

impl Philox {
    /// Words number `64 * block` to `64 * block + 63`: word `16 k + i` of a block is word `k` of
    /// what Philox makes of counter `16 * block + i`.
    #[inline(always)]
    pub(crate) fn block(&self, block: u32) -> [[u32; LANES]; 4] {
        const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
        const STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
        let mut a: [u32; LANES] =
            std::array::from_fn(|i| block.wrapping_mul(LANES as u32).wrapping_add(i as u32));
        let [mut b, mut c, mut d] = self.stream.map(|word| [word; LANES]);
        let mut key = self.key;
        for _ in 0..10 {
            for i in 0..LANES {
                let (first, second) =
                    (u64::from(a[i]) * MULTIPLIERS[0], u64::from(c[i]) * MULTIPLIERS[1]);
                a[i] = (second >> 32) as u32 ^ b[i] ^ key[0];
                b[i] = second as u32;
                c[i] = (first >> 32) as u32 ^ d[i] ^ key[1];
                d[i] = first as u32;
            }
            key = [key[0].wrapping_add(STEPS[0]), key[1].wrapping_add(STEPS[1])];
        }
        [a, b, c, d]
    }

    /// Writes the words from number `first` on.
    #[inline(always)]
    pub(crate) fn fill(&self, first: usize, words: &mut [u32]) {
        let mut first = first;
        let mut rest = words;
        while !rest.is_empty() {
            let block = self.block((first / BLOCK) as u32);
            let start = first % BLOCK;
            let count = rest.len().min(BLOCK - start);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&block.as_flattened()[start..start + count]);
            (rest, first) = (later, first + count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
        let [first, stream @ ..] = counter;
        let block = Philox { key, stream }.block(first / LANES as u32);
        block.map(|word| word[first as usize % LANES])
    }

    #[test]
    fn the_words_are_those_of_the_authors_known_answers() {
        assert_eq!(words([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            words([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }

    #[test]
    fn any_stretch_of_words_is_a_part_of_the_whole() {
        let philox = Philox { key: [1, 2], stream: [3, 4, 5] };
        let mut whole = vec![0; 300];
        philox.fill(0, &mut whole);
        for (first, length) in [(0, 1), (63, 2), (64, 64), (17, 200), (299, 1)] {
            let mut part = vec![0; length];
            philox.fill(first, &mut part);
            assert_eq!(part, whole[first..first + length]);
        }
    }
}
