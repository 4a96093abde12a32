//! Pages for people: self-contained HTML with charts, for light and dark, wide and narrow, print, keyboards and screen
//! readers.

pub mod charts;
mod picture;
pub mod svg;
mod table;

pub use picture::{Picture, data_uri};
pub use table::{Column, table};

use striate_tensor::text::printable;

/// The style that all pages share.
const STYLE: &str = include_str!("page.css");

/// Escapes text for HTML and SVG, in content and in attributes; the only place that does. What would control a terminal
/// or reorder the text around it is replaced, as in all text that is shown.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c => safe.push(c),
        }
    }
    safe
}

/// Escapes text of several lines.
pub fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// A section of a page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// The anchor, a plain word.
    pub id: &'static str,
    /// The heading, as text.
    pub title: String,
    /// An introduction, as text; may be empty.
    pub text: String,
    /// The content, as HTML.
    pub content: String,
}

impl Section {
    fn html(&self) -> String {
        let Section { id, title, text, content } = self;
        let text = if text.is_empty() { String::new() } else { format!("<p>{}</p>\n", escaped(text)) };
        let title = escaped(title);
        format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{text}{content}</section>\n"
        )
    }
}

/// A page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The title, as text.
    pub title: String,
    /// The introduction, as HTML.
    pub introduction: String,
    /// Further rules of style, as CSS.
    pub style: &'static str,
    /// A script without which the page works too; empty for none.
    pub script: &'static str,
    /// HTML before the first section.
    pub opening: String,
    /// The sections.
    pub sections: Vec<Section>,
    /// Whether links to the sections are at the top.
    pub has_contents: bool,
}

impl Page {
    /// Returns the page as one file of HTML.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let sections: String = self.sections.iter().map(Section::html).collect();
        let script = match self.script {
            "" => String::new(),
            script => format!("<script>\n{script}</script>\n"),
        };
        let style = self.style;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
             <header class=\"top\"><h1>{title}</h1>\n<p>{}</p>\n</header>\n{}\
             <main id=\"main\">\n{}{sections}</main>\n{script}</body>\n</html>\n",
            self.introduction,
            self.contents(),
            self.opening
        )
    }

    /// The links to the sections.
    fn contents(&self) -> String {
        if !self.has_contents {
            return String::new();
        }
        let link = |section: &Section| {
            format!("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(&section.title))
        };
        let links: String = self.sections.iter().map(link).collect();
        format!("<nav class=\"contents\" aria-label=\"Sections\"><ul>\n{links}</ul></nav>\n")
    }
}

/// Returns content wider than a narrow screen in a region of its own, which a keyboard can scroll.
pub fn scrolling(label: &str, content: &str) -> String {
    let label = escaped(label);
    format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">{content}</div>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_for_content_and_attributes() {
        assert_eq!(
            escaped("<b>猫</b> \"a\" & 'b'\n\u{202e}"),
            "&lt;b&gt;猫&lt;/b&gt; &quot;a&quot; &amp; &#39;b&#39; \u{fffd}"
        );
        assert_eq!(escaped_lines("a <\nb\r\n"), "a &lt;\nb");
    }

    #[test]
    fn page_links_its_sections() {
        let section =
            Section { id: "a", title: "A & B".into(), text: "<".into(), content: "<p>x</p>\n".into() };
        let page =
            Page { title: "<t>".into(), sections: vec![section], has_contents: true, ..Page::default() };
        let html = page.html();
        for expected in [
            "<title>&lt;t&gt;</title>",
            "<h1>&lt;t&gt;</h1>",
            "<a href=\"#a\">A &amp; B</a>",
            "<h2 id=\"a-title\">A &amp; B</h2>\n<p>&lt;</p>\n<p>x</p>",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert!(!html.contains("<script"));
    }
}
