//! Random numbers as a pure function of a key.
//!
//! Whatever is random here (the order of an epoch, a dropout mask, an initial weight, a shift of an image) follows from a key of a few
//! integers alone. Nothing is drawn from a shared generator, so threads, workers, a resume and other trainings in
//! the process can't change a result.

/// What a stream is for; the first word of its key.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Initial weights.
    Weights = 1,
    /// The order of the images in an epoch.
    Order = 2,
    /// Dropout masks.
    Dropout = 3,
    /// Splitting a data set in two.
    Split = 4,
    /// Changes of training images.
    Augmentation = 5,
}

/// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of `SplitMix64` (variant 13 of Stafford's mixers): a bijection on 64 bits.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Stream {
    /// The stream of a purpose and its key.
    pub fn new(purpose: Purpose, key: &[u64]) -> Self {
        let first = mix((purpose as u64).wrapping_mul(GOLDEN_GAMMA));
        let state = key.iter().fold(first, |state, word| {
            // Adding before each mix keeps (a, b) and (b, a) apart.
            mix(state.wrapping_add(GOLDEN_GAMMA) ^ mix(word.wrapping_add(GOLDEN_GAMMA)))
        });
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A whole number below `bound`, without bias (Lemire, "Fast random integer generation in an interval", 2019).
    ///
    /// `bound` must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in [0, 1) with 24 random bits, as many as an f32 holds.
    pub fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// A number in [-1, 1) with 24 random bits.
    #[inline]
    pub(crate) fn symmetric(&mut self) -> f64 {
        f64::from(self.unit()) * 2.0 - 1.0
    }

    /// A random order of `items` (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }

    /// 64 independent bits, each set with probability `threshold / 2^16`.
    ///
    /// Compares 64 random numbers of 16 bits with the threshold at once, lowest bit first. Bits below the
    /// threshold's lowest set one can't decide, so a probability of one half takes a single draw.
    pub fn bernoulli_bits(&mut self, threshold: u16) -> u64 {
        let mut below = 0;
        for bit in threshold.trailing_zeros()..16 {
            let random = self.next_u64();
            below = if threshold >> bit & 1 == 1 {
                random | below
            } else {
                random & below
            };
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // First outputs for the state 1234567, from the reference implementation in C (Vigna, splitmix64.c).
        let mut stream = Stream { state: 1_234_567 };
        let drawn: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn keys_that_differ_anywhere_give_other_streams() {
        let keys: [(Purpose, &[u64]); 6] = [
            (Purpose::Order, &[1, 2]),
            (Purpose::Order, &[2, 1]),
            (Purpose::Order, &[1]),
            (Purpose::Order, &[1, 2, 0]),
            (Purpose::Dropout, &[1, 2]),
            (Purpose::Order, &[0, 0]),
        ];
        let first: std::collections::HashSet<u64> = keys
            .iter()
            .map(|(purpose, key)| Stream::new(*purpose, key).next_u64())
            .collect();
        assert_eq!(first.len(), keys.len());
    }

    #[test]
    fn bits_are_set_as_often_as_the_threshold_says() {
        let draws = 20_000;
        for threshold in [1_u16, 6_554, 19_661, 32_768, 52_429, 65_535] {
            let mut stream = Stream::new(Purpose::Dropout, &[u64::from(threshold)]);
            let set: u32 = (0..draws)
                .map(|_| stream.bernoulli_bits(threshold).count_ones())
                .sum();
            let total = f64::from(draws) * 64.0;
            let probability = f64::from(threshold) / 65_536.0;
            let deviation = (total * probability * (1.0 - probability)).sqrt();
            let distance = (f64::from(set) - total * probability).abs();
            assert!(
                distance < 5.0 * deviation.max(1.0),
                "{threshold}: {set} of {total}"
            );
        }
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        Stream::new(Purpose::Order, &[7]).shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<u32>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let mut stream = Stream::new(Purpose::Split, &[3]);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_600..10_400).contains(count)),
            "{counts:?}"
        );
    }
}
