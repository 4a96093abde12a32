//! Charts of cost, error, and the distribution of weights.

use striate_insight::page::svg::{bar, circle, image, label, line};
use striate_models::history::{Branch, Counts, Milestone, PublishedError};

use super::lineage::short;
use super::{Counted, percent};

const WIDTH: f64 = 1000.0;

/// A milestone with counted figures and published top-5 errors.
struct Measured<'a> {
    milestone: &'a Milestone,
    counts: &'a Counts,
    /// The error of a single network on the fewest views published.
    plain: PublishedError,
    /// The lowest published error of a single network.
    single: PublishedError,
    /// The lowest published error of an ensemble.
    ensemble: Option<PublishedError>,
}

impl<'a> Measured<'a> {
    fn of(counted: &'a Counted) -> Option<Measured<'a>> {
        let Counted { milestone, counts } = counted;
        let plain = milestone.fewest_views().filter(PublishedError::is_top5)?;
        let (single, ensemble) = milestone.lowest_errors();
        Some(Measured { milestone, counts: counts.as_ref()?, plain, single: single?, ensemble })
    }
}

fn measured(entries: &[Counted]) -> Vec<Measured<'_>> {
    entries.iter().filter_map(Measured::of).collect()
}

/// Plots the top-5 error of single networks over their multiply-adds; the area of a disc is the number of weights.
pub(super) fn cost_and_error(entries: &[Counted]) -> String {
    const HEIGHT: f64 = 500.0;
    let (left, right, top, bottom) = (54.0, WIDTH - 40.0, 24.0, HEIGHT - 52.0);
    let x = |macs: f64| left + (macs / 4e8).log10() / (3e10f64 / 4e8).log10() * (right - left);
    let y = |error: f64| bottom - error / 20.0 * (bottom - top);
    let mut drawing = String::new();
    for tick in [0.0, 5.0, 10.0, 15.0, 20.0] {
        drawing += &line([left, y(tick)], [right, y(tick)], "grid");
        drawing += &label(left - 8.0, y(tick) + 4.0, "small end", &format!("{tick:.0} %"));
    }
    for (macs, name) in
        [(5e8, "0.5 G"), (1e9, "1 G"), (2e9, "2 G"), (5e9, "5 G"), (1e10, "10 G"), (2e10, "20 G")]
    {
        drawing += &line([x(macs), bottom], [x(macs), bottom + 5.0], "axis");
        drawing += &label(x(macs), bottom + 20.0, "small middle", name);
    }
    drawing += &label(right, bottom + 40.0, "small end", "multiply-adds per image (log scale)");
    let rows = measured(entries);
    let center = |row: &Measured| [x(row.counts.macs as f64), y(row.plain.percent)];
    for (index, row) in rows.iter().enumerate() {
        let before = rows[..index].iter().rev().find(|other| leads_to(other.milestone, row.milestone));
        if let Some(before) = before {
            drawing += &line(center(before), center(row), &format!("path {}", row.milestone.branch.name()));
        }
    }
    for row in &rows {
        drawing += &bubble(row, center(row));
    }
    image(WIDTH, HEIGHT, "Top-5 error of single networks over their cost", &drawing)
}

/// Whether `milestone` follows `before` on its branch.
fn leads_to(before: &Milestone, milestone: &Milestone) -> bool {
    before.branch == milestone.branch || before.branch == Branch::Trunk
}

/// Draws a disc whose area is the number of weights, with name and figures next to it or below.
fn bubble(row: &Measured, [x, y]: [f64; 2]) -> String {
    let Measured { milestone, counts, plain, .. } = row;
    let radius = (counts.params as f64 / 1e6).sqrt() * 2.6;
    let weights = short(counts.params);
    let macs = short(counts.macs);
    let title = format!(
        "{}: {} % top-5 error ({}), {macs} multiply-adds, {weights} weights",
        milestone.name,
        percent(plain),
        plain.how
    );
    // The label goes where the path of the branch leaves space.
    let (at, anchor) = match milestone.branch {
        Branch::Trunk => ([x + radius + 9.0, y - 9.0], "start"),
        Branch::Depth if x > 0.8 * WIDTH => ([x, y + radius + 18.0], "middle"),
        Branch::Structure | Branch::Depth => ([x - radius - 9.0, y + 8.0], "end"),
    };
    let figures = format!("{} %, {}", percent(plain), plain.views());
    circle([x, y], radius, &format!("bubble {}", milestone.branch.name()), &title)
        + &label(at[0], at[1], &format!("name {anchor}"), milestone.name)
        + &label(at[0], at[1] + 15.0, &format!("small {anchor}"), &figures)
}

