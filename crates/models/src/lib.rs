//! The built-in networks, one file per family, each laid out like the table in its paper.
//!
//! [`find`] looks up a network by name; [`all`] lists them by year of publication.

#![forbid(unsafe_code)]

mod alexnet;
mod ancestors;
mod char_cnn;
mod efficientnet;
mod googlenet;
pub mod history;
mod imagenet;
mod inception_resnet;
mod inception_v2;
mod inception_v3;
mod inception_v4;
mod lenet;
mod m5;
mod neocognitron;
mod nin;
mod panns;
mod perceptron;
mod preprocessing;
mod resnet;
mod resnet_cifar;
mod squeezenet;
mod unit;
mod vgg;

pub use imagenet::{BACKGROUND, IMAGENET_CLASSES, ImageNetClass, imagenet_classes, imagenet_names};
pub use preprocessing::ImagePreprocessing;

use striate_graph::Network;
use striate_tensor::{Error, Result, nearest};

/// A built-in network.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// Its unique name, such as `lenet5`.
    pub name: &'static str,
    /// Year of publication.
    pub year: u16,
    /// Authors, title and venue.
    pub paper: &'static str,
    /// URL of the paper.
    pub link: &'static str,
    /// The preprocessing of images, or the form of sounds or texts.
    pub preprocessing: ImagePreprocessing,
    /// Name of the recipe that trains it by default, as listed by `striate recipes`.
    pub recipe: &'static str,
    /// Builds the network.
    pub build: fn() -> Result<Network>,
}

impl Model {
    /// Defaults that each family overrides.
    const TEMPLATE: Model = Model {
        name: "",
        year: 0,
        paper: "",
        link: "",
        preprocessing: ImagePreprocessing::FromData(""),
        recipe: "",
        build: || Err(Error::failed("this model has no network")),
    };
}

/// Returns all networks, ordered by year.
pub fn all() -> &'static [Model] {
    &[
        perceptron::PERCEPTRON,
        perceptron::PERCEPTRON_PIXELS,
        neocognitron::NEOCOGNITRON,
        lenet::LENET1,
        lenet::LENET5_1998,
        lenet::LENET5,
        neocognitron::NEOCOGNITRON_DIGITS,
        ancestors::HOG_SVM,
        ancestors::SIFT_SVM,
        alexnet::ALEXNET_2012,
        nin::NIN,
        nin::NIN_CIFAR,
        alexnet::ALEXNET,
        vgg::VGG11,
        vgg::VGG11_LRN,
        vgg::VGG13,
        vgg::VGG16_C,
        vgg::VGG16,
        vgg::VGG19,
        vgg::VGG11_BN,
        vgg::VGG13_BN,
        vgg::VGG16_BN,
        vgg::VGG19_BN,
        googlenet::GOOGLENET_2014,
        googlenet::GOOGLENET,
        inception_v2::INCEPTION_V2,
        inception_v3::INCEPTION_V3,
        resnet::PLAIN18,
        resnet::PLAIN34,
        resnet::RESNET18,
        resnet::RESNET34,
        resnet::RESNET50,
        resnet::RESNET101,
        resnet::RESNET152,
        resnet::RESNET50_V1,
        resnet::RESNET101_V1,
        resnet::RESNET152_V1,
        resnet_cifar::PLAIN20,
        resnet_cifar::PLAIN56,
        resnet_cifar::RESNET20,
        resnet_cifar::RESNET32,
        resnet_cifar::RESNET44,
        resnet_cifar::RESNET56,
        resnet_cifar::RESNET110,
        char_cnn::CHAR_CNN,
        char_cnn::CHAR_CNN_SHORT,
        inception_v4::INCEPTION_V4,
        inception_resnet::INCEPTION_RESNET_V2,
        squeezenet::SQUEEZENET1_1,
        m5::M5,
        efficientnet::EFFICIENTNET_LITE0,
        panns::CNN6,
        panns::CNN6_QUARTER,
    ]
}

/// Returns the network called `name`.
///
/// # Errors
/// If [`all`] lists no such network; the message suggests the closest name.
pub fn find(name: &str) -> Result<Model> {
    if name.is_empty() {
        return Err(Error::input("the network has no name"));
    }
    // Of equally close names, the latest.
    let names = || all().iter().rev().map(|model| model.name);
    all().iter().find(|model| model.name == name).copied().ok_or_else(|| {
        let hint = nearest(name, names()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Error::input(format!("unknown network {name}{hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_round_trips_through_text() {
        for model in all() {
            let network = (model.build)().unwrap();
            assert_eq!(network.name, model.name);
            assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
        }
    }

    #[test]
    fn every_network_states_paper_preprocessing_and_recipe() {
        for Model { name, year, paper, link, preprocessing, recipe, .. } in all() {
            assert!((1958..=2020).contains(year), "{name}");
            let (authors, title) = paper.split_once(": ").expect(name);
            let is_single = ["Rosenblatt", "Fukushima", "Krizhevsky"].contains(&authors);
            assert!(authors.contains(" and ") || is_single, "{name}: {authors}");
            assert!(title.len() > 20 && link.starts_with("https://"), "{name}: {title}, {link}");
            let line = preprocessing.to_string();
            assert!(
                ["gray, ", "RGB", "sound, ", "text, "].iter().any(|channels| line.starts_with(channels)),
                "{name}: {line}"
            );
            assert!(
                !recipe.is_empty() && recipe.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
            );
        }
    }

    #[test]
    fn unknown_name_suggests_the_closest() {
        assert!(find("lenet").unwrap_err().to_string().contains("did you mean lenet5?"));
    }
}
