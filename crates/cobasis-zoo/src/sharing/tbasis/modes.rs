//! The modes of a layer's weights, and the product of a ring of cores.

use burn::tensor::Tensor;

/// How the places of weights are divided into modes of 9 entries.
///
/// The numbers of a weight's output and input channel are written in base 3, with as many digits each. A
/// digit of either makes a mode, `3 × output + input`, from the highest digits to the lowest; the taps of
/// a 3×3 window are the last mode. Products of which no weight needs the result are left out.
#[derive(Clone, Debug)]
pub(super) struct Modes {
    shape: [usize; 4],
    /// How many output and input channels are told apart after each of the first modes: of the higher
    /// digits.
    high: Vec<[usize; 2]>,
    /// The same of the other modes, from their first: of the lower digits.
    low: Vec<[usize; 2]>,
}

impl Modes {
    /// The modes of filters of this shape, `[channels_out, channels_in, height, width]`.
    ///
    /// # Panics
    ///
    /// Panics if the window has neither 9 taps nor one.
    pub(super) fn new(shape: [usize; 4]) -> Self {
        let [outputs, inputs, height, width] = shape;
        let has_window = height * width == 9;
        assert!(has_window || height * width == 1, "a window of 9 taps or one, not {shape:?}");
        // A ring has two modes at least.
        let least = if has_window { 1 } else { 2 };
        let digits = digits(outputs).max(digits(inputs)).max(least);
        let high = digits.div_ceil(2);
        let channels = [outputs, inputs];
        let above = |mode| channels.map(|count| count.div_ceil(power(digits - mode)));
        let below = |mode| channels.map(|count| count.min(power(mode)));
        Self {
            shape,
            high: (1..=high).map(above).collect(),
            low: (1..=digits - high).map(below).collect(),
        }
    }

    fn has_window(&self) -> bool {
        self.shape[2] * self.shape[3] == 9
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.high.len() + self.low.len() + usize::from(self.has_window())
    }

    /// The multiply-accumulates of [`product`](Self::product) with matrices of this side.
    pub(super) fn macs(&self, rank: usize) -> u64 {
        let area = |[outputs, inputs]: [usize; 2]| (outputs * inputs) as u64;
        let rank = rank as u64;
        let step = |before: [usize; 2]| area(before) * 9 * rank.pow(3);
        let [(high, before_high), (low, before_low)] =
            [&self.high, &self.low].map(|sizes| match sizes.split_last() {
                Some((last, before)) => (area(*last), before),
                None => (1, [].as_slice()),
            });
        let steps: u64 = before_high.iter().chain(before_low).map(|&before| step(before)).sum();
        let (window, taps) = match (self.has_window(), self.low.last()) {
            (true, Some(&last)) => (step(last), 9),
            (true, None) => (0, 9),
            (false, _) => (0, 1),
        };
        steps + window + high * rank.pow(2) * low * taps
    }

    /// The weights: of each, the trace of a product of matrices, one out of each core.
    ///
    /// # Shapes
    ///
    /// - `cores`: `[modes, rank, 9, rank]`
    /// - output: `[channels_out, channels_in, height, width]`
    pub(super) fn product(&self, cores: Tensor<4>) -> Tensor<4> {
        let [_, rank, ..] = cores.dims();
        let core = |mode: usize| cores.clone().narrow(0, mode, 1).reshape([rank, 9, rank]);
        let high = chain(&self.high, (0..self.high.len()).map(core), rank);
        let split = self.high.len()..self.high.len() + self.low.len();
        let last = self.has_window().then(|| core(split.end));
        let [low_outputs, low_inputs] = self.low.last().copied().unwrap_or([1, 1]);
        let pairs = low_outputs * low_inputs;
        let low = (!self.low.is_empty()).then(|| chain(&self.low, split.map(core), rank));
        let (low, taps) = match (low, last) {
            (Some(low), Some(window)) => (times(low, window), 9),
            (Some(low), None) => (low.reshape([pairs * rank, 1, rank]), 1),
            (None, Some(window)) => (window, 9),
            (None, None) => unreachable!("a ring has two modes"),
        };
        // The trace joins the right side of the one with the left side of the other, and back.
        let low = low.reshape([pairs, rank, taps, rank]).permute([3, 1, 0, 2]);
        let low = low.reshape([rank * rank, pairs * taps]);
        let [high_outputs, high_inputs] = self.high.last().copied().unwrap_or([1, 1]);
        let weights = high.reshape([high_outputs * high_inputs, rank * rank]).matmul(low);
        let weights = weights
            .reshape([high_outputs, high_inputs, low_outputs, low_inputs, taps])
            .permute([0, 2, 1, 3, 4])
            .reshape([high_outputs * low_outputs, high_inputs * low_inputs, taps]);
        let [outputs, inputs, ..] = self.shape;
        weights.slice([0..outputs, 0..inputs]).reshape(self.shape)
    }
}

