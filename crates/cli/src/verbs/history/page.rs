//! The page: text, charts and tables in one self-contained file.

use striate_experiments::{Definition, Record};
use striate_insight::page::{Page, Section, escaped, scrolling};
use striate_models::history::{Branch, Claim, PublishedError};

use super::{Counted, charts, lineage, measured, percent};
use crate::output::grouped;

const STYLE: &str = include_str!("style.css");

pub(super) fn page(
    entries: &[Counted],
    claims: &[Claim],
    experiments: &[(Definition, Option<Record>)],
) -> String {
    let section = |id: &'static str, title: &str, text: &str, content: String| Section {
        id,
        title: title.to_owned(),
        text: text.to_owned(),
        content,
    };
    let sections = vec![
        section(
            "cost",
            "What accuracy costs",
            "Top-5 error of single networks on ImageNet over their cost; the area of a disc is the number of weights. \
             Both branches improve on AlexNet; structure does so at a lower cost. Where an error was published \
             only for several views of an image, each view costs as much again.",
            format!("<figure>{}{}</figure>\n", charts::cost_and_error(entries), legend()),
        ),
        section(
            "ensembles",
            "Single networks and the figures usually quoted",
            "The errors usually quoted are those of ensembles, averaged over several networks and many views of each \
             image. A ring marks the best published error of a single network on the validation images, a disc that \
             of the ensemble.",
            format!("<figure>{}{}</figure>\n", charts::single_and_ensemble(entries), legend()),
        ),
        section(
            "weights",
            "Where the weights are, and where the work is",
            "The linear layers of AlexNet and VGG hold nearly all the weights and do almost none of the work. Global \
             average pooling, introduced by Network in network, made them small.",
            format!(
                "<figure>{}<figcaption><span class=\"key convolution\"></span>convolutions \
                 <span class=\"key linear\"></span>linear layers, with their share in percent</figcaption></figure>\n",
                charts::weights_and_work(entries)
            ),
        ),
        section("claims", "Common claims, and what counting gives", "", claims_table(claims)),
        measured::section(experiments),
        section(
            "milestones",
            "The milestones",
            "Layers are convolutions and linear layers on the longest path; MACs are multiply-adds per image, including \
             padded taps. Auxiliary heads are not counted. Errors are those published by the authors; on ImageNet, \
             those of single networks refer to the validation images.",
            milestones_table(entries),
        ),
    ];
    let page = Page {
        title: "Convolutional networks, 1957 to 2015".into(),
        introduction: "From the perceptron to residual networks: sizes and costs counted in the networks of \
                       <code>striate models</code>, errors as published by their authors."
            .into(),
        style: STYLE,
        opening: format!(
            "<figure class=\"across\">{}</figure>\n<figure class=\"upright\">{}</figure>\n",
            lineage::across(entries),
            lineage::upright(entries)
        ),
        sections,
        ..Page::default()
    };
    page.html()
}

fn legend() -> String {
    let key = |branch: Branch, what: &str| format!("<span class=\"key {}\"></span>{what} ", branch.name());
    format!(
        "<figcaption>{}{}{}</figcaption>",
        key(Branch::Trunk, "trunk"),
        key(Branch::Structure, "structure"),
        key(Branch::Depth, "depth")
    )
}

fn claims_table(claims: &[Claim]) -> String {
    let row = |claim: &Claim| {
        let label = claim.verdict.label();
        format!(
            "<tr><td>{}</td><td><span class=\"verdict {label}\">{label}</span></td><td>{}</td></tr>\n",
            escaped(claim.claim),
            escaped(&claim.counted)
        )
    };
    let rows: String = claims.iter().map(row).collect();
    scrolling(
        "Common claims",
        &format!(
            "<table class=\"claims\">\n<tr><th>claim</th><th>verdict</th><th>counted</th></tr>\n{rows}</table>"
        ),
    )
}

/// `3.57 % (6 networks), several scales`
fn published(error: &PublishedError) -> String {
    let ensemble = if error.networks > 1 { format!(" ({} networks)", error.networks) } else { String::new() };
    format!("{} %{ensemble}, {}", percent(error), escaped(error.how))
}

fn milestones_table(entries: &[Counted]) -> String {
    let row = |counted: &Counted| {
        let Counted { milestone, counts } = counted;
        let figures = match counts {
            Some(counts) => {
                [counts.depth as u64, counts.params, counts.macs, counts.connections, counts.neurons]
                    .map(|number| format!("<td class=\"number\">{}</td>", grouped(number)))
                    .concat()
            }
            None => {
                format!(
                    "<td colspan=\"5\" class=\"stated\">{}</td>",
                    escaped(milestone.stated.unwrap_or("–"))
                )
            }
        };
        let task = milestone.errors.iter().take(1).map(|error| format!("{}:", escaped(error.task)));
        let errors: Vec<String> = task.chain(milestone.errors.iter().map(published)).collect();
        format!(
            "<tr><td class=\"number\">{}</td><td class=\"work\"><a href=\"{}\">{}</a> <small>{}</small><br>\
             <small>{}</small></td>{figures}<td class=\"errors\">{}</td></tr>\n",
            milestone.year,
            escaped(milestone.link),
            escaped(milestone.name),
            escaped(milestone.authors),
            escaped(milestone.idea),
            errors.join("<br>")
        )
    };
    let rows: String = entries.iter().map(row).collect();
    scrolling(
        "The milestones",
        &format!(
            "<table class=\"line\">\n<tr><th>year</th><th>work</th><th>layers</th>\
             <th>weights</th><th>MACs</th><th>connections</th><th>neurons</th><th>published errors</th></tr>\n{rows}\
             </table>"
        ),
    )
}
