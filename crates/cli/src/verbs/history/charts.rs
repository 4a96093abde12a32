//! Charts of costs, errors and of where the weights stand.

use striate_models::history::{Branch, Counts, PublishedError, Station};

use super::lineage::short;
use super::svg::{bar, circle, color, line, picture, words};
use super::{Counted, percent};

const WIDTH: f64 = 1000.0;

/// A station with counts and published top-5 errors.
struct Measured<'a> {
    station: &'a Station,
    counts: &'a Counts,
    /// A single network on the fewest views for which its authors published an error.
    plain: PublishedError,
    /// The best that they published of a single network.
    single: PublishedError,
    /// The best of several.
    several: Option<PublishedError>,
}

impl<'a> Measured<'a> {
    fn of(counted: &'a Counted) -> Option<Measured<'a>> {
        let Counted { station, counts } = counted;
        let plain = station.fewest_views().filter(PublishedError::is_top5)?;
        let (single, several) = station.lowest_errors();
        Some(Measured { station, counts: counts.as_ref()?, plain, single: single?, several })
    }
}

fn measured(line: &[Counted]) -> Vec<Measured<'_>> {
    line.iter().filter_map(Measured::of).collect()
}

/// A single network's top-5 error over its multiply-adds; the disc's area is its weights.
pub(super) fn cost_and_error(line_of: &[Counted]) -> String {
    const HEIGHT: f64 = 500.0;
    let (left, right, top, bottom) = (54.0, WIDTH - 40.0, 24.0, HEIGHT - 52.0);
    let x = |macs: f64| left + (macs / 4e8).log10() / (3e10f64 / 4e8).log10() * (right - left);
    let y = |error: f64| bottom - error / 20.0 * (bottom - top);
    let mut picture_of = String::new();
    for tick in [0.0, 5.0, 10.0, 15.0, 20.0] {
        picture_of += &line([left, y(tick)], [right, y(tick)], "grid");
        picture_of += &words(left - 8.0, y(tick) + 4.0, "small end", &format!("{tick:.0} %"));
    }
    for (macs, name) in
        [(5e8, "0.5 G"), (1e9, "1 G"), (2e9, "2 G"), (5e9, "5 G"), (1e10, "10 G"), (2e10, "20 G")]
    {
        picture_of += &line([x(macs), bottom], [x(macs), bottom + 5.0], "axis");
        picture_of += &words(x(macs), bottom + 20.0, "small middle", name);
    }
    picture_of += &words(right, bottom + 40.0, "small end", "multiply-adds for one image, logarithmic");
    let rows = measured(line_of);
    let center = |row: &Measured| [x(row.counts.macs as f64), y(row.plain.percent)];
    for (index, row) in rows.iter().enumerate() {
        let before = rows[..index].iter().rev().find(|other| leads_to(other.station, row.station));
        if let Some(before) = before {
            picture_of += &line(center(before), center(row), &format!("path {}", color(row.station.branch)));
        }
    }
    for row in &rows {
        picture_of += &bubble(row, center(row));
    }
    picture(WIDTH, HEIGHT, "Top-5 error of single networks over their cost", &picture_of)
}

/// Whether `station` follows `before` on its branch.
fn leads_to(before: &Station, station: &Station) -> bool {
    before.branch == station.branch || before.branch == Branch::Trunk
}

/// A disc whose area is the number of weights, with its name and figures beside or below it.
fn bubble(row: &Measured, [x, y]: [f64; 2]) -> String {
    let Measured { station, counts, plain, .. } = row;
    let radius = (counts.params as f64 / 1e6).sqrt() * 2.6;
    let weights = short(counts.params);
    let macs = short(counts.macs);
    let title = format!(
        "{}: {} % top-5 error ({}), {macs} multiply-adds, {weights} weights",
        station.name,
        percent(plain),
        plain.how
    );
    // Where the branch's path leaves room.
    let (at, anchor) = match station.branch {
        Branch::Trunk => ([x + radius + 9.0, y - 9.0], "start"),
        Branch::Depth if x > 0.8 * WIDTH => ([x, y + radius + 18.0], "middle"),
        Branch::Structure | Branch::Depth => ([x - radius - 9.0, y + 8.0], "end"),
    };
    let figures = format!("{} %, {}", percent(plain), plain.views());
    circle([x, y], radius, &format!("bubble {}", color(station.branch)), &title)
        + &words(at[0], at[1], &format!("name {anchor}"), station.name)
        + &words(at[0], at[1] + 15.0, &format!("small {anchor}"), &figures)
}

