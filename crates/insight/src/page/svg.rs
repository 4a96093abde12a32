//! SVG elements, colored by the CSS classes of the page.

use super::escaped;

/// Returns an image of `width`×`height` that scales with the page.
pub fn image(width: f64, height: f64, title: &str, content: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{content}</svg>\n",
        escaped(title)
    )
}

/// Returns text at a position; `class` sets its size, color and anchor.
pub fn label(x: f64, y: f64, class: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>\n", escaped(text))
}

/// Returns a straight line.
pub fn line(from: [f64; 2], to: [f64; 2], class: &str) -> String {
    let ([x1, y1], [x2, y2]) = (from, to);
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>\n")
}

/// Returns a curve with horizontal ends.
pub fn bend(from: [f64; 2], to: [f64; 2], class: &str) -> String {
    let ([x1, y1], [x2, y2]) = (from, to);
    let middle = f64::midpoint(x1, x2);
    format!(
        "<path d=\"M{x1:.1},{y1:.1} C{middle:.1},{y1:.1} {middle:.1},{y2:.1} {x2:.1},{y2:.1}\" class=\"{class}\"/>\n"
    )
}

/// Returns a curve with vertical ends.
pub fn bend_down(from: [f64; 2], to: [f64; 2], class: &str) -> String {
    let ([x1, y1], [x2, y2]) = (from, to);
    let middle = f64::midpoint(y1, y2);
    format!(
        "<path d=\"M{x1:.1},{y1:.1} C{x1:.1},{middle:.1} {x2:.1},{middle:.1} {x2:.1},{y2:.1}\" class=\"{class}\"/>\n"
    )
}

/// Returns a circle with a tooltip.
pub fn circle(center: [f64; 2], radius: f64, class: &str, title: &str) -> String {
    let [x, y] = center;
    let title = escaped(title);
    format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{class}\"><title>{title}</title></circle>\n"
    )
}

/// Returns a bar with a tooltip.
pub fn bar(corner: [f64; 2], size: [f64; 2], class: &str, title: &str) -> String {
    let ([x, y], [width, height], title) = (corner, size, escaped(title));
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         class=\"{class}\"><title>{title}</title></rect>\n"
    )
}

/// Returns a line through points.
pub fn path(points: &[[f64; 2]], class: &str) -> String {
    let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    format!("<polyline points=\"{}\" class=\"{class}\"/>\n", points.join(" "))
}

/// Returns a rectangle with an opacity of its color, and a tooltip.
pub fn cell(corner: [f64; 2], size: [f64; 2], class: &str, opacity: f64, title: &str) -> String {
    let ([x, y], [width, height], title) = (corner, size, escaped(title));
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\" \
         fill-opacity=\"{opacity:.2}\"><title>{title}</title></rect>\n"
    )
}
