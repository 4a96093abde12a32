//! The sections of a report about the training: summary, curves, recipe, plan.

use striate_tensor::text::shortened;

use super::{FACT, section};
use crate::page::charts::{Series, lines};
use crate::page::{Section, escaped, escaped_lines, scrolling};

/// Facts that are shown.
const FACTS: usize = 30;
/// Longest recipe and plan that are shown in full, in characters.
const TEXT: usize = 16_000;

/// What was trained how.
pub fn summary(facts: &[(String, String)]) -> Section {
    let row = |(name, value): &(String, String)| {
        let (name, value) = (escaped(&shortened(name, FACT)), escaped(&shortened(value, FACT)));
        format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n")
    };
    let rows: String = facts.iter().take(FACTS).map(row).collect();
    section("summary", "Summary", "", format!("<dl class=\"facts\">\n{rows}</dl>\n"))
}

/// The curves over the epochs; `None` if no epoch has ended.
pub fn curves(metrics: &[Series]) -> Option<Section> {
    let pick = |wanted: &[(&str, &str)]| -> Vec<Series> {
        let find = |(column, label): &(&str, &str)| {
            let (_, points) = metrics.iter().find(|(name, _)| name == column)?;
            (!points.is_empty()).then(|| ((*label).to_owned(), points.clone()))
        };
        wanted.iter().filter_map(find).collect()
    };
    let charts = [
        ("Loss", pick(&[("train_loss", "training loss"), ("val_loss", "validation loss")])),
        ("Validation error", pick(&[("val_top1_error", "validation error")])),
        ("Learning rate", pick(&[("rate", "learning rate")])),
    ];
    let chart = |(title, series): &(&str, Vec<Series>)| {
        format!(
            "<figure class=\"chart\">{}<figcaption>{title}</figcaption></figure>\n",
            lines(title, "epoch", series)
        )
    };
    let drawn: String = charts.iter().filter(|(_, series)| !series.is_empty()).map(chart).collect();
    let text =
        "From metrics.csv; the training loss is the mean over an epoch, while the weights still change.";
    (!drawn.is_empty()).then(|| {
        section("curves", "Training curves", text, format!("<div class=\"charts\">\n{drawn}</div>\n"))
    })
}

/// Returns text as it is.
fn verbatim(label: &str, text: &str) -> String {
    let text = match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}\n…", &text[..end]),
        None => text.to_owned(),
    };
    scrolling(label, &format!("<pre>{}</pre>", escaped_lines(&text)))
}

/// The recipe.
pub fn recipe(text: &str) -> Option<Section> {
    let content =
        || format!("<details><summary>recipe.toml</summary>\n{}</details>\n", verbatim("recipe.toml", text));
    (!text.is_empty()).then(|| section("recipe", "Recipe", "Every field, as the run used it.", content()))
}

/// The beginning of the plan.
pub fn plan(text: &str) -> Option<Section> {
    let content =
        || format!("<details><summary>plan.txt</summary>\n{}</details>\n", verbatim("plan.txt", text));
    let about = "What computed each step of the training, in the order in which it ran.";
    (!text.is_empty()).then(|| section("plan", "Plan", about, content()))
}
