//! What methods are compared by: parameters, multiply-accumulates, and what is beside them.

use burn::tensor::Device;
use cobasis::{Cost, CostTable};
use serde::Serialize;

use super::left;
use crate::config::ModelConfig;
use crate::name::ModelName;

/// What a network costs at inference, for an image of its data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// Multiply-accumulates of convolutions and the classifier.
    pub macs: u64,
    /// Multiply-adds that compute kernels from parameters, once a forward pass, whatever the number of
    /// images. They fall away in use, where kernels are computed beforehand.
    pub composition: u64,
    /// Bits of fixed tables, such as indices, which are no parameters. They need not be stored where a
    /// seed makes the table again.
    pub index_bits: u64,
    /// Whether parameters and multiply-accumulates are the most there may be, because training finds how
    /// many filters are left.
    pub at_most: bool,
}

impl Counts {
    /// Those of a network of the zoo, for an image of its data set. The device is asked nothing.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis_zoo::fit::Counts;
    ///
    /// let counts = Counts::of(&"cifar10/resnet32-lowrank3,5,11".parse()?, &Device::flex());
    /// assert_eq!(counts.params, 150_042);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    pub fn of(name: &ModelName, device: &Device) -> Self {
        Self::of_config(&ModelConfig::new(name.clone()), device)
    }

    /// Those of a model, for an image as it is trained on.
    pub fn of_config(config: &ModelConfig, device: &Device) -> Self {
        let table = table(config, device);
        let counts = Self::of_table(&table);
        match config.name.weight_limit() {
            Some(limit) => counts.left_with(limit as u64, &table),
            None => counts,
        }
    }

    /// Those of a model in training, which may have more than inference needs.
    pub fn in_training(config: &ModelConfig, device: &Device) -> Self {
        Self::of_table(&table(config, device))
    }

    fn of_table(table: &CostTable) -> Self {
        let (total, made) = (table.total(), table.composition());
        Self {
            params: total.params,
            macs: total.macs,
            composition: made.macs,
            index_bits: made.index_bits,
            at_most: false,
        }
    }

    /// The most that is left where so many weights may be left in the layers whose ranks training finds.
    fn left_with(self, limit: u64, table: &CostTable) -> Self {
        let of_all: Cost = left::rows(table).map(|row| row.cost).sum();
        Self {
            params: self.params - of_all.params + limit,
            macs: self.macs - of_all.macs + left::most_macs(table, limit),
            at_most: true,
            ..self
        }
    }
}

/// What a model costs, layer by layer.
fn table(config: &ModelConfig, device: &Device) -> CostTable {
    config.cost(config.image(), device)
}
