//! The page: text, charts and tables in one file that needs nothing else.

use striate_models::history::{Branch, Claim, PublishedError};

use super::svg::escaped;
use super::{Counted, charts, lineage, percent};
use crate::output::grouped;

const STYLE: &str = include_str!("style.css");

pub(super) fn page(line: &[Counted], claims: &[Claim]) -> String {
    let section = |title: &str, text: &str, content: &str| {
        format!("<section>\n<h2>{title}</h2>\n<p>{text}</p>\n{content}</section>\n")
    };
    let body = [
        format!("<figure class=\"across\">{}</figure>\n", lineage::across(line)),
        format!("<figure class=\"upright\">{}</figure>\n", lineage::upright(line)),
        section(
            "What a right guess costs",
            "Top-5 error of one network on ImageNet over its cost; the area of a disc is its number of weights. \
             Both branches go down from AlexNet; that of structure pays less for it. Where an error was published on \
             several views of an image only, the cost of each view comes on top.",
            &format!("<figure>{}{}</figure>\n", charts::cost_and_error(line), legend()),
        ),
        section(
            "One network, and the figure that is told",
            "The errors in the history books are votes: of several networks, on many views of each image. The ring \
             is the best that the authors published for one network on the validation images, the disc what several \
             reach together.",
            &format!("<figure>{}{}</figure>\n", charts::one_and_several(line), legend()),
        ),
        section(
            "Where the weights stand, and where the work",
            "Linear layers hold nearly all weights of AlexNet and VGG and do almost none of the work. A mean over the \
             map, the idea of Network in network, made them small.",
            &format!(
                "<figure>{}<figcaption><span class=\"key convolution\"></span>convolutions \
                 <span class=\"key linear\"></span>linear layers, with their share</figcaption></figure>\n",
                charts::where_weights_stand(line)
            ),
        ),
        section("What is said, and what counting gives", "", &claims_table(claims)),
        section(
            "The line",
            "Layers are convolutions and linear layers on the longest path, MACs multiply-adds for one image, padded \
             taps included; auxiliary heads are left out. Errors are those that the authors published; on ImageNet \
             those of one network are of the validation images.",
            &line_table(line),
        ),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>The line of networks, 1957 to 2015</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>The line of networks, 1957 to 2015</h1>\n<p>From the perceptron to residual networks: sizes and \
         costs counted in the graphs of <code>striate models</code>, errors as their authors published them.</p>\
         </header>\n{}</main>\n</body>\n</html>\n",
        body.concat()
    )
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
        let words = claim.verdict.words();
        let class = words.replace(' ', "-");
        format!(
            "<tr><td>{}</td><td><span class=\"verdict {class}\">{words}</span></td><td>{}</td></tr>\n",
            escaped(claim.claim),
            escaped(&claim.counted)
        )
    };
    let rows: String = claims.iter().map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"claims\">\n<tr><th>claim</th><th>verdict</th><th>counted</th></tr>\n{rows}</table></div>\n"
    )
}

/// `3.57 % (6 networks), several scales`
fn published(error: &PublishedError) -> String {
    let several = if error.networks > 1 { format!(" ({} networks)", error.networks) } else { String::new() };
    format!("{} %{several}, {}", percent(error), escaped(error.how))
}

fn line_table(line: &[Counted]) -> String {
    let row = |counted: &Counted| {
        let Counted { station, counts } = counted;
        let figures = match counts {
            Some(counts) => {
                [counts.depth as u64, counts.params, counts.macs, counts.connections, counts.neurons]
                    .map(|number| format!("<td class=\"number\">{}</td>", grouped(number)))
                    .concat()
            }
            None => {
                format!("<td colspan=\"5\" class=\"stated\">{}</td>", escaped(station.stated.unwrap_or("–")))
            }
        };
        let task = station.errors.iter().take(1).map(|error| format!("{}:", escaped(error.task)));
        let errors: Vec<String> = task.chain(station.errors.iter().map(published)).collect();
        format!(
            "<tr><td class=\"number\">{}</td><td class=\"work\"><a href=\"{}\">{}</a> <small>{}</small><br>\
             <small>{}</small></td>{figures}<td class=\"errors\">{}</td></tr>\n",
            station.year,
            escaped(station.link),
            escaped(station.name),
            escaped(station.authors),
            escaped(station.idea),
            errors.join("<br>")
        )
    };
    let rows: String = line.iter().map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"line\">\n<tr><th>year</th><th>work</th><th>layers</th>\
         <th>weights</th><th>MACs</th><th>connections</th><th>neurons</th><th>published errors</th></tr>\n{rows}\
         </table></div>\n"
    )
}
