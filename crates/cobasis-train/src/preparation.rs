//! How the images of a data set are prepared, as model files keep it.

use cobasis_zoo::Preparation;

use super::image_set::{ImageSet, SetInfo};
use super::{DatasetName, View, cifar, digits, folder, idx};

impl DatasetName {
    /// How its images are prepared for a network that gets squares of side `size` where they have
    /// no size of their own, by what is known without its files: the names of ImageNet's classes
    /// are not.
    pub fn preparation(self, size: usize) -> Preparation {
        let view = View::of_size(size);
        let info = match self {
            DatasetName::Digits => digits::info(),
            DatasetName::Cifar10 => cifar::CIFAR10.info(),
            DatasetName::Cifar100 => cifar::CIFAR100.info(),
            DatasetName::Mnist => idx::MNIST.info(),
            DatasetName::FashionMnist => idx::FASHION_MNIST.info(),
            DatasetName::ImageNet | DatasetName::Folder => {
                folder::info(self.as_str(), Vec::new(), view)
            }
        };
        let resize = if self.is_folder() { view.resize } else { info.shape[1] };
        info.preparation(resize)
    }
}

impl SetInfo {
    /// How the images are prepared, where the shorter side is resized to so many pixels.
    fn preparation(self, resize: usize) -> Preparation {
        let Self { name, classes, shape: [_, size, _], mean, std, .. } = self;
        Preparation { dataset: name, classes, size, resize, mean, std }
    }
}

impl ImageSet {
    /// How the images are prepared.
    pub fn preparation(&self) -> Preparation {
        self.info().clone().preparation(self.resize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Source, Split};

    #[test]
    fn it_is_that_of_the_images() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Test).expect("digits");
        let digits = DatasetName::Digits.preparation(224);
        assert_eq!(set.preparation(), digits);
        assert_eq!((digits.size, digits.resize, digits.classes.len()), (8, 8, 10));
    }

    #[test]
    fn every_data_set_has_one_that_fits_its_models() {
        for &name in DatasetName::ALL {
            let preparation = name.preparation(224);
            let classes = preparation.classes.len();
            let channels = preparation.mean.len();
            preparation.check(classes.max(1), channels).expect("a preparation");
            assert_eq!(preparation.dataset, name.as_str());
            assert_eq!(name.is_folder(), classes == 0 && preparation.resize == 256, "{name}");
        }
    }
}
