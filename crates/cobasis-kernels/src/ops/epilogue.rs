//! What follows a convolution or batch norm.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, relu6};

use crate::conv::Activation;
use crate::maps::{Layout, Maps};

/// What is done to maps after a convolution or batch norm, in the same pass: `act(y + residual)`.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// Maps of the output's shape that are added.
    pub residual: Option<Maps>,
    /// The function that is applied last.
    pub activation: Activation,
}

impl Epilogue {
    /// Nothing but this function.
    pub fn activation(activation: Activation) -> Self {
        Self { residual: None, activation }
    }

    /// The epilogue by Burn's own operations.
    pub(super) fn apply(self, tensor: Tensor<4>, layout: Layout) -> Maps {
        let tensor = match self.residual {
            Some(residual) => tensor + residual.to_layout(layout).into_parts().0,
            None => tensor,
        };
        let tensor = match self.activation {
            Activation::None => tensor,
            Activation::Relu => relu(tensor),
            Activation::Relu6 => relu6(tensor),
        };
        Maps::new(tensor, layout)
    }
}
