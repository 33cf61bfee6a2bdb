//! The grammar of model names, shared by the registry, configs and the command line.

mod error;

use std::fmt;
use std::str::FromStr;

use crate::block::resnext;
use crate::registry::{self, Architecture, Entry};
use crate::resnet::BlockKind;

pub use error::ModelNameError;

/// The largest rank that a name may ask for: above every layer of the zoo, below any accident.
const MAX_RANK: usize = 4096;

/// How the layers of a stage share filters: the suffix of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Convolutions on bases of chosen ranks: `-s16u1`, `-s16u1-double`.
    Ranks(Ranks),
    /// One convolution of each block is a basis as a whole, the inner one of a bottleneck, the
    /// first one of an inverted residual block: `-shared`.
    Whole,
    /// So is the block's last convolution, on a basis of its own: `-shared++`.
    WholeAndNext {
        /// Whether channel attention follows it: `-shared++-eca`.
        attention: bool,
    },
}

/// The ranks of the first stage; later stages scale them as the paper does, with the channels
/// inside their layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ranks {
    /// Shared filters of a basis, the paper's `s`; 0: nothing is shared.
    pub shared: usize,
    /// Unique filters of each layer, the paper's `u`.
    pub unique: usize,
    /// Two bases a stage, one for the first convolutions of its blocks and one for the second
    /// (the paper's `*`), instead of one for both.
    pub double: bool,
}

impl Sharing {
    /// The ranks, where there is a choice of them.
    pub(crate) fn ranks(self) -> Option<Ranks> {
        match self {
            Sharing::Ranks(ranks) => Some(ranks),
            Sharing::Whole | Sharing::WholeAndNext { .. } => None,
        }
    }
}

impl Ranks {
    /// The ranks of a stage in which they are so many times as large.
    pub(crate) fn scaled(self, scale: usize) -> Self {
        Self { shared: scale * self.shared, unique: scale * self.unique, ..self }
    }
}

/// The name of a model: `DATASET/NETWORK`, with a suffix if its filters are shared.
///
/// `cifar10/resnet32` is dense, `cifar10/resnet32-s16u1` has one basis a stage,
/// `cifar10/resnet32-s16u1-double` two, `cifar10/resnet32-s16u0` no unique filters, and
/// `cifar10/resnet32-s0u16` shares nothing. DenseNets and ResNeXts have one basis a stage only, and
/// a ResNeXt's ranks are powers of two, so that groups divide them. Networks of bottlenecks have no ranks:
/// `imagenet/resnet50-shared` shares the 3×3 convolutions of a stage, `imagenet/resnet50-shared++`
/// also the 1×1 convolutions after them. Nor have MobileNetV2s: `cifar100/mobilenet-v2-shared`
/// shares the 1×1 convolutions that blocks begin with, `cifar100/mobilenet-v2-shared++` also those
/// that they end with, and `imagenet/mobilenet-v2-shared++-eca` has channel attention after them.
///
/// ```
/// use cobasis_zoo::ModelName;
///
/// let name: ModelName = "cifar10/resnet32-s16u1-double".parse()?;
/// assert_eq!(name.dense().to_string(), "cifar10/resnet32");
/// # Ok::<(), cobasis_zoo::ModelNameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelName {
    entry: &'static Entry,
    sharing: Option<Sharing>,
}

impl ModelName {
    /// The registry's entry of the dense network.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// How filters are shared; `None` in a dense network.
    pub fn sharing(&self) -> Option<Sharing> {
        self.sharing
    }

    /// The dense parent: the same network with ordinary convolutions.
    pub fn dense(&self) -> ModelName {
        ModelName { sharing: None, ..*self }
    }

    /// Whether a model of this name can be [without](crate::ModelConfig::norms) the batch norms of
    /// blocks that share filters: residual networks of basic blocks with bases of chosen ranks can.
    pub fn can_be_without_norms(&self) -> bool {
        let is_basic = matches!(&self.entry.architecture,
            Architecture::ResNet(spec) if spec.block == BlockKind::Basic);
        is_basic && matches!(self.sharing, Some(Sharing::Ranks(_)))
    }

