//! Numbers that no network can use.

use crate::short::quoted;
use crate::state::State;

/// Tensors that a message names.
const MAX_NAMED: usize = 4;
/// What variances are called, which are never negative.
const VARIANCE: &str = "running_var";

/// A tensor with numbers that no network can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultyTensor {
    /// Its name in the file.
    pub name: String,
    /// How many of its numbers are none (NaN).
    pub nan: usize,
    /// How many are infinite, or too large for 32 bits.
    pub infinite: usize,
    /// How many are negative and are to be variances.
    pub negative: usize,
}

/// The faulty tensors of a file.
pub(super) fn faulty(state: &State) -> Vec<FaultyTensor> {
    let tensors = state.iter().map(|(name, data)| {
        let is_variance = name.rsplit('.').next() == Some(VARIANCE);
        let (mut nan, mut infinite, mut negative) = (0, 0, 0);
        for number in data.iter::<f32>() {
            nan += usize::from(number.is_nan());
            infinite += usize::from(number.is_infinite());
            negative += usize::from(is_variance && number < 0.0);
        }
        FaultyTensor { name: name.clone(), nan, infinite, negative }
    });
    tensors.filter(|tensor| tensor.nan + tensor.infinite + tensor.negative > 0).collect()
}

/// The faulty tensors in one line.
pub(super) fn described(tensors: &[FaultyTensor]) -> String {
    let named = tensors.iter().take(MAX_NAMED).map(|tensor| {
        let counts =
            [(tensor.nan, "NaN"), (tensor.infinite, "infinite"), (tensor.negative, "negative")];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        format!("{} ({})", quoted(&tensor.name), counts.join(", "))
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match tensors.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn numbers_that_are_none_infinite_or_negative_variances_are_counted() {
        let tensors = [
            ("a.weight", vec![1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0]),
            ("bn.running_var", vec![-1.0, 0.0, -0.0]),
            ("bn.running_mean", vec![-1.0]),
        ];
        let tensors = tensors.map(|(name, values)| {
            let shape = [values.len()];
            (name.to_string(), TensorData::new(values, shape))
        });
        let said = described(&faulty(&State::from(tensors)));
        assert_eq!(said, "\"a.weight\" (1 NaN, 2 infinite), \"bn.running_var\" (1 negative)");
        let many =
            vec![FaultyTensor { name: "a".repeat(999), nan: 1, infinite: 0, negative: 0 }; 99];
        let said = described(&many);
        assert!(said.len() < 700 && said.ends_with(" and 95 more"), "{said}");
    }
}
