//! The rule that makes weights and input from names, so that fixtures need no weight file.

use burn::tensor::TensorData;

/// The values of a tensor: pseudo-random numbers from a hash of its name, scaled by what it is.
///
/// The rule is that of the fixtures' README: SplitMix64 from the name's 64-bit FNV-1a hash gives
/// `u` in [0, 1) for each element in row-major order; running means are `0.2 (u − ½)`, running
/// variances and norm scales `¾ + u/2`, convolution and linear weights
/// `(2u − 1) sqrt(6 / fan_in)`, biases `0.2 (u − ½)`, and the input `2u − 1`.
pub(crate) fn fill(name: &str, shape: &[usize]) -> TensorData {
    let scale = scale_of(name, shape);
    let hash = fnv1a(name);
    let count = shape.iter().product::<usize>() as u64;
    let values = (1..=count).map(|index| {
        let u = (splitmix(hash.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15))) >> 40)
            as f64
            / f64::from(1u32 << 24);
        (match scale {
            Scale::Centred => 0.2 * (u - 0.5),
            Scale::Positive => 0.75 + 0.5 * u,
            Scale::Symmetric(bound) => (2.0 * u - 1.0) * bound,
        }) as f32
    });
    TensorData::new(values.collect::<Vec<f32>>(), shape)
}

/// The label of each sample: `(7i + 3) mod classes`.
pub(crate) fn labels(batch: usize, classes: usize) -> Vec<u16> {
    (0..batch).map(|index| ((7 * index + 3) % classes) as u16).collect()
}

#[derive(Clone, Copy)]
enum Scale {
    Centred,
    Positive,
    Symmetric(f64),
}

fn scale_of(name: &str, shape: &[usize]) -> Scale {
    if name == "input" {
        Scale::Symmetric(1.0)
    } else if name.ends_with("running_mean") {
        Scale::Centred
    } else if name.ends_with("running_var") {
        Scale::Positive
    } else if shape.len() >= 2 {
        let fan_in = shape[1..].iter().product::<usize>();
        Scale::Symmetric((6.0 / fan_in as f64).sqrt())
    } else if name.ends_with(".weight") {
        Scale::Positive
    } else {
        Scale::Centred
    }
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn splitmix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_numbers_are_those_of_the_published_algorithms() {
        // FNV-1a test vectors; SplitMix64 from state 0 starts with this number.
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(splitmix(0x9E37_79B9_7F4A_7C15), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn values_lie_where_the_rule_puts_them() {
        let range = |name: &str, shape: &[usize]| {
            let values: Vec<f32> = fill(name, shape).iter::<f32>().collect();
            let min = values.iter().copied().fold(f32::INFINITY, f32::min);
            (min, values.iter().copied().fold(f32::NEG_INFINITY, f32::max))
        };
        let within = |(min, max): (f32, f32), low: f32, high: f32| {
            assert!(min >= low && max <= high && max - min > 0.8 * (high - low), "{min} {max}");
        };
        within(range("bn1.running_mean", &[200]), -0.1, 0.1);
        within(range("bn1.running_var", &[200]), 0.75, 1.25);
        within(range("bn1.weight", &[200]), 0.75, 1.25);
        within(range("fc.bias", &[200]), -0.1, 0.1);
        within(range("conv1.weight", &[10, 6, 3, 3]), -(1.0f32 / 3.0), 1.0 / 3.0);
        within(range("input", &[2, 3, 8, 8]), -1.0, 1.0);
    }

    #[test]
    fn labels_step_by_seven() {
        assert_eq!(labels(5, 10), [3, 0, 7, 4, 1]);
    }
}
