//! The sections of a report that consist of images.

use striate_tensor::text::{counted, shortened};

use super::{Budget, FACT, NAME, section};
use crate::page::{Picture, Section, escaped};

/// An image with its true class and its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The image.
    pub picture: Picture,
    /// Where the evidence for the prediction is, drawn over the image.
    pub evidence: Option<Picture>,
    /// The name of the true class.
    pub label: String,
    /// The name of the predicted class.
    pub guess: String,
    /// The probability of the prediction, if the scores give probabilities.
    pub confidence: Option<f32>,
    /// The number of the image in its part, from 0, or its file.
    pub place: String,
}

/// Images of a class that are mistaken for another.
pub type Examples = Vec<Example>;

/// Images of a class, side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// The name of the class.
    pub class: String,
    /// The number of its images.
    pub count: usize,
    /// The images.
    pub pictures: Vec<Picture>,
    /// For each image, the classes mixed into it with their shares, its own first; empty if none are mixed.
    pub mixtures: Vec<Vec<(String, f32)>>,
}

impl Strip {
    /// The images with their captions, as far as they fit.
    fn html(&self, budget: &mut Budget) -> String {
        let mut content = String::new();
        for (index, picture) in self.pictures.iter().enumerate() {
            let Some(image) = budget.show(picture) else { continue };
            let mixture = self.mixtures.get(index).into_iter().flatten();
            let words: Vec<String> =
                mixture.map(|(class, share)| format!("{} {share:.2}", short(class))).collect();
            content += &match words.is_empty() {
                true => image,
                false => format!("<div class=\"mixed\">{image}<small>{}</small></div>", words.join(" + ")),
            };
        }
        content
    }
}

fn short(name: &str) -> String {
    escaped(&shortened(name, NAME))
}

impl Example {
    fn html(&self, budget: &mut Budget) -> Option<String> {
        let images = budget.show(&self.picture)?;
        let evidence = self.evidence.as_ref().and_then(|own| budget.show(own)).unwrap_or_default();
        let confidence = self.confidence.map_or(String::new(), |share| format!(" ({:.1} %)", share * 100.0));
        Some(format!(
            "<figure class=\"example\"><div class=\"images\">{images}{evidence}</div>\
             <figcaption><b>{}</b>, mistaken for <b>{}</b>{confidence}<br><small>{}</small></figcaption></figure>\n",
            short(&self.label),
            short(&self.guess),
            escaped(&shortened(&self.place, FACT))
        ))
    }
}

/// Images side by side.
fn grid(examples: &[Example], budget: &mut Budget) -> String {
    let shown: String = examples.iter().filter_map(|example| example.html(budget)).collect();
    if shown.is_empty() { shown } else { format!("<div class=\"examples\">\n{shown}</div>\n") }
}

/// What the second image of an example is, if there are any.
fn evidence<'a>(mut examples: impl Iterator<Item = &'a Example>) -> &'static str {
    match examples.any(|example| example.evidence.is_some()) {
        true => {
            " Beside each, Grad-CAM (Selvaraju et al., 2017) shows where the evidence for the prediction lies: the brighter, the more."
        }
        false => "",
    }
}

/// The most confident mistakes.
pub fn mistakes(examples: &[Example], budget: &mut Budget) -> Option<Section> {
    let text = format!(
        "The wrong predictions with the highest confidence, as the network sees them.{}",
        evidence(examples.iter())
    );
    let content = grid(examples, budget);
    (!content.is_empty()).then(|| section("mistakes", "Worst mistakes", &text, content))
}

/// The most frequent confusions.
pub fn pairs(pairs: &[(usize, Examples)], budget: &mut Budget) -> Option<Section> {
    let mut content = String::new();
    for (count, examples) in pairs {
        let Some(first) = examples.first() else { continue };
        let shown = grid(examples, budget);
        if !shown.is_empty() {
            let images = counted(*count, "image");
            content += &format!(
                "<h3>{} mistaken for {} <small>{images}</small></h3>\n{shown}",
                short(&first.label),
                short(&first.guess)
            );
        }
    }
    let all = pairs.iter().flat_map(|(_, examples)| examples);
    let text = format!(
        "The classes that are confused most often, with the most confident examples.{}",
        evidence(all)
    );
    (!content.is_empty()).then(|| section("pairs", "Most confused pairs", &text, content))
}

/// The kernels of the first layer.
pub fn kernels((caption, picture): &(String, Picture), budget: &mut Budget) -> Option<Section> {
    let text = "What the first layer looks for; each tile is a kernel.";
    Some(section("kernels", "Kernels of the first layer", text, shown(caption, picture, budget)?))
}

/// What layers make of an image.
pub fn features(features: &[(String, Picture)], budget: &mut Budget) -> Option<Section> {
    let content: String = features.iter().filter_map(|(caption, own)| shown(caption, own, budget)).collect();
    let text = "One image, and the values of each channel after some layers; bright is large.";
    (!content.is_empty()).then(|| {
        section("features", "Feature maps", text, format!("<div class=\"maps\">\n{content}</div>\n"))
    })
}

fn shown(caption: &str, picture: &Picture, budget: &mut Budget) -> Option<String> {
    let image = budget.show(picture)?;
    Some(format!("<figure>{image}<figcaption>{}</figcaption></figure>\n", escaped(&shortened(caption, FACT))))
}

/// Training images as the recipe augments them.
pub fn samples(strips: &[Strip], budget: &mut Budget) -> Option<Section> {
    let mut content = String::new();
    for strip in strips {
        let images = strip.html(budget);
        if !images.is_empty() {
            let (class, count) = (short(&strip.class), counted(strip.count, "image"));
            content += &format!(
                "<figure class=\"strip\"><div class=\"images\">{images}</div>\
                 <figcaption><b>{class}</b> <small>{count}</small></figcaption></figure>\n"
            );
        }
    }
    let mixed = match strips.iter().any(|strip| strip.mixtures.iter().any(|own| !own.is_empty())) {
        true => " The recipe mixes images; each caption gives the classes in the image and their shares.",
        false => "",
    };
    let text =
        format!("Training images as the network sees them, after the augmentation of the recipe.{mixed}");
    (!content.is_empty()).then(|| section("samples", "Augmented samples", &text, content))
}
