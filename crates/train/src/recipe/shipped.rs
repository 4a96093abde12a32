//! The built-in recipes.

use striate_tensor::{Error, Result, nearest};

use super::Recipe;

/// A built-in recipe.
#[derive(Debug, Clone, Copy)]
pub struct ShippedRecipe {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The built-in recipes.
pub const SHIPPED: &[ShippedRecipe] = &[
    ShippedRecipe { name: "lenet5-digits", text: include_str!("../../recipes/lenet5-digits.toml") },
    ShippedRecipe { name: "lenet5-mnist", text: include_str!("../../recipes/lenet5-mnist.toml") },
    ShippedRecipe {
        name: "lenet5-fashion-mnist",
        text: include_str!("../../recipes/lenet5-fashion-mnist.toml"),
    },
    ShippedRecipe { name: "neocognitron", text: include_str!("../../recipes/neocognitron.toml") },
    ShippedRecipe {
        name: "neocognitron-digits",
        text: include_str!("../../recipes/neocognitron-digits.toml"),
    },
    ShippedRecipe { name: "hog-svm", text: include_str!("../../recipes/hog-svm.toml") },
    ShippedRecipe { name: "sift-svm", text: include_str!("../../recipes/sift-svm.toml") },
    ShippedRecipe { name: SMALL, text: include_str!("../../recipes/small.toml") },
    ShippedRecipe { name: RBF, text: include_str!("../../recipes/rbf.toml") },
    ShippedRecipe { name: BATCH_NORM, text: include_str!("../../recipes/batch-norm.toml") },
    ShippedRecipe { name: PLAIN, text: include_str!("../../recipes/plain.toml") },
    ShippedRecipe { name: NO_BATCH_NORM, text: include_str!("../../recipes/no-batch-norm.toml") },
    ShippedRecipe { name: FINE_TUNING, text: include_str!("../../recipes/fine-tuning.toml") },
    ShippedRecipe { name: "texts", text: include_str!("../../recipes/texts.toml") },
    ShippedRecipe { name: PERCEPTRON, text: include_str!("../../recipes/perceptron.toml") },
    ShippedRecipe { name: "lenet5", text: include_str!("../../recipes/lenet5.toml") },
    ShippedRecipe { name: "alexnet", text: include_str!("../../recipes/alexnet.toml") },
    ShippedRecipe { name: "nin", text: include_str!("../../recipes/nin.toml") },
    ShippedRecipe { name: "vgg", text: include_str!("../../recipes/vgg.toml") },
    ShippedRecipe { name: "googlenet", text: include_str!("../../recipes/googlenet.toml") },
    ShippedRecipe { name: "inception-v3", text: include_str!("../../recipes/inception-v3.toml") },
    ShippedRecipe { name: "resnet", text: include_str!("../../recipes/resnet.toml") },
    ShippedRecipe { name: "resnet-cifar", text: include_str!("../../recipes/resnet-cifar.toml") },
    ShippedRecipe { name: "char-cnn", text: include_str!("../../recipes/char-cnn.toml") },
    ShippedRecipe { name: "torchvision", text: include_str!("../../recipes/torchvision.toml") },
    ShippedRecipe { name: "digits", text: include_str!("../../recipes/digits.toml") },
    ShippedRecipe { name: "small-images", text: include_str!("../../recipes/small-images.toml") },
    ShippedRecipe { name: "photographs", text: include_str!("../../recipes/photographs.toml") },
];

/// Networks of a few layers.
pub(crate) const SMALL: &str = "small";
/// Networks that end in an RBF layer.
pub(crate) const RBF: &str = "rbf";
/// Networks with the perceptron's loss.
pub(crate) const PERCEPTRON: &str = "perceptron";
/// Deep networks with batch norm.
pub(crate) const BATCH_NORM: &str = "batch-norm";
/// Very deep networks with batch norm and without shortcuts.
pub(crate) const PLAIN: &str = "plain";
/// Deep networks without batch norm.
pub(crate) const NO_BATCH_NORM: &str = "no-batch-norm";
/// Networks that start from given weights.
pub(crate) const FINE_TUNING: &str = "fine-tuning";
/// Another name of that recipe.
const SHORT: &str = "finetune";

impl ShippedRecipe {
    /// Returns the comment at the start of the text: the recipe's purpose and the error it achieves.
    pub fn summary(&self) -> String {
        let comment = self.text.lines().take_while(|line| line.starts_with('#'));
        comment.map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the shipped recipe called `name`.
///
/// # Errors
/// If no shipped recipe has this name; the message gives the nearest.
pub fn shipped(name: &str) -> Result<Recipe> {
    let full = if name == SHORT { FINE_TUNING } else { name };
    let found = SHIPPED.iter().find(|recipe| recipe.name == full).ok_or_else(|| {
        let names = SHIPPED.iter().map(|recipe| recipe.name);
        let hint = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("choose from {}", names.collect::<Vec<_>>().join(", ")),
        };
        Error::input(format!("unknown recipe {name}; {hint}"))
    })?;
    Recipe::from_text(found.text).map_err(|e| e.at(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_recipe_parses_and_has_a_summary() {
        for recipe in SHIPPED {
            shipped(recipe.name).unwrap();
            assert!(recipe.summary().len() > 40, "{}", recipe.name);
        }
        assert_eq!(shipped("finetune").unwrap(), shipped("fine-tuning").unwrap());
    }

    #[test]
    fn every_network_names_a_shipped_recipe() {
        for model in striate_models::all() {
            shipped(model.recipe).unwrap();
        }
    }

    #[test]
    fn plain_differs_from_batch_norm_only_in_the_bias() {
        let mut plain = shipped("plain").unwrap();
        assert_eq!(plain.model.batch_norm_bias, Some(0.5));
        plain.model.batch_norm_bias = None;
        assert_eq!(plain, shipped("batch-norm").unwrap());
    }
}
