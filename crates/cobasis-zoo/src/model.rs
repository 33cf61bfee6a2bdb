//! A model: a network, the banks of filters that it shares, a classifier, and its name.

mod tensors;

use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::Tensor;
use cobasis::ortho::{Counted, Family, FilterGroup, penalty};
use cobasis::{Bases, CostTable, FilterBasis, Forward, Maps, ParameterCount, Pass, Place};

use crate::adapter::{Adapter, Adapting};
use crate::banks::{Banks, Scope, Shared};
use crate::config::ModelConfig;
use crate::detector::{Point, decode, points};
use crate::head::Head;
use crate::network::Network;
use crate::stage_maps::StageMaps;
use crate::unique::UniqueFilters;
use crate::visit::{Visit, Visiting};

/// A network, with what there is to know about it.
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
/// use cobasis_zoo::ModelConfig;
///
/// let device = Device::flex();
/// let model = ModelConfig::new("cifar10/resnet20-s8u1".parse()?).init(&device);
/// let images = Tensor::zeros([2, 3, 32, 32], &device);
/// assert_eq!(model.forward(images.clone()).dims(), [2, 10]);
/// assert_eq!(model.bases()[0].0, "stages.0.bases.0");
/// assert_eq!(model.parameters().trainable, 125_074);
///
/// // For use: batch norms folded, of each layer the cheaper form.
/// let deployed = model.deploy(&device);
/// assert_eq!(deployed.forward(images).dims(), [2, 10]);
/// # Ok::<(), cobasis_zoo::ModelNameError>(())
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Model {
    /// The filters that layers share, in one place: the only one that owns them.
    pub bases: Bases,
    /// The layers from the images to the last maps; they borrow the bases.
    pub network: Network,
    /// The classifier, or what a detector has in its place.
    pub head: Head,
    /// What a task has in the place of a frozen base's filters and batch norms.
    pub adapter: Option<Adapter>,
    /// What it was made from.
    #[module(skip)]
    pub config: ModelConfig,
    /// What there is to know about the bases.
    #[module(skip)]
    pub(crate) banks: Banks,
}

