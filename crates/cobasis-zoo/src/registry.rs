//! The models there are, as data.
//!
//! A new network is one [`Entry`]; its shared variants follow from the [grammar of
//! names](crate::ModelName). A published variant is one [`Published`] row.

use cobasis::ortho::Counted;

use crate::densenet::DenseNetSpec;
use crate::init::{Convolutions, Start};
use crate::mobilenet::MobileNetV2Spec;
use crate::name::{ModelName, SharingForm};
use crate::resnet::{BlockKind, ResNetSpec, ShortcutKind, StemKind};

/// A dense network of the zoo, which shared variants are derived from.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// `DATASET/NETWORK`.
    pub name: &'static str,
    /// How it is built.
    pub architecture: Architecture,
    /// The number of classes of its data set.
    pub classes: usize,
    /// The shape of one image, `[channels, height, width]`.
    pub input: [usize; 3],
    /// What the authors' objective counts for the shared variants.
    pub penalty: PenaltyScope,
}

/// The network families.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Residual networks.
    ResNet(ResNetSpec),
    /// MobileNetV2s.
    MobileNetV2(MobileNetV2Spec),
    /// Densely connected networks.
    DenseNet(DenseNetSpec),
}

impl Architecture {
    /// How networks of this family start.
    pub(crate) fn start(&self) -> Start {
        match self {
            Architecture::ResNet(spec) => {
                let convolutions = match spec.block {
                    BlockKind::Basic | BlockKind::Bottleneck => Convolutions::KaimingFanOut,
                    BlockKind::ResNeXt => Convolutions::PyTorch,
                };
                Start { convolutions, orthonormal: true }
            }
            Architecture::DenseNet(_) => {
                Start { convolutions: Convolutions::PyTorch, orthonormal: false }
            }
            Architecture::MobileNetV2(_) => {
                Start { convolutions: Convolutions::PyTorch, orthonormal: false }
            }
        }
    }

    /// The suffixes that names of this family may have.
    pub(crate) fn sharing_form(&self) -> SharingForm {
        match self {
            Architecture::ResNet(spec) => match spec.block {
                BlockKind::Basic => SharingForm::Ranks,
                BlockKind::Bottleneck => SharingForm::Whole,
                BlockKind::ResNeXt => SharingForm::GroupedRanks,
            },
            Architecture::MobileNetV2(MobileNetV2Spec::Small) => SharingForm::Whole,
            Architecture::MobileNetV2(MobileNetV2Spec::Large) => SharingForm::WholeWithAttention,
            Architecture::DenseNet(_) => SharingForm::SingleRanks,
        }
    }
}

/// [`Counted`] as registry data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PenaltyScope {
    /// Shared filters only: the authors' CIFAR-100 and ImageNet code.
    Shared,
    /// Shared and unique filters: the authors' CIFAR-10 code.
    SharedAndUnique,
}

/// A published result.
#[derive(Debug)]
pub struct Published {
    /// The model's name.
    pub name: &'static str,
    /// Top-1 error on the test set in percent, best epoch.
    pub error: f64,
    /// Where it was published.
    pub source: &'static str,
}

impl From<PenaltyScope> for Counted {
    fn from(scope: PenaltyScope) -> Self {
        match scope {
            PenaltyScope::Shared => Counted::Shared,
            PenaltyScope::SharedAndUnique => Counted::SharedAndUnique,
        }
    }
}

const fn digits(name: &'static str, blocks: &'static [usize]) -> Entry {
    Entry {
        name,
        architecture: Architecture::ResNet(ResNetSpec {
            block: BlockKind::Basic,
            blocks,
            width: 16,
            stem: StemKind::Small,
            shortcut: ShortcutKind::Pad,
        }),
        classes: 10,
        input: [1, 8, 8],
        penalty: PenaltyScope::SharedAndUnique,
    }
}

const fn cifar10(name: &'static str, blocks: &'static [usize]) -> Entry {
    Entry { name, input: [3, 32, 32], ..digits(name, blocks) }
}

const fn wide(stem: StemKind, block: BlockKind, blocks: &'static [usize]) -> Architecture {
    let shortcut = ShortcutKind::Projection;
    Architecture::ResNet(ResNetSpec { block, blocks, width: 64, stem, shortcut })
}

const fn on_cifar100(name: &'static str, architecture: Architecture) -> Entry {
    let penalty = PenaltyScope::Shared;
    Entry { name, architecture, classes: 100, input: [3, 32, 32], penalty }
}

