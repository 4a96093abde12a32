//! Charts: lines, bars of reliability, a matrix. Colors are those of the page's style.

use striate_tensor::text::shortened;

use super::svg::{bar, cell, circle, image, label, line, path};

/// A line of a chart: its name and its points (x, y).
pub type Series = (String, Vec<(f64, f64)>);

/// Number of colors of lines in the style.
const COLORS: usize = 6;
/// The most lines that a chart can tell apart.
pub const MOST_LINES: usize = COLORS;
/// Most points of a line that are drawn; of more, every n-th.
const MOST_POINTS: usize = 400;

/// The mapping of values to positions on an axis with round ticks.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
    decimals: usize,
}

impl Axis {
    /// Creates an axis from a round number at or below the smallest value to one at or above the largest, in about
    /// `count` round steps; those of whole numbers are whole.
    fn over(values: impl Iterator<Item = f64> + Clone, count: usize, is_whole: bool) -> Axis {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = match high - low {
            range if range > 0.0 => (low, high),
            _ if low.is_finite() && low != 0.0 => (low.min(0.0), high.max(0.0)),
            _ => (0.0, 1.0),
        };
        let rough = (high - low) / count as f64;
        let rough = if is_whole { rough.max(1.0) } else { rough };
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(power);
        let decimals = (-step.log10().floor()).clamp(0.0, 3.0) as usize;
        // Rounding must not add a step.
        let [low, high] = [(low / step + 1e-9).floor(), (high / step - 1e-9).ceil()];
        Axis { low: low * step, high: high * step, step, decimals }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// The values of the ticks and their labels.
    fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        let label = |value: f64| match (1e-3..1e6).contains(&self.step) {
            true => format!("{value:.*}", self.decimals),
            false if value == 0.0 => "0".to_owned(),
            false => format!("{value:.1e}"),
        };
        (0..=count).map(move |i| self.low + i as f64 * self.step).map(move |value| (value, label(value)))
    }
}

/// Plots lines over a common axis of whole numbers named `axis`, with a legend. Points that are not finite, or beyond
/// 1e30, are left out.
pub fn lines(title: &str, axis: &str, series: &[Series]) -> String {
    const WIDTH: f64 = 460.0;
    let (left, right) = (54.0, WIDTH - 16.0);
    let (places, legend) = legend(series, [left, right]);
    // Further lines of the legend make the chart higher.
    let (top, height) = (22.0 + legend, 262.0 + legend);
    let bottom = height - 44.0;
    let points = series.iter().flat_map(|(_, points)| points.iter().filter(is_usable));
    let across = Axis::over(points.clone().map(|p| p.0), 6, true);
    let up = Axis::over(points.map(|p| p.1).chain([0.0]), 5, false);
    let x = |value: f64| left + across.share(value) * (right - left);
    let y = |value: f64| bottom - up.share(value) * (bottom - top);
    let mut drawing = String::new();
    for (value, text) in up.ticks() {
        drawing += &line([left, y(value)], [right, y(value)], "grid");
        drawing += &label(left - 8.0, y(value) + 4.0, "small end", &text);
    }
    for (value, text) in across.ticks() {
        drawing += &line([x(value), bottom], [x(value), bottom + 4.0], "axis");
        drawing += &label(x(value), bottom + 18.0, "small middle", &text);
    }
    drawing += &line([left, bottom], [right, bottom], "axis");
    drawing += &label(f64::midpoint(left, right), height - 6.0, "small middle", axis);
    for (index, ((name, points), [from, row])) in series.iter().zip(places).enumerate() {
        let class = format!("series s{}", index % COLORS);
        drawing += &line([from, row], [from + 20.0, row], &class);
        drawing += &label(from + 26.0, row + 4.0, "small", name);
        let points: Vec<&(f64, f64)> = points.iter().filter(is_usable).collect();
        let places: Vec<[f64; 2]> = points.iter().map(|p| [x(p.0), y(p.1)]).collect();
        let every = places.len().div_ceil(MOST_POINTS).max(1);
        let last = places.last().filter(|_| every > 1).copied();
        let drawn: Vec<[f64; 2]> = places.iter().step_by(every).copied().chain(last).collect();
        drawing += &path(&drawn, &class);
        if let (Some(end), Some((epoch, value))) = (places.last(), points.last()) {
            drawing += &circle(
                *end,
                3.5,
                &format!("dot s{}", index % COLORS),
                &format!("{name}: {value:.4} at {epoch}"),
            );
        }
    }
    image(WIDTH, height, title, &drawing)
}