impl Model {
    /// Logits of shape `[batch, classes]` for images of shape `[batch, channels, height, width]`; of a
    /// [detector](crate::detector), `[batch, points × (5 + classes)]`: of every [point](Self::points) the
    /// edges of its box, left, top, right and bottom in pixels, then the logit of how good the box is,
    /// then those of the classes.
    ///
    /// On an autodiff device the batch norms use the batch's statistics; call
    /// [`valid`](Module::valid) first to evaluate.
    ///
    /// # Panics
    ///
    /// Panics if the images have other channels than the model takes, or are too small for it.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let Some(detector) = &self.config.detector else {
            return self.classify(self.pooled(images));
        };
        self.check_channels(&images);
        let [_, _, height, width] = images.dims();
        let predictions = self.walk(&mut Forward, images.into());
        decode(detector.coding, predictions, &self.points([height, width]))
    }

    /// The output of every stage, `[batch, channels, height, width]` each, for images of shape
    /// `[batch, channels, height, width]`: what detection and segmentation networks build on. In a
    /// DenseNet, of every stage before its transition.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex();
    /// let model = ModelConfig::new("cifar10/resnet20".parse()?).init(&device);
    /// let features = model.forward_features(Tensor::zeros([1, 3, 32, 32], &device));
    /// let shapes: Vec<_> = features.iter().map(|maps| maps.dims()).collect();
    /// assert_eq!(shapes, [[1, 16, 32, 32], [1, 32, 16, 16], [1, 64, 8, 8]]);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        self.check_channels(&images);
        let mut outputs = StageMaps::kept();
        self.walk_to_maps(&mut Forward, images.into(), &mut outputs);
        outputs.into_all().into_iter().map(Maps::into_tensor).collect()
    }

    /// The features that the classifier sees: `[batch, features]` for images of shape
    /// `[batch, channels, height, width]`.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn pooled(&self, images: Tensor<4>) -> Tensor<2> {
        self.check_channels(&images);
        let maps = self.walk_to_maps(&mut Forward, images.into(), &mut StageMaps::let_go());
        Forward.global_average(maps)
    }

    /// Logits of shape `[batch, classes]` for [pooled](Self::pooled) features.
    ///
    /// # Panics
    ///
    /// Panics if the model is a [detector](crate::detector), which has no classifier.
    pub fn classify(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.head.classify(&mut Forward, &self.bases, pooled)
    }

    /// The points of a [detector](crate::detector) in images of `[height, width]`, in the order of its
    /// output; none in a classifier.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn points(&self, [height, width]: [usize; 2]) -> Vec<Point> {
        let Head::Detector(detector) = &self.head else { return Vec::new() };
        let mut outputs = StageMaps::kept();
        let image = [self.config.in_channels, height, width];
        let last = self.walk_to_maps(&mut CostTable::default(), image, &mut outputs);
        let maps = detector.maps(outputs.into_all(), last);
        let sizes = maps.into_iter().map(|[_, height, width]| [height, width]);
        points(&detector.strides(), sizes)
    }

    /// The bases and their paths in files, such as `stages.1.bases.0`, in the order of their numbers.
    pub fn bases(&self) -> Vec<(String, &FilterBasis)> {
        self.banks.iter().map(|(id, _)| (self.banks.path(id), &self.bases[id])).collect()
    }

    /// What there is to know about the bases.
    pub fn banks(&self) -> &Banks {
        &self.banks
    }

    /// The bases, as the penalty takes them: families of stages, with the unique filters of each
    /// stage's layers in the first family.
    pub fn families(&self) -> Vec<Family> {
        let mut unique = UniqueFilters::default();
        self.walk(&mut Visiting(&mut unique), ());
        let families = self.banks.families().into_iter().enumerate();
        let families = families.map(|(family, groups)| {
            let groups = groups.into_iter().map(|(scope, ids)| FilterGroup {
                shared: ids.into_iter().map(|id| self.bases[id].weight.val()).collect(),
                unique: match scope {
                    Scope::Stage(_) | Scope::Head if family == 0 => unique.of(scope),
                    Scope::Stage(_) | Scope::Head | Scope::Network => Vec::new(),
                },
            });
            groups.collect()
        });
        families.collect()
    }

    /// The orthonormality penalty of the model's bases, counted as in the authors' objective for it:
    /// what a training loss adds, multiplied by λ = 10 in the paper. `None` if it shares nothing that
    /// is to be orthonormal.
    pub fn penalty(&self) -> Option<Tensor<1>> {
        self.penalty_with(self.config.name.entry().penalty)
    }

    /// The orthonormality penalty of the given filters.
    pub fn penalty_with(&self, counted: Counted) -> Option<Tensor<1>> {
        penalty(&self.families(), counted)
    }

    /// Trainable parameters and running statistics, each tensor once; of an [adapted](crate::adapter) model those of its
    /// base and its own, which [`adapter_count`](Self::adapter_count) tells apart.
    ///
    /// Burn's `num_params` adds both, and so counts more.
    pub fn parameters(&self) -> ParameterCount {
        ParameterCount::of(self)
    }

    /// What the layers cost for an image of `[height, width]`, each basis once.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn cost(&self, [height, width]: [usize; 2]) -> CostTable {
        let mut table = CostTable::default();
        self.walk(&mut table, [self.config.in_channels, height, width]);
        table
    }

    /// A pass from the images to the logits or to a detector's predictions.
    pub(crate) fn walk<P: Pass>(&self, pass: &mut P, images: P::Map) -> P::Vector {
        match &self.head {
            Head::Detector(detector) => {
                let mut outputs = StageMaps::kept();
                let last = self.walk_to_maps(pass, images, &mut outputs);
                self.shared().enter(Scope::Head, pass);
                let maps = detector.maps(outputs.into_all(), last);
                detector.pass(pass, &Place::ROOT.field("head"), &self.bases, maps)
            }
            classifier => {
                let maps = self.walk_to_maps(pass, images, &mut StageMaps::let_go());
                let pooled = pass.global_average(maps);
                classifier.classify(pass, &self.bases, pooled)
            }
        }
    }

    /// A pass from the images to the maps before global average pooling.
    fn walk_to_maps<P: Pass>(
        &self,
        pass: &mut P,
        images: P::Map,
        outputs: &mut StageMaps<P::Map>,
    ) -> P::Map {
        self.shared().enter(Scope::Network, pass);
        match &self.adapter {
            Some(adapter) => {
                let mut adapting = Adapting::new(adapter, pass);
                self.network.pass(&mut adapting, self.shared(), images, outputs)
            }
            None => self.network.pass(pass, self.shared(), images, outputs),
        }
    }

    /// Looks at the layers of the network up to its last maps, without an adapter.
    pub(crate) fn visit_network(&self, visitor: &mut impl Visit) {
        let outputs = &mut StageMaps::let_go();
        self.network.pass(&mut Visiting(visitor), self.shared(), (), outputs);
    }

    fn shared(&self) -> Shared<'_> {
        Shared { bases: &self.bases, banks: &self.banks }
    }

    fn check_channels(&self, images: &Tensor<4>) {
        let (expected, [_, got, ..]) = (self.config.in_channels, images.dims());
        assert!(expected == got, "the model takes images of {expected} channels, got {got}");
    }
}

/// Of the configuration, the name.
impl ModuleDisplay for Model {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(true).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = content.add("name", &self.config.name.to_string());
        let content = content.add("bases", &self.bases).add("network", &self.network);
        let content = content.add("head", &self.head);
        match (&self.config.adapter, &self.adapter) {
            (Some(config), Some(adapter)) => {
                content.add(&format!("adapter {}", config.kind), adapter).optional()
            }
            _ => content.optional(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_printed_model_says_its_name_on_short_lines() {
        let name = "digits/resnet14-s8u1".parse().expect("a name");
        let text = ModelConfig::new(name).init(&Device::flex()).to_string();
        assert!(text.contains("name: digits/resnet14-s8u1\n"), "{text}");
        assert!(!text.contains("ModelConfig") && !text.contains("Banks"), "{text}");
        assert!(text.lines().all(|line| line.len() < 200), "{text}");
    }
}