/// Compares the error of a single network with that of an ensemble, the figure usually quoted.
pub(super) fn single_and_ensemble(entries: &[Counted]) -> String {
    const ROW: f64 = 34.0;
    let rows = measured(entries);
    let (left, right, top) = (190.0, WIDTH - 230.0, 34.0);
    let bottom = top + ROW * rows.len() as f64;
    let x = |error: f64| left + error / 20.0 * (right - left);
    let mut drawing = String::new();
    for tick in [0.0, 5.0, 10.0, 15.0, 20.0] {
        drawing += &line([x(tick), top - 8.0], [x(tick), bottom], "grid");
        drawing += &label(x(tick), top - 14.0, "small middle", &format!("{tick:.0} %"));
    }
    for (row, Measured { milestone, single, ensemble, .. }) in rows.iter().enumerate() {
        let y = top + ROW * (row as f64 + 0.5);
        let class = milestone.branch.name();
        drawing += &label(left - 34.0, y + 4.0, "name end", milestone.name);
        if let Some(ensemble) = ensemble {
            drawing += &line([x(ensemble.percent), y], [x(single.percent), y], &format!("link {class}"));
            let title =
                format!("{} % with {} networks ({})", percent(ensemble), ensemble.networks, ensemble.how);
            drawing += &circle([x(ensemble.percent), y], 7.0, &format!("disc {class}"), &title);
            let text = format!("{} networks: {}", ensemble.networks, percent(ensemble));
            drawing += &label(x(ensemble.percent) - 13.0, y + 4.0, "small end", &text);
        }
        let title = format!("{} % with a single network ({})", percent(single), single.how);
        drawing += &circle([x(single.percent), y], 7.0, &format!("disc hollow {class}"), &title);
        drawing += &label(
            x(single.percent) + 13.0,
            y + 4.0,
            "small",
            &format!("{} ({})", percent(single), single.how),
        );
    }
    image(WIDTH, bottom + 12.0, "Top-5 error of single networks and ensembles", &drawing)
}

/// Plots the shares of convolutions and linear layers in weights and multiply-adds.
pub(super) fn weights_and_work(entries: &[Counted]) -> String {
    const ROW: f64 = 34.0;
    let rows: Vec<&Counted> = entries.iter().filter(|counted| counted.counts.is_some()).collect();
    let (left, top, width, gap) = (170.0, 44.0, 320.0, 90.0);
    let mut drawing = label(left, top - 22.0, "name", "weights")
        + &label(left + width + gap, top - 22.0, "name", "multiply-adds");
    for (row, Counted { milestone, counts }) in rows.iter().enumerate() {
        let Some(counts) = counts else { continue };
        let y = top + ROW * row as f64;
        drawing += &label(left - 12.0, y + 15.0, "name end", milestone.name);
        for (column, linear) in [counts.linear_params, counts.linear_macs].into_iter().enumerate() {
            let x = left + (width + gap) * column as f64;
            let cut = width * (1.0 - linear);
            let title = format!("{}: {:.1} % in linear layers", milestone.name, linear * 100.0);
            drawing += &bar([x, y], [cut, 20.0], "bar convolution", &title);
            drawing += &bar([x + cut, y], [width - cut, 20.0], "bar linear", &title);
            drawing += &label(x + width + 8.0, y + 14.5, "small", &format!("{:.1} %", linear * 100.0));
        }
    }
    image(
        WIDTH,
        top + ROW * rows.len() as f64,
        "Share of linear layers in weights and multiply-adds",
        &drawing,
    )
}
