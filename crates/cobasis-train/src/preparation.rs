//! How the images of a data set are prepared, as model files keep it.

use cobasis_zoo::Preparation;

use crate::data::{DatasetName, ImageSet, SetInfo, Target, View};

/// How the images of a set are prepared.
pub fn of_set<T: Target>(set: &ImageSet<T>) -> Preparation {
    preparation(set.info().clone(), set.resize())
}

/// How the images of a data set are prepared for a network that gets squares of side `size` where
/// they have no size of their own, by what is known without its files.
pub fn of_dataset(name: DatasetName, size: usize) -> Preparation {
    let view = View::of_size(size);
    let info = name.info(view);
    let resize = if name.is_folder() { view.resize } else { info.shape[1] };
    preparation(info, resize)
}

/// How images are prepared whose shorter side is resized to so many pixels.
fn preparation(info: SetInfo, resize: usize) -> Preparation {
    let SetInfo { name, classes, shape: [_, size, _], mean, std, .. } = info;
    Preparation { dataset: name, classes, size, resize, mean, std }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Source, Split};

    #[test]
    fn it_is_that_of_the_images() {
        let set = Source::new(DatasetName::Digits, None, 8).load(Split::Test).expect("digits");
        let digits = of_dataset(DatasetName::Digits, 224);
        assert_eq!(of_set(&set), digits);
        assert_eq!((digits.size, digits.resize, digits.classes.len()), (8, 8, 10));
    }

    #[test]
    fn every_data_set_has_one_that_fits_its_models() {
        for &name in DatasetName::ALL {
            let preparation = of_dataset(name, 224);
            let classes = preparation.classes.len();
            let channels = preparation.mean.len();
            preparation.check(classes.max(1), channels).expect("a preparation");
            assert_eq!(preparation.dataset, name.as_str());
            assert_eq!(name.is_folder(), classes == 0 && preparation.resize == 256, "{name}");
        }
    }
}