const fn on_imagenet(name: &'static str, architecture: Architecture) -> Entry {
    let penalty = PenaltyScope::Shared;
    Entry { name, architecture, classes: 1000, input: [3, 224, 224], penalty }
}

const fn resnet(name: &'static str, block: BlockKind, blocks: &'static [usize]) -> Entry {
    on_cifar100(name, wide(StemKind::Small, block, blocks))
}

const fn densenet(name: &'static str, layers: &'static [usize], growth: usize) -> Entry {
    on_cifar100(name, Architecture::DenseNet(DenseNetSpec { layers, growth }))
}

const fn imagenet(name: &'static str, block: BlockKind, blocks: &'static [usize]) -> Entry {
    on_imagenet(name, wide(StemKind::Large, block, blocks))
}

/// Every dense network.
pub static ENTRIES: &[Entry] = &[
    digits("digits/resnet14", &[2, 2, 2]),
    cifar10("cifar10/resnet20", &[3, 3, 3]),
    cifar10("cifar10/resnet32", &[5, 5, 5]),
    cifar10("cifar10/resnet44", &[7, 7, 7]),
    cifar10("cifar10/resnet56", &[9, 9, 9]),
    cifar10("cifar10/resnet110", &[18, 18, 18]),
    resnet("cifar100/resnet18", BlockKind::Basic, &[2, 2, 2, 2]),
    resnet("cifar100/resnet34", BlockKind::Basic, &[3, 4, 6, 3]),
    resnet("cifar100/resnext50-32x4d", BlockKind::ResNeXt, &[3, 4, 6, 3]),
    densenet("cifar100/densenet121", &[6, 12, 24, 16], 32),
    densenet("cifar100/densenet169", &[6, 12, 32, 32], 32),
    densenet("cifar100/densenet201", &[6, 12, 48, 32], 32),
    densenet("cifar100/densenet161", &[6, 12, 36, 24], 48),
    on_cifar100("cifar100/mobilenet-v2", Architecture::MobileNetV2(MobileNetV2Spec::Small)),
    imagenet("imagenet/resnet18", BlockKind::Basic, &[2, 2, 2, 2]),
    imagenet("imagenet/resnet34", BlockKind::Basic, &[3, 4, 6, 3]),
    imagenet("imagenet/resnet50", BlockKind::Bottleneck, &[3, 4, 6, 3]),
    imagenet("imagenet/resnet101", BlockKind::Bottleneck, &[3, 4, 23, 3]),
    on_imagenet("imagenet/mobilenet-v2", Architecture::MobileNetV2(MobileNetV2Spec::Large)),
];

/// Shared variants that are listed by name although no result of theirs was published.
static VARIANTS: &[&str] = &[
    "digits/resnet14-s8u1",
    "cifar10/resnet20-s8u1",
    "cifar10/resnet20-s16u1",
    "imagenet/resnet101-shared++",
    "imagenet/mobilenet-v2-shared++-eca",
];

const README: &str = "authors' README, June 2020";
const README_2021: &str = "authors' README, May 2021";
const README_2020: &str = "authors' README, November 2020";
const README_ICLR: &str = "authors' README, September 2020";
const FILE: &str = "authors' checkpoint name, 2020";
const FIGURE: &str = "authors' figure, digitised, ±0.02";

