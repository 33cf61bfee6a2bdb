//! Published results, to stand beside ours.

use burn::tensor::Device;
use cobasis_zoo::registry::{PUBLISHED, Published};
use cobasis_zoo::{ModelConfig, ModelName};

/// A published result with what its network costs.
pub(crate) struct PublishedPoint {
    pub(crate) published: &'static Published,
    /// Trainable parameters.
    pub(crate) params: u64,
    /// Multiply-accumulates for one image.
    pub(crate) macs: u64,
}

/// What was published on a data set.
pub(crate) fn published_on(dataset: &str) -> Vec<PublishedPoint> {
    let point = |published: &'static Published| {
        let name: ModelName = published.name.parse().ok()?;
        let [_, height, width] = name.entry().input;
        // Counting touches no weights; any device will do.
        let total = ModelConfig::new(name).cost([height, width], &Device::flex()).total();
        Some(PublishedPoint { published, params: total.params, macs: total.macs })
    };
    let own = |published: &&Published| published.name.split('/').next() == Some(dataset);
    PUBLISHED.iter().filter(own).filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_of_the_data_set_and_cost_what_their_networks_do() {
        assert!(published_on("digits").is_empty());
        let points = published_on("cifar10");
        assert_eq!(points.len(), 6);
        let point = |name: &str| points.iter().find(|point| point.published.name == name).unwrap();
        let small = point("cifar10/resnet32-s16u1");
        assert_eq!((small.params, small.macs), (197_258, 79_086_208));
    }
}