/// What one network reaches, and what several reach together: the figure that is usually told.
pub(super) fn one_and_several(line_of: &[Counted]) -> String {
    const ROW: f64 = 34.0;
    let rows = measured(line_of);
    let (left, right, top) = (190.0, WIDTH - 230.0, 34.0);
    let bottom = top + ROW * rows.len() as f64;
    let x = |error: f64| left + error / 20.0 * (right - left);
    let mut picture_of = String::new();
    for tick in [0.0, 5.0, 10.0, 15.0, 20.0] {
        picture_of += &line([x(tick), top - 8.0], [x(tick), bottom], "grid");
        picture_of += &words(x(tick), top - 14.0, "small middle", &format!("{tick:.0} %"));
    }
    for (row, Measured { station, single, several, .. }) in rows.iter().enumerate() {
        let y = top + ROW * (row as f64 + 0.5);
        let class = color(station.branch);
        picture_of += &words(left - 34.0, y + 4.0, "name end", station.name);
        if let Some(several) = several {
            picture_of += &line([x(several.percent), y], [x(single.percent), y], &format!("link {class}"));
            let title =
                format!("{} % with {} networks ({})", percent(several), several.networks, several.how);
            picture_of += &circle([x(several.percent), y], 7.0, &format!("disc {class}"), &title);
            let text = format!("{} networks: {}", several.networks, percent(several));
            picture_of += &words(x(several.percent) - 13.0, y + 4.0, "small end", &text);
        }
        let title = format!("{} % with one network ({})", percent(single), single.how);
        picture_of += &circle([x(single.percent), y], 7.0, &format!("disc hollow {class}"), &title);
        picture_of += &words(
            x(single.percent) + 13.0,
            y + 4.0,
            "small",
            &format!("{} ({})", percent(single), single.how),
        );
    }
    picture(WIDTH, bottom + 12.0, "Top-5 error of one network and of several", &picture_of)
}

/// Convolutions' and linear layers' shares of weights and of multiply-adds.
pub(super) fn where_weights_stand(line_of: &[Counted]) -> String {
    const ROW: f64 = 34.0;
    let rows: Vec<&Counted> = line_of.iter().filter(|counted| counted.counts.is_some()).collect();
    let (left, top, width, gap) = (170.0, 44.0, 320.0, 90.0);
    let mut picture_of = words(left, top - 22.0, "name", "weights")
        + &words(left + width + gap, top - 22.0, "name", "multiply-adds");
    for (row, Counted { station, counts }) in rows.iter().enumerate() {
        let Some(counts) = counts else { continue };
        let y = top + ROW * row as f64;
        picture_of += &words(left - 12.0, y + 15.0, "name end", station.name);
        for (column, linear) in [counts.linear_params, counts.linear_macs].into_iter().enumerate() {
            let x = left + (width + gap) * column as f64;
            let cut = width * (1.0 - linear);
            let title = format!("{}: {:.1} % in linear layers", station.name, linear * 100.0);
            picture_of += &bar([x, y], [cut, 20.0], "bar convolution", &title);
            picture_of += &bar([x + cut, y], [width - cut, 20.0], "bar linear", &title);
            picture_of += &words(x + width + 8.0, y + 14.5, "small", &format!("{:.1} %", linear * 100.0));
        }
    }
    picture(WIDTH, top + ROW * rows.len() as f64, "Shares of linear layers", &picture_of)
}
