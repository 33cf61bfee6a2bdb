//! Dropout (Hinton et al. 2012) of the features that the classifier sees.

use burn::tensor::{Tensor, TensorData};

use crate::data::SplitMix64;

/// Keeps the draws for dropout apart from all others.
const DOMAIN: u64 = 0x6472_6f70_6f75_7400;

/// Puts a share of the features, `[batch, features]`, at 0, and makes up for it in the others.
///
/// Which ones is drawn on the host from the seed and the batch's place in the run, so that it is the
/// same on every device and after a restart.
pub(crate) fn dropout(pooled: Tensor<2>, share: f64, key: [u64; 4]) -> Tensor<2> {
    if share == 0.0 {
        return pooled;
    }
    let [seed, epoch, step, batch] = key;
    let mut rng = SplitMix64::keyed(&[DOMAIN, seed, epoch, step, batch]);
    let kept = (1.0 / (1.0 - share)) as f32;
    let shape = pooled.dims();
    let factors: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| if rng.unit() < share { 0.0 } else { kept })
        .collect();
    let factors = Tensor::from_data(TensorData::new(factors, shape), &pooled.device());
    pooled * factors
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::tensors::host;

    #[test]
    fn the_share_is_dropped_and_the_mean_stays() {
        let device = Device::flex();
        let ones = || Tensor::<2>::ones([100, 200], &device);
        let dropped = host(dropout(ones(), 0.2, [1, 2, 3, 4]));
        let zeros = dropped.iter().filter(|&&value| value == 0.0).count();
        assert!(zeros.abs_diff(4_000) < 250, "{zeros}");
        assert!(dropped.iter().all(|&value| value == 0.0 || value == 1.25));
        assert_eq!(host(dropout(ones(), 0.2, [1, 2, 3, 4])), dropped);
        assert_ne!(host(dropout(ones(), 0.2, [1, 2, 4, 4])), dropped);
        assert_eq!(host(dropout(ones(), 0.0, [1, 2, 3, 4])), host(ones()));
    }
}
