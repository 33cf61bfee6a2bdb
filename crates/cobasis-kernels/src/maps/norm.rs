//! Batch norm of maps.

use burn::module::RunningState;
use burn::nn::BatchNorm;
use burn::tensor::module::batch_norm_train;
use burn::tensor::{Device, Tensor};

use super::{Layout, Maps};
use crate::activation::Activation;
#[cfg(feature = "flex")]
use crate::flex;

impl Maps {
    /// Batch norm, in training or evaluation as Burn's module decides, and what follows it:
    /// `activation(norm(self) + residual)`.
    ///
    /// In training, which is on an autodiff device unless the module is frozen, maps are normalised
    /// with the batch's mean and biased variance, and the module's running statistics move as
    /// PyTorch's do: towards the mean and the **unbiased** variance, `n / (n − 1)` times the biased
    /// one for `n = batch · height · width`. (Burn's own `BatchNorm::forward` keeps the biased
    /// one.) A single number has no unbiased variance: where `n` is 1, which PyTorch refuses, the
    /// running variance stays as it is, and the running mean moves.
    ///
    /// # Shapes
    ///
    /// - all maps: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// If the module is one of other channels, or tensors are on different devices.
    pub fn batch_norm(
        self,
        module: &BatchNorm,
        residual: Option<Maps>,
        activation: Activation,
    ) -> Maps {
        let [batch, channels, height, width] = self.dims();
        assert_eq!(channels, module.gamma.dims()[0], "channels of the batch norm");
        let device = self.tensor.device();
        let training = device.is_autodiff() && module.training.is_enabled();
        match self.layout {
            Layout::ChannelsFirst if training => {
                let (gamma, beta) = (module.gamma.val(), module.beta.val());
                let normed = batch_norm_train(self.tensor, gamma, beta, module.epsilon);
                let statistics = [normed.mean, normed.variance];
                move_running(module, statistics, batch * height * width, &device);
                let tensor = normed.output;
                Self { tensor, layout: self.layout }.followed_by(residual.as_ref(), activation)
            }
            Layout::ChannelsFirst => {
                let tensor = module.forward(self.tensor);
                Self { tensor, layout: self.layout }.followed_by(residual.as_ref(), activation)
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast if training => {
                let residual = residual.map(|maps| maps.to_layout(self.layout));
                let (tensor, statistics) =
                    flex::norm_train(self.tensor, module, residual, activation);
                move_running(module, statistics, batch * height * width, &device);
                Self { tensor, layout: self.layout }
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => {
                let mean = module.running_mean.value().to_device(&device);
                let variance = module.running_var.value().to_device(&device);
                let scale = module.gamma.val() / variance.add_scalar(module.epsilon).sqrt();
                self.centred(Some(mean), scale, module.beta.val(), residual, activation)
            }
        }
    }

    /// `activation(scale · self + shift)`, with numbers for each channel, `[channels]`.
    pub fn affine(self, scale: Tensor<1>, shift: Tensor<1>, activation: Activation) -> Maps {
        self.centred(None, scale, shift, None, activation)
    }

    /// `activation(scale · (self − mean) + shift + residual)`
    fn centred(
        self,
        mean: Option<Tensor<1>>,
        scale: Tensor<1>,
        shift: Tensor<1>,
        residual: Option<Maps>,
        activation: Activation,
    ) -> Maps {
        let Self { tensor: x, layout } = self;
        #[cfg(feature = "flex")]
        if layout == Layout::ChannelsLast {
            let mean = mean.clone().unwrap_or_else(|| shift.zeros_like());
            let residual = residual.as_ref().map(|maps| maps.to_layout(layout));
            let numbers = [&mean, &scale, &shift];
            if let Some(tensor) = flex::norm_with(&x, numbers, residual, activation) {
                return Self { tensor, layout };
            }
        }
        let shape = layout.per_channel(1, shift.dims()[0]);
        let x = mean.map_or_else(|| x.clone(), |mean| x.clone() - mean.reshape(shape));
        let tensor = x * scale.reshape(shape) + shift.reshape(shape);
        Self { tensor, layout }.followed_by(residual.as_ref(), activation)
    }
}

/// Moves the module's running statistics towards the mean and biased variance of a batch in which
/// each channel has so many numbers.
fn move_running(module: &BatchNorm, statistics: [Tensor<1>; 2], count: usize, device: &Device) {
    let [mean, variance] = statistics;
    let step = |running: &RunningState<Tensor<1>>, batch: Tensor<1>, factor: f64| {
        let before = running.value_sync().to_device(device).mul_scalar(1.0 - module.momentum);
        running.update((before + batch.mul_scalar(module.momentum * factor)).detach());
    };
    step(&module.running_mean, mean, 1.0);
    if count > 1 {
        step(&module.running_var, variance, count as f64 / (count - 1) as f64);
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;
    use burn::nn::BatchNormConfig;

    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn devices() -> [Device; 2] {
        [Device::flex().autodiff(), Device::ndarray().autodiff()]
    }

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    /// The running mean and variance after one batch, and the largest number of the output.
    fn after<const N: usize>(images: [[[[f32; 1]; N]; 1]; 2], device: &Device) -> [f32; 3] {
        let norm = BatchNormConfig::new(1).init(device);
        let y = Maps::from(Tensor::<4>::from_data(images, device));
        let y = y.batch_norm(&norm, None, Activation::None).into_tensor();
        let running = [&norm.running_mean, &norm.running_var].map(|state| state.value_sync());
        let [mean, variance] = running.map(|tensor| values(tensor)[0]);
        [mean, variance, values(y.max())[0]]
    }

    #[test]
    fn running_variances_are_pytorchs() {
        for device in devices() {
            // Mean 3, biased variance 3.5, unbiased 14 / 3; torch.nn.BatchNorm2d(1) has 0.3 and
            // 1.3666667 after it, and gives 3 / sqrt(3.5 + 1e-5) for the largest.
            let [mean, variance, largest] = after([[[[1.0], [2.0]]], [[[3.0], [6.0]]]], &device);
            assert!((mean - 0.3).abs() < 1e-6, "{mean} on {device:?}");
            assert!((variance - 1.366_666_7).abs() < 1e-6, "{variance} on {device:?}");
            assert!((largest - 1.603_565).abs() < 1e-5, "{largest} on {device:?}");
        }
    }

    #[test]
    fn a_single_number_a_channel_leaves_the_running_variance() {
        for device in devices() {
            let norm = BatchNormConfig::new(2).init(&device);
            let x = Maps::from(Tensor::<4>::from_data([[[[4.0]], [[-2.0]]]], &device));
            let y = x.batch_norm(&norm, None, Activation::None).into_tensor();
            assert_eq!(values(y.flatten(0, 3)), [0.0, 0.0]);
            assert_eq!(values(norm.running_mean.value_sync()), [0.4, -0.2]);
            assert_eq!(values(norm.running_var.value_sync()), [1.0, 1.0]);
        }
    }

    #[test]
    fn a_frozen_norm_keeps_its_statistics() {
        use burn::module::Module;
        for device in devices() {
            let norm = BatchNormConfig::new(1).init(&device).freeze();
            let x = Maps::from(Tensor::<4>::from_data([[[[4.0, 8.0]]]], &device));
            let y = x.batch_norm(&norm, None, Activation::None).into_tensor();
            assert!((values(y.max())[0] - 8.0).abs() < 1e-4);
            let running = [&norm.running_mean, &norm.running_var].map(|state| state.value_sync());
            assert_eq!(running.map(values), [[0.0], [1.0]]);
        }
    }
}
