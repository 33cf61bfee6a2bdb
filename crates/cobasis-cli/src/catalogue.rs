//! What there is to know about a model without training it.

use burn::tensor::Device;
use cobasis_zoo::cobasis::{CostTable, Part};
use cobasis_zoo::listing::published;
use cobasis_zoo::{Model, ModelConfig, ModelName};
use serde::Serialize;

/// A model in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCard {
    /// The model's name.
    pub name: String,
    /// What is to be known of its sharing method, such as that it is a reconstruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// Classes.
    pub classes: usize,
    /// The image that the multiply-accumulates are for, `[channels, height, width]`.
    pub input: [usize; 3],
    /// Trainable parameters.
    pub params: Params,
    /// What of them inference needs, where training finds the ranks of layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
    /// Running statistics of batch norms, which are not trained.
    pub buffers: u64,
    /// Multiply-accumulates of convolutions and the classifier for one image.
    pub macs: u64,
    /// The same network with ordinary convolutions.
    pub dense: Dense,
    /// The published result, if there is one.
    pub published: Option<Published>,
    /// The layers in the order of `forward`.
    pub layers: Vec<Layer>,
}

/// Trainable parameters by role, each shared tensor once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Params {
    /// All.
    pub total: u64,
    /// Filters that several layers use.
    pub shared: u64,
    /// Basis filters of one layer.
    pub unique: u64,
    /// `1×1` coefficients.
    pub coefficients: u64,
    /// Everything else: dense layers and norms.
    pub rest: u64,
}

/// What inference needs of a model of which training keeps only some filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Inference {
    /// Parameters: those that are left, or at most so many before training.
    pub params: u64,
    /// Multiply-accumulates for one image; not known before training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<u64>,
    /// Whether the model was not cut yet, so that the number is what its name allows.
    pub at_most: bool,
}

/// A model against its dense parent.
#[derive(Clone, Debug, Serialize)]
pub struct Dense {
    /// The parent's name.
    pub name: String,
    /// The parent's trainable parameters.
    pub params: u64,
    /// The parent's multiply-accumulates.
    pub macs: u64,
    /// Parameters of the model for each of the parent's.
    pub params_ratio: f64,
    /// Multiply-accumulates of the model for each of the parent's.
    pub macs_ratio: f64,
}

/// A published result.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Published {
    /// Top-1 error on the test set in percent, best epoch.
    pub top1_error: f64,
    /// Where it was published.
    pub source: &'static str,
}

/// One layer.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// Where it is in the module tree.
    pub path: String,
    /// The role of its parameters.
    pub part: &'static str,
    /// Output shape for one image; none for filters without a forward pass of their own.
    pub output: Option<[usize; 3]>,
    /// Trainable parameters.
    pub params: u64,
    /// Running statistics.
    pub buffers: u64,
    /// Multiply-accumulates; those of shared filters stand with the layers that use them.
    pub macs: u64,
    /// For shared filters: the layers that use them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}

impl ModelCard {
    /// The card of a model, for images of `[height, width]` or those of its data set.
    pub fn new(name: ModelName, input: Option<[usize; 2]>) -> Self {
        Self::of_config(&ModelConfig::new(name), input)
    }

    /// The card of a model of this configuration, for images of `[height, width]` or its usual ones.
    pub fn of_config(config: &ModelConfig, input: Option<[usize; 2]>) -> Self {
        let size = input.unwrap_or(config.image());
        let table = cost(config, size);
        let inference = at_most(&config.name, &table);
        Self::of(config, size, &table, inference)
    }

    /// The card of a model with weights, for images of `[height, width]` or those that it was trained
    /// on.
    pub fn of_model(model: &Model, input: Option<[usize; 2]>) -> Self {
        let (config, size) = (&model.config, input.unwrap_or(model.config.image()));
        let table = model.cost(size);
        let inference = at_most(&config.name, &table).map(|most| {
            let left = model.inference_cost(size).total();
            match left.params > most.params {
                true => most,
                false => Inference { params: left.params, macs: Some(left.macs), at_most: false },
            }
        });
        Self::of(config, size, &table, inference)
    }

    fn of(
        config: &ModelConfig,
        size: [usize; 2],
        table: &CostTable,
        inference: Option<Inference>,
    ) -> Self {
        let name = &config.name;
        let dense = cost(&config.dense(), size).total();
        let total = table.total();
        let params = |part| table.total_of(part).params;
        Self {
            name: name.to_string(),
            note: name.note(),
            classes: config.num_classes,
            input: [config.in_channels, size[0], size[1]],
            params: Params {
                total: total.params,
                shared: params(Part::Shared),
                unique: params(Part::Unique),
                coefficients: params(Part::Coefficients),
                rest: params(Part::Other),
            },
            inference,
            buffers: total.buffers,
            macs: total.macs,
            dense: Dense {
                name: name.dense().to_string(),
                params: dense.params,
                macs: dense.macs,
                params_ratio: total.params as f64 / dense.params as f64,
                macs_ratio: total.macs as f64 / dense.macs as f64,
            },
            published: published(name)
                .map(|row| Published { top1_error: row.error, source: row.source }),
            layers: layers(table),
        }
    }
}

