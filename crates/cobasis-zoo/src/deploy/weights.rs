//! Weights of fewer bits: rounded, and as files have them.

use std::collections::BTreeMap;

use burn::tensor::{TensorData, f16};
use cobasis_run::weights::{output_side, products, scales, whole};

pub use cobasis_run::weights::Weights;

use super::Deployed;
use crate::short::quoted;
use crate::state::{self, State};

/// The form of a deployed model's weights in files.
#[derive(Clone, Debug)]
pub(super) enum Form {
    F32,
    F16,
    /// With the scales of each weight's output channels, by the names that files have.
    Int8(BTreeMap<String, Vec<f32>>),
}

/// A tensor as files have it.
pub(crate) struct Stored {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Numbers,
}

pub(crate) enum Numbers {
    F32(Vec<f32>),
    F16(Vec<u16>),
    I8 { values: Vec<i8>, scales: Vec<f32> },
}

/// Why a model's weights can't be written with fewer bits.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("tensor {}: expected numbers up to {most:e} for weights of {weights}, got {got:e}", quoted(.tensor))]
pub struct WeightsError {
    /// The tensor.
    pub tensor: String,
    /// The form that was asked for.
    pub weights: Weights,
    /// The largest number of this form.
    pub most: f32,
    /// The number that is larger, infinite or none.
    pub got: f32,
}

impl Deployed {
    /// The form of its weights in files.
    pub fn weights(&self) -> Weights {
        match self.form {
            Form::F32 => Weights::F32,
            Form::F16 => Weights::F16,
            Form::Int8(_) => Weights::Int8,
        }
    }

    /// The model with weights of this form: those of filters and of the classifier are rounded to what files
    /// then have, so that it computes what its files compute. The other numbers, one or two for each
    /// channel, stay as they are. Rounded weights do not become what they were when more bits are asked for.
    ///
    /// Of `f16`, each weight is the nearest of 16 bits; of `int8`, each output channel has a scale, its
    /// largest magnitude over 127, and its weights are the nearest multiples of it.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::deploy::Weights;
    /// use cobasis_zoo::{ModelConfig, files};
    ///
    /// let device = Device::flex();
    /// let model = ModelConfig::new("digits/resnet14-s8u1".parse()?).init(&device);
    /// let deployed = model.deploy(&device).with_weights(Weights::Int8)?;
    /// let bytes = files::deployed_to_bytes(&deployed);
    /// let same = files::deployed_from_bytes(&bytes, &device)?;
    /// assert_eq!((same.weights(), same.state()), (Weights::Int8, deployed.state()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a number is none, infinite, or larger than the form allows: 65,504 in 16 bits.
    pub fn with_weights(mut self, weights: Weights) -> Result<Self, WeightsError> {
        if self.weights() == weights {
            return Ok(self);
        }
        self.form = Form::F32;
        if weights == Weights::F32 {
            return Ok(self);
        }
        let mut state = self.state();
        let mut all_scales = BTreeMap::new();
        for (name, data) in &mut state {
            let shape = data.shape().to_vec();
            let mut values: Vec<f32> = data.iter::<f32>().collect();
            let most = match (output_side(&shape), weights) {
                (Some(_), Weights::F16) => f16::MAX.to_f32(),
                // With the smallest whole number, -128, the product with a scale is a number too.
                (Some(_), Weights::Int8) => f32::MAX / 2.0,
                _ => f32::MAX,
            };
            let number = |value: f32| match weights {
                Weights::F16 if most < f32::MAX => f16::from_f32(value).to_f32(),
                _ => value,
            };
            // What is a little above the largest is rounded down.
            let is_fine = |value: f32| number(value).abs() <= most;
            if let Some(&got) = values.iter().find(|&&value| !is_fine(value)) {
                return Err(WeightsError { tensor: name.clone(), weights, most, got });
            }
            values.iter_mut().for_each(|value| *value = number(*value));
            if weights == Weights::Int8 && output_side(&shape).is_some() {
                let own = scales(&values, &shape);
                values = products(whole(&values, &shape, &own), &shape, &own);
                all_scales.insert(name.clone(), own);
            }
            *data = TensorData::new(values, shape);
        }
        let mut rounded = self.with_state(state);
        rounded.form = match weights {
            Weights::Int8 => Form::Int8(all_scales),
            _ => Form::F16,
        };
        Ok(rounded)
    }

    /// The model with the tensors of a file of this form, and the scales that those of `int8` had.
    pub(crate) fn of_form(mut self, weights: Weights, scales: BTreeMap<String, Vec<f32>>) -> Self {
        self.form = match weights {
            Weights::F32 => Form::F32,
            Weights::F16 => Form::F16,
            Weights::Int8 => Form::Int8(scales),
        };
        self
    }

    /// All tensors as files have them, by the names of [`state`](Self::state).
    pub(crate) fn stored(&self) -> BTreeMap<String, Stored> {
        let stored = self.state().into_iter().map(|(name, data)| {
            let shape = data.shape().to_vec();
            let values: Vec<f32> = data.iter::<f32>().collect();
            let numbers = match (&self.form, output_side(&shape)) {
                (Form::F16, Some(_)) => {
                    let halves = values.iter().map(|&value| f16::from_f32(value).to_bits());
                    Numbers::F16(halves.collect())
                }
                (Form::Int8(all_scales), Some(_)) => {
                    // Those that it has been rounded with; multiples of them are found again.
                    let own = all_scales.get(&name).cloned();
                    let scales = own.unwrap_or_else(|| scales(&values, &shape));
                    Numbers::I8 { values: whole(&values, &shape, &scales), scales }
                }
                _ => Numbers::F32(values),
            };
            (name, Stored { shape, numbers })
        });
        stored.collect()
    }

    fn with_state(self, state: State) -> Self {
        let names = self.names();
        state::write(self, state, |path| names.get(&path).cloned().unwrap_or(path))
            .expect("its own tensors")
    }
}
