//! Parameters that start with the factor that gives composed filters their deviation.

use std::collections::HashMap;

use burn::module::{Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use cobasis::{Composed, Convolution, Filters, Place, Start};

use super::starts::{Starts, Value};
use crate::model::Model;
use crate::state;
use crate::visit::{Visit, Visiting};

/// The model with these values, those of parameters that say which deviation the filters have that they
/// compose times the factor for it.
pub(super) fn to_deviations(
    model: Model,
    starts: &Starts,
    values: HashMap<ParamId, TensorData>,
) -> Model {
    let is_composing =
        |id: ParamId| matches!(starts.of(id), Some(Value::Starts(Start::Composing { .. })));
    let drawn = values.iter().filter(|(id, _)| is_composing(**id));
    let drawn: Vec<(ParamId, TensorData)> = drawn.map(|(&id, data)| (id, data.clone())).collect();
    let model = state::replace(model, values);
    if drawn.is_empty() {
        return model;
    }
    let mut factors = Factors::default();
    model.walk(&mut Visiting(&mut factors), ());
    let scaled = drawn.into_iter().map(|(id, data)| {
        let factor = factors.0[&id];
        let numbers = data.iter::<f32>().map(|number| (factor * f64::from(number)) as f32);
        (id, TensorData::new(numbers.collect::<Vec<f32>>(), data.shape().to_vec()))
    });
    state::replace(model, scaled.collect())
}

/// The factors of parameters.
#[derive(Default)]
struct Factors(HashMap<ParamId, f64>);

impl Factors {
    fn composed(&mut self, composed: &Composed<'_>) {
        for source in &composed.own {
            if let Start::Composing { deviation, degree } = source.start {
                let factor = deviation / root_mean_square(composed.value.filters());
                self.0.insert(source.id, rounded(factor.powf(1.0 / degree as f64)));
            }
        }
    }
}

impl Visit for Factors {
    fn conv(&mut self, _: &Place, conv: &Convolution<'_>) {
        if let Filters::Composed(composed) = &conv.filters {
            self.composed(composed);
        }
    }

    fn composed_linear(&mut self, weights: &Composed<'_>, _: &Param<Tensor<1>>) {
        self.composed(weights);
    }
}

fn root_mean_square(filters: Tensor<4>) -> f64 {
    let filters = filters.into_data();
    let squares: f64 = filters.iter::<f64>().map(|number| number * number).sum();
    (squares / filters.num_elements() as f64).sqrt()
}

/// To 12 bits, so that devices, which round differently, start alike.
fn rounded(factor: f64) -> f64 {
    f64::from_bits((factor.to_bits() + (1 << 39)) & !((1 << 40) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_rounded_to_12_bits() {
        assert_eq!(rounded(1.5), 1.5);
        assert_eq!(rounded(1.0 + 1.0 / 4096.0), 1.0 + 1.0 / 4096.0);
        assert_eq!(rounded(0.7 + 1e-7), rounded(0.7 - 1e-7));
        assert!((rounded(123.456) / 123.456 - 1.0).abs() < 1.0 / 8192.0);
    }
}
