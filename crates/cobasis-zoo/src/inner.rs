//! Layers whose ranks training finds: where they are, and what is left of them.

use burn::module::Param;
use burn::tensor::Tensor;
use cobasis::{CostTable, InnerFilters, Place};

use crate::model::Model;
use crate::visit::{Visit, Visiting};

/// A layer of a model of which training keeps only some [inner filters](InnerFilters).
#[derive(Clone, Debug)]
pub struct InnerLayer {
    /// Its path in the module tree.
    pub path: String,
    /// The filters, `[inner, channels_in, kernel_height, kernel_width]`.
    pub filters: Param<Tensor<4>>,
    /// What the output is made of them, `[channels_out, inner, 1, 1]`.
    pub coefficients: Param<Tensor<4>>,
}

impl InnerLayer {
    /// Its inner filters, to be asked which of them are live.
    pub fn inner(&self) -> InnerFilters<'_> {
        InnerFilters { filters: &self.filters, coefficients: &self.coefficients }
    }
}

impl Model {
    /// The layers whose ranks training finds, in the order of the computation; none where the model's
    /// name says the size of every layer.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let config = ModelConfig::new("digits/resnet14-hinge30000".parse()?);
    /// let model = config.init(&Device::flex());
    /// assert_eq!(model.inner_layers()[0].path, "stages.0.blocks.1.conv1");
    /// // Nothing is cut before training.
    /// assert!(model.inner_layers()[0].inner().live().into_iter().all(|live| live));
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    pub fn inner_layers(&self) -> Vec<InnerLayer> {
        let mut finder = Finder::default();
        self.walk(&mut Visiting(&mut finder), ());
        finder.0
    }

    /// What the layers cost at inference for an image of `[height, width]`: as [`cost`](Self::cost),
    /// of [inner filters](InnerFilters) the live ones, and nothing that only training needs.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn inference_cost(&self, [height, width]: [usize; 2]) -> CostTable {
        let mut table = CostTable::for_inference();
        self.walk(&mut table, [self.config.in_channels, height, width]);
        table
    }

    /// The parameters that inference needs: the [trainable ones](Self::parameters), of
    /// [inner filters](InnerFilters) those of the live ones, and nothing that only training needs.
    pub fn inference_parameters(&self) -> u64 {
        self.inference_cost(self.config.image()).total().params
    }
}

#[derive(Default)]
struct Finder(Vec<InnerLayer>);

impl Visit for Finder {
    fn inner_filters(&mut self, at: &Place, inner: &InnerFilters<'_>) {
        self.0.push(InnerLayer {
            path: at.to_string(),
            filters: inner.filters.clone(),
            coefficients: inner.coefficients.clone(),
        });
    }
}
