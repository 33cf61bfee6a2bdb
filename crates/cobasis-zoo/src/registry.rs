//! The models there are, as data.
//!
//! A new network is one [`Entry`]; its shared variants follow from the [grammar of
//! names](crate::ModelName). A published variant is one [`Published`] row.

use std::borrow::Cow;

use cobasis::ortho::Counted;
use serde::{Deserialize, Serialize};

use crate::spec::{
    Architecture, BlockKind, DenseNetSpec, MobileNetV2Spec, ResNetSpec, ShortcutKind, StemKind,
};

/// A dense network, which shared variants are derived from: one of the zoo, or
/// [one of your own](crate::ModelName::own).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// `DATASET/NETWORK`.
    pub name: Cow<'static, str>,
    /// How it is built.
    pub architecture: Architecture,
    /// The number of classes of its data set.
    pub classes: usize,
    /// The shape of one image, `[channels, height, width]`.
    pub input: [usize; 3],
    /// What the objective counts for the shared variants; for the zoo's networks, what the authors'
    /// does.
    #[serde(with = "counted")]
    pub penalty: Counted,
}

impl Entry {
    /// A network of your own, of which the penalty counts shared filters.
    pub fn new(
        name: impl Into<String>,
        architecture: Architecture,
        classes: usize,
        input: [usize; 3],
    ) -> Self {
        let name = Cow::Owned(name.into());
        Self { name, architecture, classes, input, penalty: Counted::Shared }
    }

    /// Changes what the objective counts for the shared variants.
    pub fn with_penalty(self, penalty: Counted) -> Self {
        Self { penalty, ..self }
    }
}

/// [`Counted`] in words.
mod counted {
    use cobasis::ortho::Counted;
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    const SHARED: &str = "shared";
    const WITH_UNIQUE: &str = "shared-unique";

    pub(super) fn serialize<S: Serializer>(counted: &Counted, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match counted {
            Counted::Shared => SHARED,
            Counted::SharedAndUnique => WITH_UNIQUE,
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Counted, D::Error> {
        match String::deserialize(from)?.as_str() {
            SHARED => Ok(Counted::Shared),
            WITH_UNIQUE => Ok(Counted::SharedAndUnique),
            other => Err(Error::invalid_value(Unexpected::Str(other), &"shared or shared-unique")),
        }
    }
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

const fn narrow(name: &'static str, blocks: &'static [usize], input: [usize; 3]) -> Entry {
    Entry {
        name: Cow::Borrowed(name),
        architecture: Architecture::ResNet(ResNetSpec {
            block: BlockKind::Basic,
            blocks: Cow::Borrowed(blocks),
            width: 16,
            stem: StemKind::Small,
            shortcut: ShortcutKind::Pad,
        }),
        classes: 10,
        input,
        penalty: Counted::SharedAndUnique,
    }
}

const fn digits(name: &'static str, blocks: &'static [usize]) -> Entry {
    narrow(name, blocks, [1, 8, 8])
}

const fn cifar10(name: &'static str, blocks: &'static [usize]) -> Entry {
    narrow(name, blocks, [3, 32, 32])
}

/// CIFAR-10's ResNet-20 with twice the channels, for 100 classes: small enough to train on a processor, and
/// wide enough to be the base of other tasks.
const fn resnet20x2() -> Entry {
    Entry {
        name: Cow::Borrowed("cifar100/resnet20x2"),
        architecture: Architecture::ResNet(ResNetSpec {
            block: BlockKind::Basic,
            blocks: Cow::Borrowed(&[3, 3, 3]),
            width: 32,
            stem: StemKind::Small,
            shortcut: ShortcutKind::Pad,
        }),
        classes: 100,
        input: [3, 32, 32],
        penalty: Counted::SharedAndUnique,
    }
}

const fn wide(stem: StemKind, block: BlockKind, blocks: &'static [usize]) -> Architecture {
    let (blocks, shortcut) = (Cow::Borrowed(blocks), ShortcutKind::Projection);
    Architecture::ResNet(ResNetSpec { block, blocks, width: 64, stem, shortcut })
}

const fn on_cifar100(name: &'static str, architecture: Architecture) -> Entry {
    let (name, penalty) = (Cow::Borrowed(name), Counted::Shared);
    Entry { name, architecture, classes: 100, input: [3, 32, 32], penalty }
}

const fn on_imagenet(name: &'static str, architecture: Architecture) -> Entry {
    let (name, penalty) = (Cow::Borrowed(name), Counted::Shared);
    Entry { name, architecture, classes: 1000, input: [3, 224, 224], penalty }
}

const fn resnet(name: &'static str, block: BlockKind, blocks: &'static [usize]) -> Entry {
    on_cifar100(name, wide(StemKind::Small, block, blocks))
}

const fn densenet(name: &'static str, layers: &'static [usize], growth: usize) -> Entry {
    let layers = Cow::Borrowed(layers);
    on_cifar100(name, Architecture::DenseNet(DenseNetSpec { layers, growth }))
}

const fn imagenet(name: &'static str, block: BlockKind, blocks: &'static [usize]) -> Entry {
    on_imagenet(name, wide(StemKind::Large, block, blocks))
}

/// A network for images of blood cells, BCCD, whose stages are at strides 4, 8 and 16: small enough to
/// train on a processor.
const fn bccd(name: &'static str, width: usize) -> Entry {
    Entry {
        name: Cow::Borrowed(name),
        architecture: Architecture::ResNet(ResNetSpec {
            block: BlockKind::Basic,
            blocks: Cow::Borrowed(&[2, 2, 2]),
            width,
            stem: StemKind::Strided,
            shortcut: ShortcutKind::Projection,
        }),
        classes: 3,
        input: [3, 256, 320],
        penalty: Counted::SharedAndUnique,
    }
}

/// Every dense network.
pub static ENTRIES: &[Entry] = &[
    digits("digits/resnet14", &[2, 2, 2]),
    bccd("bccd/resnet14", 16),
    bccd("bccd/resnet14x2", 32),
    cifar10("cifar10/resnet20", &[3, 3, 3]),
    cifar10("cifar10/resnet32", &[5, 5, 5]),
    cifar10("cifar10/resnet44", &[7, 7, 7]),
    cifar10("cifar10/resnet56", &[9, 9, 9]),
    cifar10("cifar10/resnet110", &[18, 18, 18]),
    resnet20x2(),
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
pub(crate) static VARIANTS: &[&str] = &[
    "digits/resnet14-s8u1",
    "bccd/resnet14-s8u1",
    "cifar10/resnet20-s8u1",
    "cifar10/resnet20-s16u1",
    "cifar10/resnet20-s16u1-all",
    "cifar10/resnet20-width11",
    "cifar10/resnet20-lowrank4,8,14",
    "cifar10/resnet20-tai6",
    "cifar10/resnet20-tucker6,13,26",
    "cifar10/resnet20-tied",
    "cifar10/resnet20-templates1",
    "cifar10/resnet20-filterbasis24x16",
    "cifar10/resnet20-jointsvd9,16,32-double",
    "cifar10/resnet20-hashed48888",
    "cifar10/resnet20-ring48888",
    "cifar10/resnet20-hypernet32",
    "cifar10/resnet20-tbasis16r16-all",
    "cifar10/resnet32-lowrank3,5,11",
    "cifar10/resnet32-tied",
    "cifar100/resnet20x2-s16u1",
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
