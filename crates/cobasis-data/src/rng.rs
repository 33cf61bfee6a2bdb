//! SplitMix64, written here so that no release of any library can change a shuffle or a crop.
//!
//! A generator is a pure function of its key. Whatever is drawn for one image therefore depends on
//! nothing that was drawn before, and neither threads nor a restart can change it.

/// Increment of the counter: 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The SplitMix64 generator of Steele, Lea and Flood (2014): a counter and a mixing function.
#[derive(Debug, Clone)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The published generator, started at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The generator that belongs to `key`, such as `[domain, seed, epoch, index]`.
    ///
    /// Each word is mixed into the hash of the words before it, so that keys that differ in one
    /// word always differ in the hash, and neighbouring keys share no visible pattern.
    pub fn keyed(key: &[u64]) -> Self {
        Self::new(key.iter().fold(0, |hash, word| Self::new(hash ^ word).next_u64()))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number in `0..limit`, every one exactly as likely (Lemire 2019); 0 where `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(limit);
        if (product as u64) < limit {
            // Some results are hit by one more of the 2^64 inputs; these inputs are drawn again.
            let surplus = limit.wrapping_neg() % limit;
            while (product as u64) < surplus {
                product = u128::from(self.next_u64()) * u128::from(limit);
            }
        }
        (product >> 64) as u64
    }

    /// A number from 0 up to but not including 1, a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The numbers `0..len` in random order (Fisher-Yates), every order as likely as the
    /// generator's 64 bits of state allow.
    pub fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_numbers_are_the_published_ones() {
        let mut rng = SplitMix64::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        let published = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!(numbers, published);
    }

    #[test]
    fn every_order_of_three_is_about_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut rng = SplitMix64::new(7);
        for _ in 0..6000 {
            *counts.entry(rng.permutation(3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected, standard deviation 29: five of them leave no room for chance.
        assert!(counts.values().all(|count| (855..=1145).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_key_is_not_the_sum_of_its_words() {
        let first = |key: &[u64]| SplitMix64::keyed(key).next_u64();
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[0, 3]), first(&[1, 2]));
        assert_ne!(first(&[0]), first(&[0, 0]));
    }

    proptest! {
        #[test]
        fn below_stays_below(seed: u64, limit in 1u64..) {
            prop_assert!(SplitMix64::new(seed).below(limit) < limit);
        }

        #[test]
        fn a_unit_number_stays_below_one(seed: u64) {
            prop_assert!((0.0..1.0).contains(&SplitMix64::new(seed).unit()));
        }

        #[test]
        fn a_permutation_has_every_number_once(seed: u64, len in 0usize..200) {
            let mut order = SplitMix64::new(seed).permutation(len);
            order.sort_unstable();
            prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }
}