/// Every published result of a network of the zoo.
pub static PUBLISHED: &[Published] = &[
    Published { name: "cifar10/resnet32-s8u1", error: 8.08, source: README },
    Published { name: "cifar10/resnet32-s16u1", error: 7.43, source: README },
    Published { name: "cifar10/resnet32-s16u1-double", error: 6.93, source: README },
    Published { name: "cifar10/resnet56-s8u1", error: 7.52, source: README },
    Published { name: "cifar10/resnet56-s16u1", error: 7.46, source: README },
    Published { name: "cifar10/resnet56-s16u1-double", error: 6.30, source: README },
    Published { name: "cifar100/resnet18", error: 23.25, source: FIGURE },
    Published { name: "cifar100/resnet34", error: 22.49, source: FIGURE },
    Published { name: "cifar100/resnet34-s8u1", error: 23.11, source: README },
    Published { name: "cifar100/resnet34-s16u1", error: 22.64, source: README },
    Published { name: "cifar100/resnet34-s16u2", error: 22.94, source: FIGURE },
    Published { name: "cifar100/resnet34-s16u4", error: 23.88, source: FIGURE },
    Published { name: "cifar100/resnet34-s16u8", error: 22.90, source: FIGURE },
    Published { name: "cifar100/resnet34-s16u16", error: 22.50, source: FIGURE },
    Published { name: "cifar100/resnet34-s32u1", error: 21.79, source: README },
    Published { name: "cifar100/resnet34-s32u2", error: 22.50, source: FIGURE },
    Published { name: "cifar100/resnet34-s32u4", error: 23.02, source: FIGURE },
    Published { name: "cifar100/resnet34-s32u8", error: 21.69, source: FIGURE },
    Published { name: "cifar100/resnet34-s32u16", error: 23.00, source: FIGURE },
    Published { name: "cifar100/resnet34-s32u32", error: 22.43, source: FIGURE },
    Published { name: "cifar100/resnet34-s16u0", error: 23.43, source: FILE },
    Published { name: "cifar100/resnet34-s32u0", error: 22.32, source: FILE },
    Published { name: "cifar100/resnet34-s0u16", error: 23.26, source: FILE },
    Published { name: "cifar100/resnet34-s0u32", error: 23.00, source: FILE },
    Published { name: "cifar100/mobilenet-v2-shared", error: 27.70, source: README_ICLR },
    Published { name: "cifar100/mobilenet-v2-shared++", error: 27.54, source: README_2020 },
    // The README calls it S64U4; its count is that of S16U1.
    Published { name: "cifar100/densenet121-s16u1", error: 22.15, source: README },
    // The README calls it S16U1, whose groups would divide nothing; its count is that of S64U4.
    Published { name: "cifar100/resnext50-32x4d-s64u4", error: 20.09, source: README },
    Published { name: "imagenet/resnet34-s32u1", error: 27.83, source: README_ICLR },
    Published { name: "imagenet/resnet34-s48u1", error: 27.88, source: README },
    Published { name: "imagenet/resnet34-s32u1-double", error: 27.20, source: README_ICLR },
    Published { name: "imagenet/resnet34-s48u1-double", error: 26.67, source: README_2021 },
    Published { name: "imagenet/resnet50-shared", error: 23.64, source: README_2021 },
    Published { name: "imagenet/resnet50-shared++", error: 23.95, source: README_2021 },
    Published { name: "imagenet/resnet101-shared", error: 22.31, source: README_2021 },
    Published { name: "imagenet/mobilenet-v2-shared", error: 27.61, source: README_2021 },
    Published { name: "imagenet/mobilenet-v2-shared++", error: 28.21, source: README_2021 },
];

/// The dense network of this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The published result of a model, if there is one.
pub fn published(name: ModelName) -> Option<&'static Published> {
    let name = name.to_string();
    PUBLISHED.iter().find(|published| published.name == name)
}

/// The named models: each dense network, followed by its variants.
///
/// Any other ranks make a model too; these are the ones worth listing.
pub fn names() -> impl Iterator<Item = ModelName> {
    let variants = VARIANTS.iter().copied().chain(PUBLISHED.iter().map(|row| row.name));
    let variants: Vec<&str> = variants.filter(|name| entry(name).is_none()).collect();
    ENTRIES.iter().flat_map(move |entry| {
        let of_entry = variants.clone().into_iter().filter_map(move |name| {
            let suffix = name.strip_prefix(entry.name)?;
            suffix.starts_with('-').then(|| name.parse().ok())?
        });
        std::iter::once(ModelName::from(entry)).chain(of_entry)
    })
}

/// The named models that match a pattern, in which `*` stands for any characters.
pub fn matching(pattern: &str) -> impl Iterator<Item = ModelName> {
    names().filter(move |name| glob_matches(pattern, &name.to_string()))
}

fn glob_matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_none_is_lost() {
        let names: Vec<String> = names().map(|name| name.to_string()).collect();
        let distinct: HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        let published = PUBLISHED.iter().map(|row| row.name);
        for name in published.chain(VARIANTS.iter().copied()) {
            assert!(distinct.contains(&name.to_string()), "{name} does not parse");
        }
    }

    #[test]
    fn a_star_matches_any_characters() {
        let count = |pattern: &str| matching(pattern).count();
        assert_eq!(count("*"), names().count());
        assert_eq!(count("cifar10/resnet32"), 1);
        assert_eq!(count("cifar10/resnet32-s*"), 3);
        assert_eq!(count("cifar10/resnet*-double"), 2);
        assert_eq!(count("*56*s16*"), 2);
        assert_eq!(count("nothing"), 0);
        assert!(!glob_matches("ab*ba", "aba"));
    }
}
