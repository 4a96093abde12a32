//! Reports of runs: what was trained on what, how well it does, and where it fails, in one file of HTML.

mod classes;
mod evaluated;
mod gallery;
mod mistakes;
mod order;
mod training;

pub use gallery::{Example, Examples, Strip};
pub use mistakes::{Mistake, Mistakes, Pair};

use striate_predict::Tally;
use striate_tensor::text::shortened;

use crate::page::charts::Series;
use crate::page::{Page, Picture, Section, escaped};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// A report is smaller than this, in bytes, whatever the number of classes.
pub const LARGEST: usize = 2_000_000;
/// Bytes of the images of a report, if the text leaves as many.
const PICTURES: usize = 1_200_000;
/// Bytes of what surrounds the sections.
const AROUND: usize = 100_000;
/// Bytes of the text that belongs to an image.
const CAPTION: usize = 1000;
/// Longest class name that is shown in full, in characters.
const NAME: usize = 48;
/// Longest text of facts and notes, in characters.
const FACT: usize = 400;

/// A run's model, measured on a part of its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The part.
    pub part: String,
    /// The figures.
    pub tally: Tally,
    /// The class names.
    pub classes: Vec<String>,
}

/// Everything that a report shows; what is empty or `None` is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The title, such as the name of the network and of the data.
    pub title: String,
    /// An introduction.
    pub introduction: String,
    /// What was trained how: names with values.
    pub facts: Vec<(String, String)>,
    /// What the report leaves out, and why.
    pub notes: Vec<String>,
    /// The columns of the run's metrics, by epoch.
    pub metrics: Vec<Series>,
    /// The figures of the model.
    pub evaluated: Option<Evaluated>,
    /// The most confident mistakes.
    pub mistakes: Vec<Example>,
    /// The most frequent confusions, each with its number of images.
    pub pairs: Vec<(usize, Examples)>,
    /// The kernels of the first layer.
    pub kernels: Option<(String, Picture)>,
    /// An image, with what layers make of it.
    pub features: Vec<(String, Picture)>,
    /// Training images as the recipe augments them.
    pub samples: Vec<Strip>,
    /// The recipe.
    pub recipe: String,
    /// An excerpt of the plan.
    pub plan: String,
}

/// Bytes left for images.
struct Budget {
    left: usize,
    omitted: usize,
}

impl Budget {
    /// Returns the element of `picture` if it still fits.
    fn show(&mut self, picture: &Picture) -> Option<String> {
        match self.left.checked_sub(picture.bytes() + CAPTION) {
            Some(left) => {
                self.left = left;
                Some(picture.html())
            }
            None => {
                self.omitted += 1;
                None
            }
        }
    }
}

impl Report {
    /// Returns the report as one file of HTML, smaller than [`LARGEST`].
    pub fn html(&self) -> String {
        let evaluated = self.evaluated.iter();
        let mut sections = vec![training::summary(&self.facts)];
        sections.extend(evaluated.clone().map(evaluated::figures));
        sections.extend(training::curves(&self.metrics));
        sections.extend(evaluated.clone().filter_map(evaluated::calibration));
        sections.extend(evaluated.clone().map(evaluated::confusion));
        sections.extend(evaluated.map(classes::classes));
        let last = [training::recipe(&self.recipe), training::plan(&self.plan)];
        let text: usize = sections.iter().chain(last.iter().flatten()).map(|own| own.content.len()).sum();
        let mut budget = Budget { left: PICTURES.min(LARGEST.saturating_sub(text + AROUND)), omitted: 0 };
        sections.extend(gallery::mistakes(&self.mistakes, &mut budget));
        sections.extend(gallery::pairs(&self.pairs, &mut budget));
        sections.extend(self.kernels.as_ref().and_then(|own| gallery::kernels(own, &mut budget)));
        sections.extend(gallery::features(&self.features, &mut budget));
        sections.extend(gallery::samples(&self.samples, &mut budget));
        sections.extend(last.into_iter().flatten());
        let mut notes: Vec<String> = self.notes.clone();
        if budget.omitted > 0 {
            notes.insert(0, format!("{} images are left out, so that this file stays small", budget.omitted));
        }
        let page = Page {
            title: shortened(&self.title, FACT).into_owned(),
            introduction: escaped(&shortened(&self.introduction, FACT)),
            style: STYLE,
            script: SCRIPT,
            opening: opening(&notes),
            sections,
            has_contents: true,
        };
        page.html()
    }
}

/// The notes of a report.
fn opening(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let item = |note: &String| format!("<li>{}</li>\n", escaped(&shortened(note, FACT)));
    let items: String = notes.iter().take(20).map(item).collect();
    format!("<aside class=\"notes\" aria-label=\"Notes\"><ul>\n{items}</ul></aside>\n")
}

/// A class name, shortened.
fn name(classes: &[String], index: usize) -> String {
    classes.get(index).map_or_else(|| index.to_string(), |name| shortened(name, NAME).into_owned())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Returns a section.
fn section(id: &'static str, title: &str, text: &str, content: String) -> Section {
    Section { id, title: title.to_owned(), text: text.to_owned(), content }
}

#[cfg(test)]
mod tests;
