//! Layers whose ranks training finds: where they are, and what is left of them.

use burn::tensor::Tensor;
use cobasis::{CostTable, InnerFilters, Place};

use crate::model::Model;
use crate::visit::{Visit, Visiting};

/// A layer of a model of which training keeps only some [inner filters](InnerFilters).
#[derive(Clone, Debug)]
pub struct InnerLayer {
    /// Its path in the module tree.
    pub path: String,
    /// The inner filters, which can be asked which of them are live.
    pub inner: InnerFilters,
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
    /// assert!(model.inner_layers()[0].inner.live().into_iter().all(|live| live));
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    pub fn inner_layers(&self) -> Vec<InnerLayer> {
        let mut finder = Finder::default();
        self.walk(&mut Visiting(&mut finder), ());
        finder.0
    }

    /// The loss of the autoencoders that make the filters of some layers, summed over these, `[1]`;
    /// `None` where there are none. `goal` is the share of filters that are to be masked; without one,
    /// the masks are not made sparse.
    ///
    /// Gradients go to [the autoencoders](cobasis::CodedFilters::loss) only.
    pub fn coding_loss(&self, goal: Option<f64>) -> Option<Tensor<1>> {
        let layers = self.inner_layers().into_iter();
        let losses = layers.filter_map(|layer| match layer.inner {
            InnerFilters::Coded(coded) => Some(coded.loss(goal)),
            InnerFilters::Plain(_) => None,
        });
        losses.reduce(|sum, loss| sum + loss)
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
    fn inner_filters(&mut self, at: &Place, inner: InnerFilters) {
        self.0.push(InnerLayer { path: at.to_string(), inner });
    }
}