/// What inference needs at most of a model whose name says how many weights may be left in the layers
/// whose ranks training finds.
fn at_most(name: &ModelName, table: &CostTable) -> Option<Inference> {
    let limit = name.weight_limit()? as u64;
    let layers = [Part::Unique, Part::Coefficients].map(|part| table.total_of(part).params);
    let params = table.total().params - layers.iter().sum::<u64>() + limit;
    Some(Inference { params, macs: None, at_most: true })
}

fn cost(config: &ModelConfig, size: [usize; 2]) -> CostTable {
    // Counting touches no weights; any device will do.
    config.cost(size, &Device::flex())
}

fn layers(table: &CostTable) -> Vec<Layer> {
    let rows = table.rows().iter().map(|row| Layer {
        path: row.path.clone(),
        part: match row.part {
            Part::Shared => "shared",
            Part::Unique => "unique",
            Part::Coefficients => "coefficients",
            Part::Other => "rest",
        },
        output: row.output,
        params: row.cost.params,
        buffers: row.cost.buffers,
        macs: row.cost.macs,
        used_by: row.used_by.clone(),
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cobasis_zoo::listing;

    fn card(name: &str) -> ModelCard {
        ModelCard::new(name.parse().expect("a name"), None)
    }

    #[test]
    fn parts_make_up_the_whole() {
        for name in listing::names() {
            let card = ModelCard::new(name.clone(), None);
            let Params { total, shared, unique, coefficients, rest } = card.params;
            assert_eq!(total, shared + unique + coefficients + rest, "{name}");
            let suffix = name.suffix().unwrap_or_default();
            let alone = ["s0", "lowrank", "tai", "tucker", "width", "hashed"]
                .iter()
                .any(|start| suffix.starts_with(start));
            assert_eq!(shared > 0, !suffix.is_empty() && !alone, "{name}");
            assert_eq!(card.dense.params_ratio == 1.0, name.sharing().is_none(), "{name}");
        }
    }

    #[test]
    fn the_table_counts_what_the_modules_hold() {
        let device = Device::flex();
        for name in listing::names()
            .filter(|name| name.dataset() != "cifar100" && name.dataset() != "imagenet")
        {
            let card = ModelCard::new(name.clone(), None);
            let model = ModelConfig::new(name).init(&device);
            let counted = model.parameters();
            assert_eq!((card.params.total, card.buffers), (counted.trainable, counted.buffers));
        }
    }

    #[test]
    fn a_basis_stands_once_with_its_users() {
        let card = card("cifar10/resnet32-s16u1");
        let bases: Vec<&Layer> = card.layers.iter().filter(|l| l.part == "shared").collect();
        assert_eq!(bases.len(), 3);
        assert_eq!(bases[1].params, 32 * 32 * 9);
        assert_eq!(bases[1].used_by.len(), 8);
        assert_eq!(bases[1].used_by[0], "stages.1.blocks.1.conv1");
    }

    #[test]
    fn a_model_that_is_to_be_cut_has_at_most_what_its_name_says() {
        let card = card("cifar10/resnet20-hinge48888");
        let inference = card.inference.expect("ranks to find");
        assert_eq!(inference, Inference { params: 76_186 + 48_888, macs: None, at_most: true });
        let device = Device::flex();
        let model = |name: &str| ModelConfig::new(name.parse().expect("a name")).init(&device);
        let of_model = |name: &str| ModelCard::of_model(&model(name), None);
        let uncut = of_model("cifar10/resnet20-hinge48888");
        assert_eq!((uncut.inference, uncut.params), (card.inference, card.params));
        // With all of its weights, nothing is to be cut.
        let whole = of_model("digits/resnet14-hinge107520");
        let inference = whole.inference.expect("ranks to find");
        assert_eq!(
            inference,
            Inference { params: whole.params.total, macs: Some(whole.macs), at_most: false }
        );
        assert_eq!(of_model("digits/resnet14-s8u1").inference, None);
    }

    #[test]
    fn twice_the_side_costs_four_times_the_work() {
        let name: ModelName = "cifar10/resnet20".parse().expect("a name");
        let (small, large) =
            (ModelCard::new(name.clone(), None), ModelCard::new(name, Some([64, 64])));
        assert_eq!(large.macs - 640, 4 * (small.macs - 640), "the classifier's 640 stay");
    }
}
