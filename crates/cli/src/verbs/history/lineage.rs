//! The line as a tree: a trunk to AlexNet, then the branch of structure and that of depth.

use striate_models::history::Branch;

use super::Counted;
use super::svg::{bend, circle, colour, picture, words};

const COLUMN: f64 = 101.0;
const WIDTH: f64 = 1146.0;
const HEIGHT: f64 = 410.0;
const MARGIN: f64 = 66.0;

pub(super) fn lineage(line: &[Counted]) -> String {
    let places = places(line);
    let mut lines = String::new();
    let mut nodes = String::new();
    for (index, counted) in line.iter().enumerate() {
        let branch = counted.station.branch;
        let parent = (0..index).rev().find(|other| {
            let before = line[*other].station.branch;
            before == branch || before == Branch::Trunk
        });
        if let Some(parent) = parent {
            lines += &bend(places[parent], places[index], &format!("link {}", colour(branch)));
        }
        // Neighbours without figures take turns above and below the line, since their names are long.
        let is_below = counted.counts.is_none() && index % 2 == 1;
        nodes += &node(counted, places[index], is_below);
    }
    let caption = |x: f64, y: f64, class: &str, text: &str| words(x, y, &format!("branch {class}"), text);
    let captions =
        caption(MARGIN + 5.0 * COLUMN + 60.0, 26.0, "structure", "structure: what stands side by side")
            + &caption(
                MARGIN + 5.0 * COLUMN + 40.0,
                HEIGHT - 18.0,
                "depth",
                "depth: how many stand one after the other",
            );
    let label = "The line of networks: a trunk to AlexNet, then structure and depth";
    picture(WIDTH, HEIGHT, label, &(lines + &nodes + &captions))
}

/// A column for each station of the trunk, then one for each of its own branch.
fn places(line: &[Counted]) -> Vec<[f64; 2]> {
    let mut columns = [0.0, 0.0, 0.0];
    let trunk = line.iter().filter(|counted| counted.station.branch == Branch::Trunk).count() as f64;
    line.iter()
        .map(|counted| {
            let (lane, y, first, step) = match counted.station.branch {
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

/// A disc whose area grows with the logarithm of the parameters, its name and its figures.
fn node(counted: &Counted, centre: [f64; 2], is_below: bool) -> String {
    let station = counted.station;
    let [x, y] = centre;
    let radius = counted.counts.as_ref().map_or(6.0, |counts| 2.2 * (counts.params as f64).log10());
    let colour = colour(station.branch);
    let hollow = if counted.counts.is_some() { "" } else { " hollow" };
    let title = format!("{} ({}, {}): {}", station.name, station.authors, station.year, station.idea);
    let disc = circle(centre, radius, &format!("disc {colour}{hollow}"), &title);
    let name = if is_below { y + radius + 17.0 } else { y - radius - 24.0 };
    let mut text = words(x, name, "name middle", station.name);
    text += &words(x, name + 15.0, "small middle", &station.year.to_string());
    if let Some(counts) = &counted.counts {
        let below = y + radius + 17.0;
        text += &words(x, below, "small middle", &format!("{} layers", counts.depth));
        text += &words(x, below + 15.0, "small middle", &format!("{} weights", short(counts.params)));
        text += &words(x, below + 30.0, "small middle", &format!("{} MACs", short(counts.macs)));
    }
    disc + &text
}

/// 60.97 M, 1.58 G.
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
