//! The grammar of model names, shared by the registry, configs and the command line.

mod error;
#[cfg(test)]
mod tests;
mod written;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::registry::{self, Entry};
use crate::sharing::{Blocks, Sharing};
use crate::short::shortened;
use crate::spec::Architecture;
use crate::spec::Variant;

pub use error::ModelNameError;

/// The most classes, channels or pixels of a side that a network of one's own may have.
const MAX_SIZE: usize = 65536;
/// Bytes of a name; what is longer is none, and is not compared with those there are.
const MAX_NAME: usize = 200;

/// The name of a model: `DATASET/NETWORK`, with a suffix if its filters are shared.
///
/// `cifar10/resnet32` is dense, `cifar10/resnet32-s16u1` has one basis a stage,
/// `cifar10/resnet32-s16u1-double` two, `cifar10/resnet32-s16u0` no unique filters, and
/// `cifar10/resnet32-s0u16` shares nothing. One rank is that of the first stage, which the others
/// scale; `cifar10/resnet32-s12,24,40u1` gives that of every stage. DenseNets and ResNeXts have one
/// basis a stage only, and a ResNeXt's ranks are powers of two, so that groups divide them. Networks
/// of bottlenecks have no ranks: `imagenet/resnet50-shared` shares the 3×3 convolutions of a stage,
/// `imagenet/resnet50-shared++` also the 1×1 convolutions after them. Nor have MobileNetV2s:
/// `cifar100/mobilenet-v2-shared` shares the 1×1 convolutions that blocks begin with,
/// `cifar100/mobilenet-v2-shared++` also those that they end with, and
/// `imagenet/mobilenet-v2-shared++-eca` has channel attention after them.
/// `-all` at the end extends ranks to the first blocks of stages: `cifar10/resnet32-s16u1-all`.
/// What sharing is compared with: `-lowrank8`, `-tai9` and `-tucker10` factorise each layer by itself,
/// `-width9` is a narrower network; `-tied` has one kernel for all layers of a stage, and in
/// `-templates2` each layer's is a sum of two; `-filterbasis24x16` and `-jointsvd15` share filters that
/// are not kept orthonormal. [`Sharing`] lists them all.
/// The weights of `cifar10/resnet32-hashed73584` are so many numbers, each layer's by a hash of its own;
/// those of `cifar10/resnet32-ring73584` come out of one list of so many for all layers.
/// In `cifar10/resnet32-hypernet64` a small network makes filters out of 64 numbers for each tile of 16×16
/// channels. The filters of `cifar10/resnet32-tbasis20r28` are rings of cores, sums of one basis of 20 cores
/// of rank 28.
/// In `cifar10/resnet32-hinge73584` and `cifar10/resnet32-alf73584`, training finds the ranks of factorised
/// layers, which have so many weights together in the end.
///
/// ```
/// use cobasis_zoo::ModelName;
///
/// let name: ModelName = "cifar10/resnet32-s16u1-double".parse()?;
/// assert_eq!(name.dense().to_string(), "cifar10/resnet32");
/// # Ok::<(), cobasis_zoo::ModelNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ModelName {
    entry: Cow<'static, Entry>,
    sharing: Option<Sharing>,
    blocks: Blocks,
}

