//! Constant tables that nothing stores: hashes and permutations that are the same everywhere.

/// A number as good as random for each number: the output of `SplitMix64` (Steele, Lea and Flood 2014)
/// in this state.
pub(super) fn mixed(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// What a random number of 64 bits is below a bound: each number up to `bound - 1`, as often.
pub(super) fn below(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> 64) as usize
}

/// The bits that a number below a bound takes.
pub(super) fn bits(bound: usize) -> u64 {
    u64::from(bound.next_power_of_two().trailing_zeros())
}

/// A permutation of the numbers below a bound, as good as random, of which each place is computed by
/// itself: a Feistel network over the next power of four, walked until it comes back below the bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permutation {
    bound: u64,
    /// Bits of half a number.
    half: u32,
}

impl Permutation {
    pub(super) fn new(bound: usize) -> Self {
        let bits = bound.max(2).next_power_of_two().trailing_zeros();
        Self { bound: bound as u64, half: bits.div_ceil(2) }
    }

    /// Where a number below the bound goes.
    pub(super) fn at(&self, place: usize) -> usize {
        let mut number = self.step(place as u64);
        while number >= self.bound {
            number = self.step(number);
        }
        number as usize
    }

    fn step(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for round in 0..6 {
            (left, right) = (right, left ^ (mixed(round << 48 | right) & mask));
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_have_each_number_once() {
        for bound in [1, 2, 3, 4, 5, 16, 17, 1000, 4097, 30_000] {
            let permutation = Permutation::new(bound);
            let mut seen = vec![false; bound];
            (0..bound).for_each(|place| seen[permutation.at(place)] = true);
            assert!(seen.iter().all(|&seen| seen), "{bound}");
        }
    }

    #[test]
    fn permutations_leave_no_order() {
        let bound = 10_000;
        let permutation = Permutation::new(bound);
        let numbers: Vec<usize> = (0..bound).map(|place| permutation.at(place)).collect();
        // Of random permutations one place stays, on average, and rows rise half of the time.
        let kept = numbers.iter().enumerate().filter(|(place, number)| place == *number).count();
        let rises = numbers.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!(kept < 10 && rises.abs_diff(bound / 2) < 200, "{kept} {rises}");
    }

    #[test]
    fn the_hash_is_splitmix64_and_reaches_every_number_below_a_bound() {
        // The first output of the generator with seed 1234567.
        assert_eq!(mixed(1_234_567), 6_457_827_717_110_365_317);
        assert_eq!([below(0, 7), below(u64::MAX, 7)], [0, 6]);
        let mut counts = [0; 7];
        (0..7000).for_each(|state| counts[below(mixed(state), 7)] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!([1, 2, 3, 4, 5, 73_584].map(bits), [0, 1, 2, 2, 3, 17]);
    }
}