/// The products of cores of modes of channels, `[outputs, inputs, rank, rank]`, of which so many outputs
/// and inputs are kept after each.
fn chain(
    sizes: &[[usize; 2]],
    mut cores: impl Iterator<Item = Tensor<3>>,
    rank: usize,
) -> Tensor<4> {
    let first = cores.next().expect("a core for each mode");
    let first = first.permute([1, 0, 2]).reshape([3, 3, rank, rank]);
    let kept = |maps: Tensor<4>, [outputs, inputs]: [usize; 2]| maps.slice([0..outputs, 0..inputs]);
    let mut product = kept(first, sizes[0]);
    for (core, &size) in cores.zip(&sizes[1..]) {
        let [outputs, inputs, ..] = product.dims();
        let next = times(product, core).reshape([outputs, inputs, rank, 3, 3, rank]);
        let next = next.permute([0, 3, 1, 4, 2, 5]);
        product = kept(next.reshape([3 * outputs, 3 * inputs, rank, rank]), size);
    }
    product
}

/// Products with each of a core's matrices: `[…, rank, rank]` by `[rank, 9, rank]`, as
/// `[… × rank, 9, rank]`.
fn times(product: Tensor<4>, core: Tensor<3>) -> Tensor<3> {
    let [outputs, inputs, rank, _] = product.dims();
    let rows = outputs * inputs * rank;
    product.reshape([rows, rank]).matmul(core.reshape([rank, 9 * rank])).reshape([rows, 9, rank])
}

/// The digits in base 3 of the numbers below a count.
fn digits(count: usize) -> usize {
    (0..).find(|&digits| power(digits) >= count).unwrap_or(0)
}

