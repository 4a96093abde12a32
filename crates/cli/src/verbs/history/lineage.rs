//! The history as a tree: a trunk up to AlexNet, then one branch of structure and one of depth.

use striate_insight::page::svg::{bend, bend_down, circle, image, label};
use striate_models::history::{Branch, Counts};

use super::Counted;

const COLUMN: f64 = 101.0;
const WIDTH: f64 = 1146.0;
const HEIGHT: f64 = 410.0;
const MARGIN: f64 = 66.0;

const LABEL: &str = "The history of networks: a trunk up to AlexNet, then structure and depth";

/// Captions of the branches after the trunk.
const CAPTIONS: [(Branch, &str); 2] =
    [(Branch::Structure, "structure: better modules"), (Branch::Depth, "depth: more layers")];

/// Draws the tree from left to right.
pub(super) fn across(entries: &[Counted]) -> String {
    let places = places(entries);
    let mut lines = String::new();
    let mut nodes = String::new();
    for (index, counted) in entries.iter().enumerate() {
        if let Some(parent) = parent(entries, index) {
            let class = format!("link {}", counted.milestone.branch.name());
            lines += &bend(places[parent], places[index], &class);
        }
        // Long names of neighbors without figures alternate above and below the trunk.
        let is_below = counted.counts.is_none() && index % 2 == 1;
        nodes += &node(counted, places[index], is_below);
    }
    let x = MARGIN + 5.0 * COLUMN;
    let captions: String =
        [[x + 60.0, 26.0], [x + 40.0, HEIGHT - 18.0]].into_iter().zip(CAPTIONS).map(caption).collect();
    image(WIDTH, HEIGHT, LABEL, &(lines + &nodes + &captions))
}

/// Draws the tree from top to bottom, for narrow screens: a row per milestone, by year, and a lane per branch.
pub(super) fn upright(entries: &[Counted]) -> String {
    const ROW: f64 = 60.0;
    let lane = |branch: Branch| match branch {
        Branch::Structure => 24.0,
        Branch::Trunk => 50.0,
        Branch::Depth => 76.0,
    };
    let place = |index: usize| [lane(entries[index].milestone.branch), 30.0 + ROW * index as f64];
    let bottom = ROW * entries.len() as f64;
    let mut lines = String::new();
    let mut nodes = String::new();
    for (index, counted) in entries.iter().enumerate() {
        let Counted { milestone, counts } = counted;
        let [x, y] = place(index);
        if let Some(parent) = parent(entries, index) {
            lines += &bend_down(place(parent), [x, y], &format!("link {}", milestone.branch.name()));
        }
        let name = format!("{}, {}", milestone.name, milestone.year);
        let figures = counts.as_ref().map(figures);
        nodes += &disc(counted, [x, y]);
        nodes += &label(108.0, if figures.is_some() { y - 3.0 } else { y + 4.0 }, "name", &name);
        nodes +=
            &figures.map_or(String::new(), |figures| label(108.0, y + 14.0, "small", &figures.join(", ")));
    }
    let rows = [24.0, 46.0].map(|row| [12.0, bottom + row]);
    nodes.extend(rows.into_iter().zip(CAPTIONS).map(caption));
    image(370.0, bottom + 56.0, LABEL, &(lines + &nodes))
}

/// Returns the milestone that the one at `index` builds on: the last before it on its branch or the trunk.
fn parent(entries: &[Counted], index: usize) -> Option<usize> {
    let branch = |index: usize| entries[index].milestone.branch;
    (0..index).rev().find(|other| branch(*other) == branch(index) || branch(*other) == Branch::Trunk)
}

fn caption(([x, y], (branch, text)): ([f64; 2], (Branch, &str))) -> String {
    label(x, y, &format!("branch {}", branch.name()), text)
}

/// Returns the position of each milestone: a column for each on the trunk, then a column for each on its branch.
fn places(entries: &[Counted]) -> Vec<[f64; 2]> {
    let mut columns = [0.0, 0.0, 0.0];
    let trunk = entries.iter().filter(|counted| counted.milestone.branch == Branch::Trunk).count() as f64;
    entries
        .iter()
        .map(|counted| {
            let (lane, y, first, step) = match counted.milestone.branch {
                Branch::Trunk => (0, HEIGHT / 2.0, 0.0, 1.0),
                Branch::Structure => (1, 108.0, trunk + 0.3, 1.27),
                Branch::Depth => (2, HEIGHT - 118.0, trunk + 0.8, 2.0),
            };
            let place = [MARGIN + COLUMN * (first + columns[lane]), y];
            columns[lane] += step;
            place
        })
        .collect()
}

/// Draws a disc with its name and figures.
fn node(counted: &Counted, center: [f64; 2], is_below: bool) -> String {
    let milestone = counted.milestone;
    let [x, y] = center;
    let radius = radius(counted);
    let name = if is_below { y + radius + 17.0 } else { y - radius - 24.0 };
    let mut text = disc(counted, center);
    text += &label(x, name, "name middle", milestone.name);
    text += &label(x, name + 15.0, "small middle", &milestone.year.to_string());
    for (row, figure) in counted.counts.iter().flat_map(figures).enumerate() {
        text += &label(x, y + radius + 17.0 + 15.0 * row as f64, "small middle", &figure);
    }
    text
}

fn disc(counted: &Counted, center: [f64; 2]) -> String {
    let milestone = counted.milestone;
    let hollow = if counted.counts.is_some() { "" } else { " hollow" };
    let class = format!("disc {}{hollow}", milestone.branch.name());
    let title = format!("{} ({}, {}): {}", milestone.name, milestone.authors, milestone.year, milestone.idea);
    circle(center, radius(counted), &class, &title)
}

/// Returns the radius, which grows with the logarithm of the number of parameters.
fn radius(counted: &Counted) -> f64 {
    counted.counts.as_ref().map_or(6.0, |counts| 2.2 * (counts.params as f64).log10())
}

fn figures(counts: &Counts) -> [String; 3] {
    [
        format!("{} layers", counts.depth),
        format!("{} weights", short(counts.params)),
        format!("{} MACs", short(counts.macs)),
    ]
}

/// Abbreviates a number: 60.97 M, 1.58 G.
pub(super) fn short(number: u64) -> String {
    let (value, letter) = match number {
        1_000_000_000.. => (number as f64 / 1e9, " G"),
        1_000_000.. => (number as f64 / 1e6, " M"),
        1_000.. => (number as f64 / 1e3, " k"),
        _ => (number as f64, ""),
    };
    match value {
        100.0.. => format!("{value:.0}{letter}"),
        10.0.. => format!("{value:.1}{letter}"),
        _ => format!("{value:.2}{letter}"),
    }
}