    /// The data set, the part before the slash.
    pub fn dataset(&self) -> &'static str {
        self.entry.name.split_once('/').map_or("", |(dataset, _)| dataset)
    }
}

impl From<&'static Entry> for ModelName {
    fn from(entry: &'static Entry) -> Self {
        Self { entry, sharing: None }
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
            .filter_map(|entry| Some((entry, name.strip_prefix(entry.name)?.strip_prefix('-')?)))
            .max_by_key(|(entry, _)| entry.name.len());
        let Some((entry, suffix)) = network else {
            return Err(ModelNameError::Unknown {
                name: name.to_string(),
                nearest: nearest_name(name),
            });
        };
        let form = entry.architecture.sharing_form();
        let sharing = form.parse(suffix).ok_or_else(|| ModelNameError::Suffix {
            name: name.to_string(),
            network: entry.name,
            expected: form.expected(),
            suffix: suffix.to_string(),
        })?;
        let problem = sharing.ranks().and_then(|ranks| rank_problem(ranks, form));
        match problem {
            None => Ok(Self { entry, sharing: Some(sharing) }),
            Some(problem) => Err(ModelNameError::Ranks { name: name.to_string(), problem }),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)?;
        match self.sharing {
            None => Ok(()),
            Some(Sharing::Ranks(Ranks { shared, unique, double })) => {
                write!(f, "-s{shared}u{unique}{}", if double { "-double" } else { "" })
            }
            Some(Sharing::Whole) => f.write_str("-shared"),
            Some(Sharing::WholeAndNext { attention: false }) => f.write_str("-shared++"),
            Some(Sharing::WholeAndNext { attention: true }) => f.write_str("-shared++-eca"),
        }
    }
}

/// The suffixes that a network may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SharingForm {
    /// Ranks, with one basis a stage or two.
    Ranks,
    /// Ranks, with one basis a stage.
    SingleRanks,
    /// Ranks of filters that are spread over groups, with one basis a stage.
    GroupedRanks,
    /// Whole convolutions.
    Whole,
    /// Whole convolutions, and channel attention in the blocks that share two.
    WholeWithAttention,
}

impl SharingForm {
    fn expected(self) -> &'static str {
        match self {
            SharingForm::Ranks => "-s<SHARED>u<UNIQUE>, with -double for two bases a stage,",
            SharingForm::SingleRanks | SharingForm::GroupedRanks => "-s<SHARED>u<UNIQUE>",
            SharingForm::Whole => "-shared or -shared++",
            SharingForm::WholeWithAttention => "-shared, -shared++ or -shared++-eca",
        }
    }

    fn parse(self, suffix: &str) -> Option<Sharing> {
        match (self, suffix) {
            (SharingForm::Ranks, suffix) => parse_ranks(suffix).map(Sharing::Ranks),
            (_, "shared") => Some(Sharing::Whole),
            (_, "shared++") => Some(Sharing::WholeAndNext { attention: false }),
            (SharingForm::WholeWithAttention, "shared++-eca") => {
                Some(Sharing::WholeAndNext { attention: true })
            }
            (SharingForm::Whole | SharingForm::WholeWithAttention, _) => None,
            (SharingForm::SingleRanks | SharingForm::GroupedRanks, suffix) => {
                parse_ranks(suffix).filter(|ranks| !ranks.double).map(Sharing::Ranks)
            }
        }
    }
}

fn parse_ranks(suffix: &str) -> Option<Ranks> {
    let (ranks, double) = match suffix.strip_suffix("-double") {
        Some(ranks) => (ranks, true),
        None => (suffix, false),
    };
    let (shared, unique) = ranks.strip_prefix('s')?.split_once('u')?;
    Some(Ranks { shared: parse_rank(shared)?, unique: parse_rank(unique)?, double })
}