/// Returns the places of the names of lines in a legend between two columns, and the height that it takes.
fn legend(series: &[Series], [left, right]: [f64; 2]) -> (Vec<[f64; 2]>, f64) {
    const ROW: f64 = 18.0;
    let (mut x, mut y) = (left, 16.0);
    let mut places = Vec::new();
    for (name, _) in series {
        let width = 42.0 + 7.0 * name.chars().count() as f64;
        if x > left && x + width > right + 16.0 {
            (x, y) = (left, y + ROW);
        }
        places.push([x, y]);
        x += width;
    }
    (places, y + 2.0)
}

/// Plots the values of each row as dots, and their mean as a line, over a common axis named `axis`. Values that are not
/// finite, or beyond 1e30, are left out.
pub fn dots(title: &str, axis: &str, rows: &[(String, Vec<f64>)]) -> String {
    const WIDTH: f64 = 460.0;
    const ROW: f64 = 26.0;
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(NAME_OF_ROW);
    let (left, right, top) = (24.0 + 7.0 * longest as f64, WIDTH - 24.0, 12.0);
    let bottom = top + ROW * rows.len() as f64;
    let usable = |values: &[f64]| values.iter().copied().filter(|v| v.abs() < 1e30).collect::<Vec<_>>();
    let rows: Vec<(&String, Vec<f64>)> = rows.iter().map(|(name, values)| (name, usable(values))).collect();
    let across = Axis::over(rows.iter().flat_map(|(_, values)| values.iter().copied()), 5, false);
    let x = |value: f64| left + across.share(value) * (right - left);
    let mut drawing = String::new();
    for (value, text) in across.ticks() {
        drawing += &line([x(value), top], [x(value), bottom], "grid");
        drawing += &label(x(value), bottom + 16.0, "small middle", &text);
    }
    drawing += &label(f64::midpoint(left, right), bottom + 34.0, "small middle", axis);
    for (row, (name, values)) in rows.iter().enumerate() {
        let y = top + ROW * (row as f64 + 0.5);
        let short = shortened(name, NAME_OF_ROW);
        drawing += &label(left - 12.0, y + 4.0, "small end", &short);
        if values.is_empty() {
            continue;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        drawing += &line([x(mean), y - 9.0], [x(mean), y + 9.0], "axis");
        for value in values {
            drawing += &circle([x(*value), y], 4.0, "dot s0", &format!("{name}: {value:.4}"));
        }
    }
    image(WIDTH, bottom + 42.0, title, &drawing)
}

/// Most characters of the name of a row of [`dots`].
const NAME_OF_ROW: usize = 24;

fn is_usable(p: &&(f64, f64)) -> bool {
    p.0.abs() < 1e30 && p.1.abs() < 1e30
}

/// A bar of [`reliability`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBar {
    /// Mean confidence and share of right predictions, from 0 to 1; `None` without images.
    pub shares: Option<[f64; 2]>,
    /// The number of images.
    pub images: usize,
}

