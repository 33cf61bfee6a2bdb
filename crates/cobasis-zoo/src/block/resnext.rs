//! What a ResNeXt's block has instead of the bottleneck's 3×3 convolution: a grouped one, dense or
//! with filters of its stage.

use burn::tensor::Device;
use cobasis::PartlySharedConv2dConfig;

use crate::init::LATER;
use crate::name::Ranks;
use crate::stage_conv::StageConv;

/// The groups of the dense 3×3 convolution: the 32 of "32x4d".
pub(crate) const GROUPS: usize = 32;
/// The unique filters of a group, in every stage.
const UNIQUE_OF_GROUP: usize = 4;
/// The ranks of the first stage whose groups divide the filters and the channels of every stage.
pub(crate) const RANKS: [usize; 8] = [4, 8, 16, 32, 64, 128, 256, 512];

/// The groups of so many shared filters: as many filters to a group as in the dense convolution,
/// which makes the groups as many in every stage, `s / 4` of the first one's rank.
pub(crate) fn shared_groups(shared: usize, inner: usize) -> usize {
    shared / (inner / GROUPS)
}

/// The 3×3 convolution inside a block whose stage shares filters.
///
/// Source: the authors' code, in which the groups of unique filters grow with the stage and those
/// of shared ones do not.
pub(super) fn conv(inner: usize, ranks: Ranks, device: &Device) -> StageConv {
    let Ranks { shared, unique, .. } = ranks;
    let unique_groups = unique / UNIQUE_OF_GROUP;
    let groups = shared_groups(shared, inner);
    let config = PartlySharedConv2dConfig::new(inner, [3, 3], unique, unique_groups, groups);
    let config = config.with_padding([1, 1]).with_initializer(LATER);
    StageConv::PartlyShared(config.init(device))
}