/// A number without sign or leading zeros, so that every model has one name.
fn parse_rank(digits: &str) -> Option<usize> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !(canonical && is_number) {
        return None;
    }
    // A number that does not even fit is refused as too large, not as malformed.
    Some(digits.parse().unwrap_or(usize::MAX))
}

fn rank_problem(ranks: Ranks, form: SharingForm) -> Option<&'static str> {
    let Ranks { shared, unique, double } = ranks;
    let divisible = [shared, unique].iter().all(|rank| resnext::RANKS.contains(rank));
    if form == SharingForm::GroupedRanks && !divisible {
        Some("its groups of channels need ranks of 4, 8, 16, 32, 64, 128, 256 or 512")
    } else if shared == 0 && unique == 0 {
        Some("s0u0 leaves the layers without filters")
    } else if shared == 0 && double {
        Some("s0 shares nothing, so there is no basis to double")
    } else if shared > MAX_RANK || unique > MAX_RANK {
        Some("expected ranks of at most 4096")
    } else {
        None
    }
}

fn nearest_name(name: &str) -> Option<String> {
    registry::names()
        .map(|known| known.to_string())
        .map(|known| (strsim::damerau_levenshtein(name, &known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(name: &str) -> String {
        name.parse::<ModelName>().expect_err(name).to_string()
    }

    #[test]
    fn every_name_of_the_registry_parses_to_itself() {
        for name in registry::names() {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    proptest! {
        #[test]
        fn names_survive_a_round_trip(shared in 0usize..200, unique in 0usize..200, double: bool) {
            prop_assume!(shared + unique > 0 && (shared > 0 || !double));
            let text = format!(
                "cifar10/resnet32-s{shared}u{unique}{}", if double { "-double" } else { "" }
            );
            let name: ModelName = text.parse().expect("a name");
            let ranks = Ranks { shared, unique, double };
            prop_assert_eq!(name.sharing(), Some(Sharing::Ranks(ranks)));
            prop_assert_eq!(name.to_string(), text);
        }

        #[test]
        fn no_text_panics(text in "[a-z0-9/-]{0,40}") {
            let _ = text.parse::<ModelName>();
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        assert!(error("cifar10/resnet33").contains("did you mean \"cifar10/resnet32\"?"));
        assert!(error("vgg").contains("`models list`"));
        assert!(error("cifar10/resnet32-s16").contains("expected -s<SHARED>u<UNIQUE>"));
        assert!(error("cifar10/resnet32-s016u1").contains("expected -s<SHARED>u<UNIQUE>"));
        assert!(error("cifar10/resnet32-s16u1-triple").contains("got \"s16u1-triple\""));
        assert!(error("cifar10/resnet32-shared").contains("expected -s<SHARED>u<UNIQUE>"));
        assert!(error("imagenet/resnet50-s16u1").contains("expected -shared or -shared++ after"));
        assert!(error("cifar100/mobilenet-v2-shared++-eca").contains("-shared or -shared++ after"));
        assert!(error("imagenet/mobilenet-v2-eca").contains("or -shared++-eca after"));
        assert!(
            error("cifar100/densenet121-s16u1-double").contains("expected -s<SHARED>u<UNIQUE>")
        );
        let resnext = |suffix: &str| error(&format!("cifar100/resnext50-32x4d{suffix}"));
        assert!(resnext("-s64u4-double").contains("expected -s<SHARED>u<UNIQUE> after"));
        for suffix in ["-s16u1", "-s0u4", "-s64u0", "-s12u4", "-s1024u4"] {
            assert!(resnext(suffix).contains("need ranks of 4, 8, 16"), "{suffix}");
        }
        assert!(error("cifar10/resnet32-s0u0").contains("without filters"));
        assert!(error("cifar10/resnet32-s0u4-double").contains("no basis to double"));
        assert!(error("cifar10/resnet32-s99999999999999999999999u1").contains("at most 4096"));
    }
}