impl ModelName {
    /// The name of a dense network of your own; [`with_sharing`](Self::with_sharing) makes its shared
    /// variants. Files of such models say how the network is built, so that they load again.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis_zoo::registry::Entry;
    /// use cobasis_zoo::spec::{Architecture, BlockKind, ResNetSpec};
    /// use cobasis_zoo::{ModelConfig, ModelName};
    ///
    /// // Five stages, for images of 64×64 pixels and 12 classes.
    /// let spec = ResNetSpec::new(BlockKind::Basic, [2, 2, 2, 2, 2]).with_width(8);
    /// let entry = Entry::new("mine/resnet22", Architecture::ResNet(spec), 12, [3, 64, 64]);
    /// let name = ModelName::own(entry)?.with_sharing("s4u1")?;
    /// assert_eq!(name.to_string(), "mine/resnet22-s4u1");
    ///
    /// let device = Device::flex();
    /// let model = ModelConfig::new(name).init(&device);
    /// let logits = model.forward(Tensor::zeros([1, 3, 64, 64], &device));
    /// assert_eq!(logits.dims(), [1, 12]);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the name is not `DATASET/NETWORK` in small letters, digits, dashes, dots and underscores, or
    /// is that of another network of the zoo, or if the network can't be built.
    pub fn own(entry: Entry) -> Result<Self, ModelNameError> {
        let refuse = |problem: String| {
            let name = entry.name.to_string();
            Err(ModelNameError::Own { name, problem })
        };
        if let Some(known) = registry::entry(&entry.name) {
            return match *known == entry {
                true => Ok(known.into()),
                false => refuse("another network of the zoo has this name".into()),
            };
        }
        let is_word = |word: &str| {
            let mut letters = word.bytes();
            letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric())
                && letters.all(|letter| {
                    letter.is_ascii_lowercase()
                        || letter.is_ascii_digit()
                        || b"-._".contains(&letter)
                })
        };
        if entry.name.len() > MAX_NAME {
            return refuse(format!("expected a name of at most {MAX_NAME} letters"));
        }
        match entry.name.split_once('/') {
            Some((dataset, network)) if is_word(dataset) && is_word(network) => {}
            _ => return refuse("expected DATASET/NETWORK in small letters and digits".into()),
        }
        let sizes = entry.input.iter().chain([&entry.classes]);
        if let Some(size) = sizes.copied().find(|size| !(1..=MAX_SIZE).contains(size)) {
            return refuse(format!(
                "expected classes, channels and pixels from 1 to {MAX_SIZE}, got {size}"
            ));
        }
        match entry.architecture.check() {
            Ok(()) => {
                Ok(Self { entry: Cow::Owned(entry), sharing: None, blocks: Blocks::default() })
            }
            Err(problem) => refuse(problem),
        }
    }

    /// The name of a network of your own, dense or shared, by its text: what [`Display`](fmt::Display)
    /// wrote of it.
    ///
    /// # Errors
    ///
    /// Those of [`own`](Self::own) and [`with_sharing`](Self::with_sharing), and if the text is the name
    /// of another network.
    pub fn own_named(entry: Entry, name: &str) -> Result<Self, ModelNameError> {
        let dense = Self::own(entry)?;
        match name.strip_prefix(&*dense.entry.name) {
            Some("") => Ok(dense),
            Some(suffix) if suffix.starts_with('-') => dense.with_sharing(&suffix[1..]),
            _ => {
                let problem = format!("the model is {}", shortened(name));
                Err(ModelNameError::Own { name: dense.to_string(), problem })
            }
        }
    }

    /// The same network with filters shared as a suffix says, without the dash before it: `s16u1`.
    ///
    /// # Errors
    ///
    /// If the network has no such suffix, or its ranks make no layer.
    pub fn with_sharing(&self, suffix: &str) -> Result<Self, ModelNameError> {
        let architecture = &self.entry.architecture;
        let name = || format!("{}-{suffix}", self.entry.name);
        let (method, blocks) = match suffix.strip_suffix("-all") {
            Some(method) => (method, Blocks::All),
            None => (suffix, Blocks::AfterFirst),
        };
        let parsed = (suffix.len() <= MAX_NAME).then(|| Sharing::parse(method, architecture));
        let fits = |sharing: &Sharing| {
            blocks == Blocks::AfterFirst || sharing.fits_first_blocks(architecture)
        };
        match parsed.flatten() {
            Some(Ok(sharing)) if fits(&sharing) => {
                let shared = Self { sharing: Some(sharing), blocks, ..self.clone() };
                match sharing.check(&shared.slots(Variant::default())) {
                    Ok(()) => Ok(shared),
                    Err(problem) => Err(ModelNameError::Ranks { name: name(), problem }),
                }
            }
            Some(Ok(_)) => Err(ModelNameError::Ranks {
                name: name(),
                problem: "this way of sharing is not for first blocks; leave out -all",
            }),
            Some(Err(problem)) => Err(ModelNameError::Ranks { name: name(), problem }),
            None => Err(ModelNameError::Suffix {
                name: name(),
                network: self.entry.name.to_string(),
                expected: Sharing::expected(architecture),
                suffix: suffix.to_string(),
            }),
        }
    }

    /// The entry of the dense network.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// How the network is built: as the dense one, but for methods that change its layers themselves.
    pub fn architecture(&self) -> Cow<'_, Architecture> {
        let dense = &self.entry.architecture;
        let changed = self.sharing.and_then(|sharing| sharing.architecture(dense));
        changed.map_or(Cow::Borrowed(dense), Cow::Owned)
    }

    /// How filters are shared; `None` in a dense network.
    pub fn sharing(&self) -> Option<Sharing> {
        self.sharing
    }

    /// Which blocks of a residual stage share: the first one too in a network whose name ends with
    /// `-all`.
    pub fn blocks(&self) -> Blocks {
        self.blocks
    }

    /// How filters are shared, as the name has it: `s16u1-all`. `None` in a dense network.
    pub fn suffix(&self) -> Option<String> {
        let all = match self.blocks {
            Blocks::AfterFirst => "",
            Blocks::All => "-all",
        };
        self.sharing.map(|sharing| format!("{sharing}{all}"))
    }

    /// The dense parent: the same network with ordinary convolutions.
    pub fn dense(&self) -> ModelName {
        ModelName { sharing: None, blocks: Blocks::default(), ..self.clone() }
    }

    /// Whether the network is one of the zoo, which its name alone says everything of.
    pub fn is_registered(&self) -> bool {
        registry::entry(&self.entry.name).is_some()
    }

    /// Whether a model of this name can be [without](crate::ModelConfig::norms) batch norms of blocks
    /// that share filters: residual networks of basic blocks with bases of chosen ranks can.
    pub fn can_be_without_norms(&self) -> bool {
        self.sharing.is_some_and(|sharing| sharing.has_inner_norms(&self.entry.architecture))
    }

    /// The weights that may be left in the layers that are replaced, where training finds how many
    /// [inner filters](cobasis::InnerFilters) each of them needs: the number in `-hinge73584`. `None`
    /// where the name says the size of every layer.
    pub fn weight_limit(&self) -> Option<usize> {
        self.sharing.and_then(|sharing| sharing.weight_limit())
    }

    /// What people should know of the sharing method wherever the network is shown, such as that it is a
    /// reconstruction; `None` for nothing.
    pub fn note(&self) -> Option<&'static str> {
        self.sharing.and_then(|sharing| sharing.note())
    }

    /// The data set, the part before the slash.
    pub fn dataset(&self) -> &str {
        self.entry.name.split_once('/').map_or("", |(dataset, _)| dataset)
    }
}

