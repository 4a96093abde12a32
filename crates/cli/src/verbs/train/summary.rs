//! The summary that `striate train` begins with, as text.

use striate_data::Medium;
use striate_tensor::text::{counted, printable};
use striate_train::{DataSummary, NetworkSummary, Origin, RecipeSummary, Summary};

use crate::output::{grouped, image_sizes, sides, skipped};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns of the labels.
const LABELS: usize = 10;
/// Largest number of class names listed in full.
const ALL_CLASSES: usize = 10;
/// Number of class names shown at each end of a longer list.
const END_CLASSES: usize = 3;
/// Largest number of unreadable files listed here; the run folder lists all.
const FEW_FILES: usize = 5;

/// Returns the summary, line by line.
pub fn text(summary: &Summary) -> String {
    let Summary { data, network, recipe, steps_per_epoch, steps, memory_bytes, without_descent, device } =
        summary;
    let mut text = section("data", &data_lines(data));
    text += &section("network", &network_lines(network));
    let what = match without_descent {
        Some(own) => format!("{} features of each training image", grouped(own.features as u64)),
        None => "a training step".into(),
    };
    text += &section("memory", &[format!("{} for {what} on {}", bytes(*memory_bytes), printable(device))]);
    text += &section("recipe", &recipe_lines(recipe));
    if let Some(own) = without_descent {
        return text + &section("steps", std::slice::from_ref(&own.method));
    }
    text + &section(
        "steps",
        &[format!("{} in total, {} per epoch", grouped(*steps), grouped(*steps_per_epoch))],
    )
}

fn data_lines(data: &DataSummary) -> Vec<String> {
    let parts: Vec<String> =
        data.parts.iter().map(|part| format!("{} {}", grouped(part.images as u64), part.name)).collect();
    let sample = Medium::of(&data.spec).name();
    let mut lines = vec![format!("{}: {} {sample}s", printable(&data.spec), parts.join(", "))];
    lines.push(format!("{}: {}", counted(data.classes.len(), "class"), classes(&data.classes)));
    lines.extend(data.sizes.iter().map(image_sizes));
    lines.extend(data.encoding.iter().map(|encoding| format!("each {sample}: {encoding}")));
    if !data.steps.is_empty() {
        lines.push(format!("each image: {}", data.steps.join(", ")));
    }
    if !data.mean.is_empty() {
        let list = |numbers: &[f32]| numbers.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(", ");
        lines.push(format!("normalized with mean {} and std {}", list(&data.mean), list(&data.std)));
        lines.extend(data.normalization.iter().map(|origin| format!("normalization: {}", printable(origin))));
    }
    lines.extend(data.notes.iter().map(|note| printable(note).into_owned()));
    lines.extend(data.skipped.iter().map(|entry| skipped(&entry.kind, entry.count, &entry.first)));
    let unreadable = &data.unreadable;
    let few = unreadable.iter().take(FEW_FILES);
    lines.extend(few.map(|image| {
        format!("unreadable, skipped: {}: {}", printable(&image.file), printable(&image.reason))
    }));
    if unreadable.len() > FEW_FILES {
        lines.push(format!(
            "and {} more, all in unreadable.txt of the run folder",
            unreadable.len() - FEW_FILES
        ));
    }
    lines
}

fn network_lines(network: &NetworkSummary) -> Vec<String> {
    let (name, input) = (printable(&network.name), sides(&network.input));
    let mut lines = vec![format!("{name}: input {input}, {} parameters", grouped(network.params))];
    lines.extend(network.weights.iter().map(|file| format!("initial weights from {}", printable(file))));
    lines.extend(network.changes.iter().map(|change| printable(change).into_owned()));
    lines
}

/// Values grouped by origin: flags, rules, the recipe, defaults.
fn recipe_lines(recipe: &RecipeSummary) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", printable(&recipe.name), recipe.reason)];
    let (mut from_recipe, mut defaults) = (Vec::new(), Vec::new());
    for value in &recipe.values {
        let assignment = format!("{} = {}", value.field, printable(&value.value));
        match &value.origin {
            Origin::Flag(flag) => lines.push(format!("from {flag}: {assignment}")),
            Origin::Rule(reason) => lines.push(format!("by rule: {assignment} ({reason})")),
            Origin::Recipe => from_recipe.push(assignment),
            Origin::Default => defaults.push(assignment),
        }
    }
    let lists = [("from the recipe", from_recipe), ("defaults", defaults)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    lines.extend(lists.map(|(label, list)| format!("{label}: {}", list.join(", "))));
    lines
}

fn classes(names: &[String]) -> String {
    let join = |names: &[String]| names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ");
    match names.len() {
        count if count <= ALL_CLASSES => join(names),
        count => format!("{} … {}", join(&names[..END_CLASSES]), join(&names[count - END_CLASSES..])),
    }
}

/// Formats a memory size for display.
fn bytes(count: usize) -> String {
    match count as f64 {
        count if count >= 1e9 => format!("{:.1} GB", count / 1e9),
        count => format!("{:.1} MB", count / 1e6),
    }
}

/// Formats lines under a label, wrapped at spaces.
fn section(label: &str, lines: &[String]) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let mut current = format!("{:LABELS$}", if index == 0 { label } else { "" });
        let mut is_empty = true;
        for word in line.split(' ') {
            if !is_empty && current.chars().count() + 1 + word.chars().count() > WIDTH {
                text += &format!("{}\n", current.trim_end());
                (current, is_empty) = (" ".repeat(LABELS + 2), true);
            }
            if !is_empty {
                current.push(' ');
            }
            current += word;
            is_empty = false;
        }
        text += &format!("{}\n", current.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_under_their_label() {
        let words = vec!["word"; 30].join(" ");
        let text = section("data", &[words, "x\u{1b}[31m".into()]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("data      word word") && lines[0].chars().count() <= WIDTH);
        assert!(lines[1].starts_with("            word") && lines.len() == 3, "{text}");
    }

    #[test]
    fn long_lists_of_classes_show_both_ends() {
        let names: Vec<String> = (0..20).map(|i| format!("c{i}")).collect();
        assert_eq!(classes(&names), "c0, c1, c2 … c17, c18, c19");
        assert_eq!(classes(&names[..2]), "c0, c1");
        assert_eq!(printable("a\u{1b}b"), "a\u{fffd}b");
    }
}