fn power(digits: usize) -> usize {
    3usize.pow(digits as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    /// A weight by its definition, in 64 bits.
    fn weight(cores: &[f64], modes: &[usize], rank: usize) -> f64 {
        let mut product: Vec<f64> =
            (0..rank * rank).map(|at| f64::from(u8::from(at / rank == at % rank))).collect();
        for (mode, &entry) in modes.iter().enumerate() {
            let core = |row: usize, column: usize| {
                cores[((mode * rank + row) * 9 + entry) * rank + column]
            };
            let next = (0..rank * rank).map(|at| {
                let (row, column) = (at / rank, at % rank);
                (0..rank).map(|k| product[row * rank + k] * core(k, column)).sum()
            });
            product = next.collect();
        }
        (0..rank).map(|k| product[k * rank + k]).sum()
    }

    /// The entries of a weight's modes, by their definition.
    fn entries(digits: usize, output: usize, input: usize, tap: Option<usize>) -> Vec<usize> {
        let digit = |number: usize, at: usize| number / 3usize.pow(at as u32) % 3;
        let channels = (0..digits).rev().map(|at| 3 * digit(output, at) + digit(input, at));
        channels.chain(tap).collect()
    }

    #[test]
    fn weights_are_traces_of_products_of_the_cores_matrices() {
        for (shape, digits, rank) in [
            ([1, 1, 3, 3], 1, 2),
            ([3, 2, 3, 3], 1, 3),
            ([5, 2, 3, 3], 2, 3),
            ([16, 16, 3, 3], 3, 2),
            ([32, 16, 3, 3], 4, 2),
            ([30, 82, 3, 3], 5, 2),
            ([10, 64, 1, 1], 4, 3),
            ([2, 3, 1, 1], 2, 2),
        ] {
            let modes = Modes::new(shape);
            let [_, inputs, height, width] = shape;
            let taps = height * width;
            assert_eq!(modes.count(), digits + usize::from(taps == 9), "{shape:?}");
            let count = modes.count() * rank * 9 * rank;
            let cores: Vec<f32> =
                (0..count).map(|i| (i * 7919 % 211) as f32 / 105.0 - 1.0).collect();
            let exact: Vec<f64> = cores.iter().map(|&number| f64::from(number)).collect();
            let cores = TensorData::new(cores, [modes.count(), rank, 9, rank]);
            let got = modes.product(Tensor::from_data(cores, &Device::flex()));
            assert_eq!(got.dims(), shape);
            let got = numbers(got);
            for (at, &got) in got.iter().enumerate() {
                let (output, input, tap) = (at / (inputs * taps), at / taps % inputs, at % taps);
                let tap = (taps == 9).then_some(tap);
                let expected = weight(&exact, &entries(digits, output, input, tap), rank);
                let error = (f64::from(got) - expected).abs();
                assert!(error < 1e-4, "{shape:?} {output} {input} {tap:?}: {got} {expected}");
            }
        }
    }

    #[test]
    fn a_ring_of_two_cores_by_hand() {
        // Matrices 0 and 1 of the first core are I and E₁₂, of the second I and E₂₁.
        let mut cores = vec![0.0f32; 2 * 2 * 9 * 2];
        let mut set = |mode: usize, row: usize, entry: usize, column: usize| {
            cores[((mode * 2 + row) * 9 + entry) * 2 + column] = 1.0;
        };
        for mode in [0, 1] {
            set(mode, 0, 0, 0);
            set(mode, 1, 0, 1);
        }
        set(0, 0, 1, 1);
        set(1, 1, 1, 0);
        let cores = Tensor::from_data(TensorData::new(cores, [2, 2, 9, 2]), &Device::flex());
        // Of output 0, inputs 3 i + j: traces of the products of matrices i and j.
        let weights = numbers(Modes::new([1, 9, 1, 1]).product(cores));
        assert_eq!(weights, [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn of_rank_1_weights_are_an_outer_product() {
        let cores: Vec<f32> = (0..27).map(|i| 1.0 + i as f32 / 8.0).collect();
        let data = TensorData::new(cores.clone(), [3, 1, 9, 1]);
        let got =
            numbers(Modes::new([9, 9, 3, 3]).product(Tensor::from_data(data, &Device::flex())));
        for (at, &got) in got.iter().enumerate() {
            let modes = entries(2, at / 81, at / 9 % 9, Some(at % 9));
            let expected: f32 =
                modes.iter().zip(cores.chunks(9)).map(|(&at, core)| core[at]).product();
            assert!((got - expected).abs() < 1e-5 * expected, "{at}: {got} {expected}");
        }
    }

    #[test]
    fn products_that_are_made_are_counted() {
        // 64×64: modes 1 and 2 by 3 digits of 64 = 2102₃, of which 3×3, then 8×8 are needed; 3 and 4: 9×9.
        let by_hand = (9 + 9 + 81) * 9 * 5u64.pow(3) + 64 * 25 * 81 * 9;
        assert_eq!(Modes::new([64, 64, 3, 3]).macs(5), by_hand);
        // 10×64: 1×3, then 2×8 of the higher digits; 3×3, then 9×9 of the lower ones; no window.
        assert_eq!(Modes::new([10, 64, 1, 1]).macs(2), (3 + 9) * 9 * 8 + 16 * 4 * 81);
        // 3×3 channels: one mode, and the window.
        assert_eq!(Modes::new([3, 3, 3, 3]).macs(2), 9 * 4 * 9);
    }
}