impl From<&'static Entry> for ModelName {
    fn from(entry: &'static Entry) -> Self {
        Self { entry: Cow::Borrowed(entry), sharing: None, blocks: Blocks::default() }
    }
}

impl FromStr for ModelName {
    type Err = ModelNameError;

    fn from_str(name: &str) -> Result<Self, ModelNameError> {
        if let Some(entry) = registry::entry(name) {
            return Ok(entry.into());
        }
        let network = registry::ENTRIES
            .iter()
            .filter_map(|entry| Some((entry, name.strip_prefix(&*entry.name)?.strip_prefix('-')?)))
            .max_by_key(|(entry, _)| entry.name.len());
        match network {
            Some((entry, suffix)) => Self::from(entry).with_sharing(suffix),
            None => {
                let nearest = if name.len() > MAX_NAME { None } else { nearest_name(name) };
                Err(ModelNameError::Unknown { name: name.to_string(), nearest })
            }
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.suffix() {
            None => f.write_str(&self.entry.name),
            Some(suffix) => write!(f, "{}-{suffix}", self.entry.name),
        }
    }
}

/// The name as text; the debug text of a model has it.
impl fmt::Debug for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a model that is spelled most alike.
fn nearest_name(name: &str) -> Option<String> {
    let variants = registry::VARIANTS.iter().chain(registry::PUBLISHED.iter().map(|row| &row.name));
    let known = registry::ENTRIES.iter().map(|entry| &*entry.name).chain(variants.copied());
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| known.to_string())
}
