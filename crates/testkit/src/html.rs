//! A walk over the pages that the project writes: elements with their attributes and text, and what a page must have
//! for keyboards and screen readers.

use std::collections::{BTreeMap, BTreeSet};

/// Elements without content.
const VOID: &[&str] = &["br", "hr", "img", "input", "link", "meta"];
/// Elements whose content is not HTML.
const RAW: &[&str] = &["script", "style"];

/// An element of a page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, with references resolved.
    pub attributes: BTreeMap<String, String>,
    /// The text inside, that of inner elements included, with references resolved.
    pub text: String,
    /// The names of the elements around it, the innermost last.
    pub around: Vec<String>,
}

impl Element {
    /// The value of an attribute; empty if it is missing.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// Returns the elements of a page in order.
///
/// # Errors
/// If tags are not balanced or not well formed.
pub fn elements(page: &str) -> Result<Vec<Element>, String> {
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    while let Some(start) = rest.find('<') {
        let text = resolved(&rest[..start])?;
        open.iter().for_each(|index| found[*index].text += &text);
        let end = end_of_tag(&rest[start..]).ok_or("a tag has no end")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or(format!("</{name}> closes nothing"))?;
            if found[last].name != name {
                return Err(format!("</{name}> closes <{}>", found[last].name));
            }
            continue;
        }
        let mut element = parsed(tag.trim_end_matches('/'))?;
        element.around = open.iter().map(|index| found[*index].name.clone()).collect();
        let name = element.name.clone();
        found.push(element);
        if RAW.contains(&name.as_str()) {
            let end = rest.find(&format!("</{name}>")).ok_or(format!("<{name}> has no end"))?;
            found.last_mut().expect("was pushed").text = rest[..end].to_owned();
            rest = &rest[end + name.len() + 3..];
        } else if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(found.len() - 1);
        }
    }
    match open.last() {
        Some(index) => Err(format!("<{}> is not closed", found[*index].name)),
        None => Ok(found),
    }
}

/// The index of the `>` that ends the tag at the start of `text`.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.char_indices().find_map(|(index, c)| {
        is_quoted ^= c == '"';
        (c == '>' && !is_quoted).then_some(index)
    })
}

/// Returns the element of a tag `name a="b" c`.
fn parsed(tag: &str) -> Result<Element, String> {
    let (name, mut rest) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!("<{tag}> is not a tag"));
    }
    let mut element = Element { name: name.to_owned(), ..Element::default() };
    while !rest.trim().is_empty() {
        rest = rest.trim_start();
        let end = rest.find([' ', '=', '\n']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let value;
        (value, rest) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').ok_or(format!("{key} of <{name}> has no end"))?,
            None if after.starts_with('=') => return Err(format!("{key} of <{name}> is not quoted")),
            None => ("", after),
        };
        if element.attributes.insert(key.to_owned(), resolved(value)?).is_some() {
            return Err(format!("<{name}> has two {key}"));
        }
    }
    Ok(element)
}

/// Resolves references to characters.
fn resolved(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (reference, next) = after.split_once(';').ok_or(format!("& is not escaped in {text:.80}"))?;
        plain += before;
        plain.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            _ => return Err(format!("&{reference:.20}; is not known")),
        });
        rest = next;
    }
    Ok(plain + rest)
}

/// Returns the elements of a page, after checks: balanced tags, one title and one main heading, no skipped level of
/// headings, unique anchors, links and labels that refer to one, images inline and with a description, charts with a
/// label, heads of tables with a scope, nothing loaded from elsewhere.
///
/// # Panics
/// If the page fails a check.
pub fn checked(page: &str) -> Vec<Element> {
    let all = elements(page).unwrap_or_else(|fault| panic!("{fault}"));
    // A chart may have titles of its own.
    let is_of_page = |own: &Element| own.name != "title" || own.around.ends_with(&["head".to_owned()]);
    let named = |name: &'static str| all.iter().filter(move |own| own.name == name && is_of_page(own));
    for once in ["html", "title", "h1", "main"] {
        assert_eq!(named(once).count(), 1, "<{once}>");
    }
    assert!(!named("html").next().expect("there is one").attribute("lang").is_empty());
    let ids: Vec<&str> = all.iter().map(|own| own.attribute("id")).filter(|id| !id.is_empty()).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    let mut level = 1;
    for element in &all {
        if let Some(own) = element.name.strip_prefix('h').and_then(|digit| digit.parse::<u32>().ok()) {
            assert!(own <= level + 1 && !element.text.trim().is_empty(), "{element:?}");
            level = own;
        }
        let label = element.attribute("aria-labelledby");
        assert!(label.is_empty() || unique.contains(label), "{element:?}");
        if let Some(anchor) = element.attribute("href").strip_prefix('#') {
            assert!(unique.contains(anchor), "#{anchor}");
        }
        if element.name != "a" {
            for (key, value) in &element.attributes {
                assert!(!value.contains("//") || value.starts_with("data:"), "{key}={value:.80}");
            }
        }
    }
    for image in named("img") {
        assert!(image.attribute("src").starts_with("data:image/"), "{image:?}");
        assert!(!image.attribute("alt").is_empty() && image.attribute("width") != "0", "{image:?}");
    }
    for chart in named("svg") {
        assert!(chart.attribute("role") == "img" && !chart.attribute("aria-label").is_empty());
    }
    assert!(named("script").all(|script| script.attributes.is_empty() && !script.text.contains("//")));
    assert!(named("style").all(|style| !style.text.contains("url(") && !style.text.contains("@import")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_attributes_and_text() {
        let page = "<!doctype html><p class=\"a &amp; b\" hidden>x <b>y &lt;</b><br></p><style>a > b</style>";
        let all = elements(page).unwrap();
        let names: Vec<&str> = all.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["p", "b", "br", "style"]);
        assert!(all[0].attribute("class") == "a & b" && all[0].text == "x y <" && all[1].around == ["p"]);
    }

    #[test]
    fn unbalanced_pages_are_refused() {
        for page in
            ["<p>", "<p></b>", "</p>", "<p class=a></p>", "<p>&</p>", "<p a=\"1\" a=\"2\"></p>", "<1>"]
        {
            assert!(elements(&format!("<!doctype html>{page}")).is_err(), "{page}");
        }
    }
}