/// Draws a reliability diagram: the share of right predictions over the confidence in equal intervals from 0 to 1,
/// with the gap to the confidence; below, the number of images of each.
pub fn reliability(title: &str, bars: &[ReliabilityBar]) -> String {
    const SIZE: [f64; 2] = [460.0, 380.0];
    let (left, right, top, bottom) = (54.0, SIZE[0] - 26.0, 40.0, 270.0);
    let base = SIZE[1] - 44.0;
    let x = |share: f64| left + share * (right - left);
    let y = |share: f64| bottom - share * (bottom - top);
    let width = (right - left) / bars.len().max(1) as f64;
    let most = bars.iter().map(|bar| bar.images).max().unwrap_or(0).max(1) as f64;
    let mut drawing = String::new();
    for tick in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        drawing += &line([left, y(tick)], [right, y(tick)], "grid");
        drawing += &label(left - 8.0, y(tick) + 4.0, "small end", &format!("{:.0} %", tick * 100.0));
        drawing += &label(x(tick), base + 18.0, "small middle", &format!("{:.0} %", tick * 100.0));
    }
    for (index, own) in bars.iter().enumerate() {
        let Some([confidence, right]) = own.shares else { continue };
        let from = left + width * index as f64 + 1.0;
        let tip = format!(
            "{} images: confidence {:.1} %, right {:.1} %",
            own.images,
            confidence * 100.0,
            right * 100.0
        );
        drawing += &bar([from, y(right)], [width - 2.0, bottom - y(right)], "bar right", &tip);
        let (low, high) = (confidence.min(right), confidence.max(right));
        drawing += &bar([from, y(high)], [width - 2.0, y(low) - y(high)], "bar gap", &tip);
        let height = (base - bottom - 14.0) * own.images as f64 / most;
        drawing += &bar([from, base - height], [width - 2.0, height], "bar count", &tip);
    }
    drawing += &line([x(0.0), y(0.0)], [x(1.0), y(1.0)], "diagonal");
    drawing += &line([left, bottom], [right, bottom], "axis");
    drawing += &line([left, base], [right, base], "axis");
    for (offset, class, name) in [
        (0.0, "bar right", "share right"),
        (120.0, "bar gap", "gap to confidence"),
        (270.0, "bar count", "images"),
    ] {
        drawing += &bar([left + offset, 10.0], [14.0, 12.0], class, name);
        drawing += &label(left + offset + 20.0, 20.0, "small", name);
    }
    drawing +=
        &label(f64::midpoint(left, right), SIZE[1] - 6.0, "small middle", "confidence of the prediction");
    image(SIZE[0], SIZE[1], title, &drawing)
}

/// Matrices of at most this many rows show their numbers.
const NUMBERED: usize = 20;
/// Most characters of a name beside a matrix.
const NAME: usize = 16;

/// Draws a confusion matrix: a row for each true class, a column for each predicted one. The color of a cell is its
/// share of the row; hits and mistakes have different colors.
pub fn matrix(title: &str, names: &[String], counts: &[Vec<usize>]) -> String {
    let n = names.len().max(1);
    let names: Vec<String> = names.iter().map(|name| shortened(name, NAME).into_owned()).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let side = if n <= 12 {
        44.0
    } else if n <= NUMBERED {
        32.0
    } else {
        18.0
    };
    let margin = 44.0 + 8.0 * longest as f64;
    let width = margin + side * n as f64 + 8.0;
    let middle = margin + side * n as f64 / 2.0;
    let mut drawing =
        label(middle, 16.0, "name middle", "predicted") + &upright([18.0, middle], "name middle", "true");
    for (index, name) in names.iter().enumerate() {
        let middle = margin + side * (index as f64 + 0.5);
        drawing += &label(margin - 8.0, middle + 4.0, "small end", name);
        drawing += &match longest {
            ..=3 => label(middle, margin - 8.0, "small middle", name),
            _ => upright([middle + 4.0, margin - 8.0], "small", name),
        };
    }
    for (row, own) in counts.iter().enumerate() {
        let all = own.iter().sum::<usize>().max(1) as f64;
        for (column, count) in own.iter().enumerate().filter(|(_, count)| **count > 0) {
            let corner = [margin + side * column as f64, margin + side * row as f64];
            let share = *count as f64 / all;
            let class = if row == column { "hit" } else { "miss" };
            let tip = format!("{} → {}: {count} ({:.1} %)", names[row], names[column], share * 100.0);
            drawing += &cell(corner, [side - 1.0, side - 1.0], class, 0.15 + 0.85 * share.sqrt(), &tip);
            if n <= NUMBERED {
                let class = if share > 0.3 { "on middle" } else { "count middle" };
                let [x, y] = [corner[0] + (side - 1.0) / 2.0, corner[1] + side / 2.0 + 4.0];
                drawing += &label(x, y, class, &count.to_string());
            }
        }
    }
    let end = margin + side * n as f64;
    for at in [margin, end] {
        drawing += &line([margin, at - 0.5], [end, at - 0.5], "grid");
        drawing += &line([at - 0.5, margin], [at - 0.5, end], "grid");
    }
    let limits =
        format!("<svg style=\"max-width:{width:.0}px;min-width:{:.0}px\" ", (0.72 * width).min(560.0));
    image(width, width, title, &drawing).replacen("<svg ", &limits, 1)
}

