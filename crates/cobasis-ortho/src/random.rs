//! Normal numbers as a function of a key.

/// Independent standard normal numbers: SplitMix64 (Steele, Lea and Flood, 2014) and Marsaglia's
/// polar method, written here so that no release of a library can change them.
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    state: u64,
    /// The second of a pair that was drawn.
    spare: Option<f64>,
}

impl Normal {
    pub(crate) fn new(key: u64) -> Self {
        Self { state: key, spare: None }
    }

    pub(crate) fn next(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            // A point of the unit disc; its direction and its distance are independent.
            let [x, y] = [self.signed(), self.signed()];
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// From -1 up to but not including 1.
    fn signed(&mut self) -> f64 {
        // 2^64 divided by the golden ratio, made odd.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_normal_distribution() {
        let mut normal = Normal::new(1);
        let numbers: Vec<f64> = (0..100_000).map(|_| normal.next()).collect();
        let moment = |power| numbers.iter().map(|x: &f64| x.powi(power)).sum::<f64>() / 1e5;
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            let error = [0.0, 1.0, 1.42, 3.88, 9.8][power as usize] / 1e5_f64.sqrt();
            assert!((moment(power) - expected).abs() < 4.0 * error, "{power}");
        }
    }
}
