//! The 1,000 classes of ImageNet (ILSVRC 2012) in the order of published weights: by WordNet ID.
//!
//! The names are torchvision's, which are unique: 134 is "crane bird" and 517 "crane".

use std::sync::LazyLock;

use crate::{ImagePreprocessing, Model};

/// The number of classes.
pub const IMAGENET_CLASSES: usize = 1000;
/// The name of the additional first class of TensorFlow's published weights.
pub const BACKGROUND: &str = "background";

/// A class of ImageNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageNetClass {
    /// Its WordNet ID, such as `n01440764`.
    pub synset: &'static str,
    /// Its English name, such as `tench`.
    pub name: &'static str,
}

/// Returns the classes of ImageNet in order.
pub fn imagenet_classes() -> &'static [ImageNetClass] {
    static CLASSES: LazyLock<Vec<ImageNetClass>> = LazyLock::new(|| {
        let lines = include_str!("imagenet_names.txt").lines();
        lines
            .filter_map(|line| line.split_once(' '))
            .map(|(synset, name)| ImageNetClass { synset, name })
            .collect()
    });
    &CLASSES
}

/// Returns the class names of ImageNet weights with `outputs` outputs: 1,000, or 1,001 with the background
/// first; `None` for any other number.
pub fn imagenet_names(outputs: usize) -> Option<Vec<String>> {
    let background = match outputs.checked_sub(IMAGENET_CLASSES) {
        Some(0) => None,
        Some(1) => Some(BACKGROUND),
        _ => return None,
    };
    let names = background.into_iter().chain(imagenet_classes().iter().map(|class| class.name));
    Some(names.map(str::to_owned).collect())
}

impl Model {
    /// Whether the published weights of this network are for ImageNet: it takes color images with fixed preprocessing
    /// and has 1,000 classes.
    pub fn is_of_imagenet(&self) -> bool {
        let counts = || (self.build)().and_then(|network| network.classes());
        self.name == "alexnet-2012"
            || matches!(self.preprocessing, ImagePreprocessing::Fixed(_))
                && counts().is_ok_and(|classes| classes == IMAGENET_CLASSES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{all, find};

    #[test]
    fn classes_are_in_the_order_of_published_weights() {
        let classes = imagenet_classes();
        assert_eq!(classes.len(), IMAGENET_CLASSES);
        assert!(classes.is_sorted_by(|a, b| a.synset < b.synset));
        for (index, synset, name) in [
            (0, "n01440764", "tench"),
            (134, "n02012849", "crane bird"),
            (517, "n03126707", "crane"),
            (853, "n04417672", "thatch"),
            (999, "n15075141", "toilet tissue"),
        ] {
            assert_eq!(classes[index], ImageNetClass { synset, name });
        }
        let mut names: Vec<&str> = classes.iter().map(|class| class.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), IMAGENET_CLASSES, "names are unique");
    }

    #[test]
    fn background_comes_first_of_1001() {
        let names = imagenet_names(1001).unwrap();
        assert_eq!((names.len(), &*names[0], &*names[854]), (1001, BACKGROUND, "thatch"));
        assert_eq!(imagenet_names(1000).unwrap()[853], "thatch");
        assert!([0, 10, 999, 1002].iter().all(|outputs| imagenet_names(*outputs).is_none()));
    }

    #[test]
    fn imagenet_networks_have_the_imagenet_classes() {
        for name in [
            "alexnet-2012",
            "alexnet",
            "vgg16",
            "resnet50",
            "inception-v4",
            "squeezenet1_1",
            "efficientnet-lite0",
        ] {
            assert!(find(name).unwrap().is_of_imagenet(), "{name}");
        }
        for name in ["lenet5", "lenet5-1998", "nin-cifar", "resnet20"] {
            assert!(!find(name).unwrap().is_of_imagenet(), "{name}");
        }
        assert!(all().iter().all(|model| model.name != "nin" || model.is_of_imagenet()));
    }
}
