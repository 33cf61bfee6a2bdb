//! Batch norm of maps.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use super::{Layout, Maps};
use crate::activation::Activation;
#[cfg(feature = "flex")]
use crate::flex;

impl Maps {
    /// Batch norm, in training or evaluation as Burn's module decides, and what follows it:
    /// `activation(norm(self) + residual)`.
    ///
    /// In training the module's running statistics move as Burn moves them.
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
        match self.layout {
            Layout::ChannelsFirst => {
                let tensor = module.forward(self.tensor);
                Self { tensor, ..self }.followed_by(residual.as_ref(), activation)
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => {
                assert_eq!(self.dims()[1], module.gamma.dims()[0], "channels of the batch norm");
                let device = self.tensor.device();
                if device.is_autodiff() && module.training.is_enabled() {
                    let residual = residual.map(|maps| maps.to_layout(self.layout));
                    let tensor = flex::norm_train(self.tensor, module, residual, activation);
                    return Self { tensor, ..self };
                }
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
