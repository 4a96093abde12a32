//! SVG elements, colored by the CSS classes of the page.

use striate_models::history::Branch;

/// Returns an image of `width`×`height` that scales with the page.
pub(super) fn image(width: f64, height: f64, title: &str, content: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{content}</svg>\n",
        escaped(title)
    )
}

/// Returns text at a position; `class` sets its size, color and anchor.
pub(super) fn label(x: f64, y: f64, class: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>\n", escaped(text))
}

pub(super) fn line(from: [f64; 2], to: [f64; 2], class: &str) -> String {
    let ([x1, y1], [x2, y2]) = (from, to);
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>\n")
}

/// Returns a curve with horizontal ends.
pub(super) fn bend(from: [f64; 2], to: [f64; 2], class: &str) -> String {
    let ([x1, y1], [x2, y2]) = (from, to);
    let middle = f64::midpoint(x1, x2);
    format!(
        "<path d=\"M{x1:.1},{y1:.1} C{middle:.1},{y1:.1} {middle:.1},{y2:.1} {x2:.1},{y2:.1}\" class=\"{class}\"/>\n"
    )
}

/// Returns a curve with vertical ends.
pub(super) fn bend_down(from: [f64; 2], to: [f64; 2], class: &str) -> String {
    let ([x1, y1], [x2, y2]) = (from, to);
    let middle = f64::midpoint(y1, y2);
    format!(
        "<path d=\"M{x1:.1},{y1:.1} C{x1:.1},{middle:.1} {x2:.1},{middle:.1} {x2:.1},{y2:.1}\" class=\"{class}\"/>\n"
    )
}

/// Returns a circle with a tooltip.
pub(super) fn circle(center: [f64; 2], radius: f64, class: &str, title: &str) -> String {
    let [x, y] = center;
    let title = escaped(title);
    format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{class}\"><title>{title}</title></circle>\n"
    )
}

/// Returns a bar with a tooltip.
pub(super) fn bar(corner: [f64; 2], size: [f64; 2], class: &str, title: &str) -> String {
    let ([x, y], [width, height], title) = (corner, size, escaped(title));
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         class=\"{class}\"><title>{title}</title></rect>\n"
    )
}

/// Returns the CSS class that colors a branch.
pub(super) fn color(branch: Branch) -> &'static str {
    branch.name()
}

/// Escapes text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
