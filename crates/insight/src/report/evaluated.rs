//! The sections of a report about the model as a whole: figures, calibration, confusions.

use striate_predict::Bin;
use striate_tensor::text::{counted, grouped};

use super::{Evaluated, name, order, percent, section};
use crate::page::charts::{ReliabilityBar, matrix, reliability};
use crate::page::{Column, Section, escaped, scrolling, table};

/// The largest confusion matrix that is drawn whole.
const WHOLE: usize = 40;
/// Classes of the block drawn of a larger one.
const BLOCK: usize = 30;
/// Confusions that are listed.
const LISTED: usize = 30;

/// A figure: its name for programs, its label, its value, and how it is shown.
fn figure(id: &str, title: &str, value: f64, shown: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(" <small>{}</small>", escaped(more)) };
    format!(
        "<div><dt>{}</dt><dd><data class=\"{id}\" value=\"{value}\">{}</data>{more}</dd></div>\n",
        escaped(title),
        escaped(shown)
    )
}

/// The figures of the model.
pub fn figures(evaluated: &Evaluated) -> Section {
    let Evaluated { part, tally, classes } = evaluated;
    let share =
        |id: &str, title: &str, value: f64, more: &str| figure(id, title, value, &percent(value), more);
    let [low, high] = tally.top1_interval();
    let mut list = figure("n", "images", tally.n() as f64, &grouped(tally.n() as u64), part);
    let interval = format!("95 % interval {:.2} to {:.2} %", low * 100.0, high * 100.0);
    list += &share("top1_error", "top-1 error", tally.top1_error(), &interval);
    if classes.len() > 5 {
        list += &share("top5_error", "top-5 error", tally.top5_error(), "");
    }
    list += &figure("loss", "loss", tally.loss(), &format!("{:.4}", tally.loss()), "");
    if let Some(f1) = tally.macro_f1() {
        list += &share("macro_f1", "mean F1 of the classes", f1, "");
    }
    if let Some(error) = tally.calibration_error() {
        list += &share("calibration_error", "calibration error", error, "");
    }
    let images = match evaluated.part.as_str() {
        "all" => "all images, most of which it was trained on",
        _ => "images that it was not trained on",
    };
    let text = format!("The model of the last step, on {images}; these are the figures of striate eval.");
    section("results", "Results", &text, format!("<dl class=\"figures\">\n{list}</dl>\n"))
}

/// The reliability diagram; `None` if the scores give no probabilities.
pub fn calibration(evaluated: &Evaluated) -> Option<Section> {
    let bins = evaluated.tally.bins()?;
    let bar = |bin: &Bin| ReliabilityBar {
        shares: (bin.images > 0)
            .then(|| [bin.confidence, bin.right as f64].map(|sum| sum / bin.images as f64)),
        images: bin.images,
    };
    let bars: Vec<ReliabilityBar> = bins.iter().map(bar).collect();
    let columns = [
        Column::text("confidence"),
        Column::number("images"),
        Column::number("mean"),
        Column::number("right"),
    ];
    let rows = bars.iter().enumerate().map(|(index, own)| {
        let edge = |index: usize| index as f64 / bars.len() as f64 * 100.0;
        let range = format!("{:.0} to {:.0} %", edge(index), edge(index + 1));
        let [mean, right] = own.shares.map_or(["–".into(), "–".into()], |shares| shares.map(percent));
        vec![range, grouped(own.images as u64), mean, right]
    });
    let content = format!(
        "<figure class=\"chart\">{}</figure>\n<details><summary>The numbers</summary>\n{}</details>\n",
        reliability("Reliability: share of right predictions over confidence", &bars),
        table("bins", "Predictions by confidence", &columns, rows)
    );
    let text = "If predictions made with a confidence of 80 % are right 8 times in 10, the model is calibrated: bars \
                end at the diagonal. Bars below it mean that the model is overconfident.";
    Some(section("calibration", "Calibration", text, content))
}

/// The confusion matrix, or its worst block, and the most frequent confusions.
pub fn confusion(evaluated: &Evaluated) -> Section {
    let Evaluated { tally, classes, .. } = evaluated;
    let counts = tally.confusion();
    let is_whole = classes.len() <= WHOLE;
    let shown = if is_whole { (0..classes.len()).collect() } else { order::worst(&counts, BLOCK) };
    let order = order::neighbors(&counts, &shown);
    let names: Vec<String> = order.iter().map(|class| name(classes, *class)).collect();
    let block: Vec<Vec<usize>> =
        order.iter().map(|label| order.iter().map(|guess| counts[*label][*guess]).collect()).collect();
    let title = match is_whole {
        true => "Confusion matrix".to_owned(),
        false => format!(
            "The worst block of the confusion matrix: {} of {}",
            order.len(),
            counted(classes.len(), "class")
        ),
    };
    let mut content = match order.is_empty() {
        true => "<p>No image is confused.</p>\n".to_owned(),
        false => {
            let drawing = matrix(&title, &names, &block);
            let caption = escaped(&title);
            format!(
                "<figure class=\"matrix\">{}<figcaption>{caption}</figcaption></figure>\n",
                scrolling(&title, &drawing)
            )
        }
    };
    content += &listed(&counts, classes);
    let text = "Rows are true classes, columns are predictions; classes that are confused with each other lie near \
                each other. The color of a cell is its share of the images of the row.";
    section("confusions", "Confusions", text, content)
}

/// The most frequent confusions as a table.
fn listed(counts: &[Vec<usize>], classes: &[String]) -> String {
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (label, row) in counts.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|(guess, count)| *guess != label && **count > 0);
        pairs.extend(wrong.map(|(guess, count)| (*count, label, guess)));
    }
    if pairs.is_empty() {
        return String::new();
    }
    pairs.sort_by_key(|(count, label, guess)| (std::cmp::Reverse(*count), *label, *guess));
    let columns = [
        Column::text("true class"),
        Column::text("mistaken for"),
        Column::number("images"),
        Column::number("of the class"),
    ];
    let rows = pairs.iter().take(LISTED).map(|(count, label, guess)| {
        let all: usize = counts[*label].iter().sum();
        let share = percent(*count as f64 / all as f64);
        vec![name(classes, *label), name(classes, *guess), grouped(*count as u64), share]
    });
    let caption = match pairs.len() > LISTED {
        true => format!("The {LISTED} most frequent of {}", counted(pairs.len(), "confusion")),
        false => "All confusions".to_owned(),
    };
    let table = table("confusions", &caption, &columns, rows);
    format!(
        "<details{}><summary>{caption}</summary>\n{table}</details>\n",
        if pairs.len() <= 12 { " open" } else { "" }
    )
}
