//! Repetitions and their times.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Times of repetitions of the same work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// Seconds of each, in ascending order.
    seconds: Vec<f64>,
}

impl Timing {
    /// # Panics
    ///
    /// Panics without a time.
    pub fn new(mut seconds: Vec<f64>) -> Self {
        assert!(!seconds.is_empty(), "no time was taken");
        seconds.sort_by(f64::total_cmp);
        Self { seconds }
    }

    /// How many there were.
    pub fn runs(&self) -> usize {
        self.seconds.len()
    }

    /// The time of the fastest, in seconds.
    pub fn fastest(&self) -> f64 {
        self.seconds[0]
    }

    /// The median, in seconds.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The lower and the upper quartile, in seconds.
    pub fn quartiles(&self) -> [f64; 2] {
        [0.25, 0.75].map(|share| self.quantile(share))
    }

    /// The time below which this share of them lies, between two of them in proportion.
    fn quantile(&self, share: f64) -> f64 {
        let place = share * (self.seconds.len() - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let [low, high] = [self.seconds[below], self.seconds[above]];
        low + (high - low) * (place - below as f64)
    }
}

/// Repeats the work, after a warm-up, until both this much time and this many runs have passed.
pub fn repeat(at_least: Duration, runs: usize, mut work: impl FnMut()) -> Timing {
    // The first runs take up memory and fill caches.
    for _ in 0..2 {
        work();
    }
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < runs.max(1) || start.elapsed() < at_least {
        let before = Instant::now();
        work();
        seconds.push(before.elapsed().as_secs_f64());
    }
    Timing::new(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let timing = Timing::new(vec![4.0, 1.0, 2.0, 3.0]);
        assert_eq!((timing.fastest(), timing.median()), (1.0, 2.5));
        assert_eq!(timing.quartiles(), [1.75, 3.25]);
        assert_eq!(Timing::new(vec![7.0]).quartiles(), [7.0, 7.0]);
    }

    #[test]
    fn work_is_repeated_after_a_warm_up() {
        let mut runs = 0;
        let timing = repeat(Duration::ZERO, 3, || runs += 1);
        assert_eq!((timing.runs(), runs), (3, 5));
    }
}