/// Returns text that reads upward from a position.
fn upright([x, y]: [f64; 2], class: &str, text: &str) -> String {
    let turned = format!("<text transform=\"rotate(-90 {x:.1} {y:.1})\" ");
    label(x, y, class, text).replacen("<text ", &turned, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_lines_can_be_drawn() {
        let points: [Vec<(f64, f64)>; 7] = [
            vec![],
            vec![(0.0, 0.0)],
            vec![(3.0, 5.0)],
            vec![(0.0, f64::NAN), (f64::INFINITY, 1.0)],
            vec![(1.0, 1e29), (2.0, -1e29), (3.0, 1e300)],
            vec![(1.0, 1e-12), (2.0, 2e-12)],
            (0..20_000).map(|i| (f64::from(i), 1.0 / (1.0 + f64::from(i)))).collect(),
        ];
        for points in points {
            let drawing = lines("t", "epoch", &[("<name>".into(), points)]);
            assert!(drawing.contains("&lt;name&gt;") && !drawing.contains("NaN") && !drawing.contains("inf"));
            assert!(drawing.len() < 20_000, "{}", drawing.len());
        }
    }

    #[test]
    fn any_dots_can_be_drawn() {
        for values in [vec![], vec![0.0], vec![2.0, f64::NAN], vec![1.0, 1e300, -1e29]] {
            let drawing = dots("t", "error", &[("<name>".into(), values), ("b".into(), vec![])]);
            assert!(drawing.contains("&lt;name&gt;") && !drawing.contains("NaN") && !drawing.contains("inf"));
        }
        let drawing = dots("t", "error", &[("a".into(), vec![1.0, 2.0]), ("b".into(), vec![3.0])]);
        assert_eq!((drawing.matches("<circle").count(), drawing.matches("class=\"axis\"").count()), (3, 2));
    }

    #[test]
    fn legend_continues_on_further_lines() {
        let series: Vec<Series> = (0..6).map(|i| (format!("a long name {i}"), vec![(0.0, 1.0)])).collect();
        let (places, height) = legend(&series, [54.0, 444.0]);
        assert_eq!((places[0], places[3][1] > 16.0, height > 18.0), ([54.0, 16.0], true, true));
        assert!(places.iter().all(|place| place[0] < 444.0), "{places:?}");
        assert_eq!(legend(&series[..1], [54.0, 444.0]).1, 18.0);
    }

    #[test]
    fn ticks_are_round() {
        let labels = |values: [f64; 2], whole| {
            Axis::over(values.into_iter(), 5, whole).ticks().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels([0.0, 2.3], false), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!(labels([1.0, 3.0], true), ["1", "2", "3"]);
        assert_eq!(labels([0.0, 4e-5], false), ["0", "1.0e-5", "2.0e-5", "3.0e-5", "4.0e-5"]);
    }

    #[test]
    fn matrix_has_a_cell_for_each_count() {
        let names = ["a".to_owned(), "<b>".into()];
        let drawing = matrix("confusion", &names, &[vec![3, 1], vec![0, 2]]);
        assert_eq!(
            (drawing.matches("class=\"hit\"").count(), drawing.matches("class=\"miss\"").count()),
            (2, 1)
        );
        assert!(drawing.contains("a → &lt;b&gt;: 1 (25.0 %)"), "{drawing}");
    }

    #[test]
    fn bars_are_shares_of_right_predictions() {
        let bars = [None, Some([0.7, 0.5])].map(|shares| ReliabilityBar { shares, images: 4 });
        let drawing = reliability("calibration", &bars);
        assert!(drawing.contains("4 images: confidence 70.0 %, right 50.0 %"), "{drawing}");
        assert!(reliability("none", &[]).contains("<svg"));
    }
}
