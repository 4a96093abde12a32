//! The pages that the program writes, in a real browser, wide and narrow, light and dark: sections, headings, figures
//! and text are where they can be seen. Skipped where no Chromium is on PATH.

mod common;

use std::path::Path;

use common::Folder;
use serde_json::Value;
use striate_testkit::browser::Browser;
use striate_testkit::skipped;
use striate_vision::{Image, decode};

/// A page as `probe.js` describes it, with a screenshot.
struct Look {
    described: Value,
    picture: Image,
    console: Vec<String>,
    width: usize,
    scheme: &'static str,
}

/// How every page is looked at: columns of the window and color scheme.
const LOOKS: [(usize, &str); 4] = [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")];

/// Starts a browser, or reports that the test `name` is skipped.
fn browser(name: &str) -> Option<Browser> {
    let browser = Browser::start().unwrap();
    if browser.is_none() {
        skipped(name, "no Chromium is on PATH");
    }
    browser
}

fn look(browser: &mut Browser, path: &Path, (width, scheme): (usize, &'static str)) -> Look {
    browser.show(path, width, scheme).unwrap();
    let described = browser.value(include_str!("browser/probe.js")).unwrap();
    let height = described["height"].as_u64().unwrap() as usize;
    let picture = decode(&browser.screenshot(width, height).unwrap()).unwrap();
    assert_eq!([picture.width(), picture.height()], [width, height]);
    Look { described, picture, console: browser.console(), width, scheme }
}

/// The sections of a page, one line each: anchor, heading, kinds of contents.
fn structure(described: &Value) -> String {
    let sections = described["sections"].as_array().unwrap().iter().map(|section| {
        let kinds = section["kinds"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap());
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let [id, heading] = ["id", "heading"].map(|key| section[key].as_str().unwrap());
        format!("{id}: {heading}: {kinds}\n")
    });
    sections.collect()
}

/// Whether the pixels of a picture inside a box of the page (left, top, right, bottom) have more than one color; those
/// that the box covers in part do not count.
fn is_painted(picture: &Image, inside: &Value) -> bool {
    let side = |index: usize| inside[index].as_f64().unwrap().max(0.0);
    let [left, top] = [side(0), side(1)].map(|side| side.ceil() as usize);
    let right = (side(2) as usize).min(picture.width());
    let bottom = (side(3) as usize).min(picture.height());
    let pixels = || (top..bottom).flat_map(|y| (left..right).map(move |x| picture.pixel(x, y)));
    pixels().next().is_some_and(|first| pixels().any(|pixel| pixel != first))
}

/// Brightness of the page beside its contents, from 0 to 255.
fn paper(picture: &Image) -> u8 {
    let pixel = picture.pixel(2, 2);
    (pixel.iter().map(|channel| usize::from(*channel)).sum::<usize>() / pixel.len()) as u8
}

/// Lists what is wrong with the look of a page that should have this structure.
fn faults(look: &Look, expected: &str) -> Vec<String> {
    let Look { described, picture, console, width, scheme } = look;
    let mut faults = Vec::new();
    if structure(described) != expected {
        faults.push(format!("sections:\n{}", structure(described)));
    }
    let sections = described["sections"].as_array().unwrap();
    let tops: Vec<f64> = sections.iter().map(|section| section["title"][1].as_f64().unwrap()).collect();
    if !tops.is_sorted_by(|above, below| above < below) {
        faults.push(format!("the headings are not one below the other: {tops:?}"));
    }
    let unpainted = |inside: &&Value| !is_painted(picture, inside);
    let titles = sections.iter().map(|section| &section["title"]).filter(unpainted);
    faults.extend(titles.map(|inside| format!("a heading is not painted: {inside}")));
    let figures = described["figures"].as_array().unwrap().iter().filter(unpainted);
    faults.extend(figures.map(|inside| format!("a figure is not painted: {inside}")));
    if described["width"].as_u64().unwrap() > *width as u64 {
        faults.push(format!("the page is {} pixels wide", described["width"]));
    }
    if matches!((*scheme, paper(picture)), ("light", ..=200) | ("dark", 60..)) {
        faults.push(format!("the paper has the brightness {}", paper(picture)));
    }
    let outside = described["outside"].as_array().unwrap().iter().filter_map(Value::as_str);
    faults.extend(outside.map(|text| format!("outside of the window or its chart: {text}")));
    faults.extend(console.iter().map(|line| format!("console: {line}")));
    faults
}

fn assert_looks(browser: &mut Browser, path: &Path, expected: &str) {
    for one in LOOKS {
        let faults = faults(&look(browser, path, one), expected);
        assert!(faults.is_empty(), "{} at {one:?}: {}", path.display(), faults.join("\n"));
    }
}

#[test]
fn report_and_history_are_readable_in_a_browser() {
    let Some(mut browser) = browser("report_and_history_are_readable_in_a_browser") else { return };
    let folder = Folder::new("browser");
    folder.json(&["train", "--epochs", "2", "--out", "run"]);
    assert_looks(&mut browser, &folder.path("run/report.html"), include_str!("browser/report.txt"));
    assert!(folder.run(&["history", "--html", "history.html"]).status.success());
    assert_looks(&mut browser, &folder.path("history.html"), include_str!("browser/history.txt"));
}

/// Each fault that the other test looks for.
#[test]
fn faults_of_a_page_are_found() {
    let Some(mut browser) = browser("faults_of_a_page_are_found") else { return };
    let folder = Folder::new("browser-faults");
    let good = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>a</title><style>\
                :root { color-scheme: light dark; } img { background: linear-gradient(red, blue); }</style></head>\
                <body><section id=\"a\"><h2>First</h2><img src=\"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\" width=\"20\" \
                height=\"20\" alt=\"a\"></section>\
                <section id=\"b\"><h2>Second</h2><svg width=\"99\" height=\"20\"><text y=\"15\">1</text></svg>\
                </section></body></html>";
    let mut found = |page: &str, one| {
        let path = folder.write("page.html", page);
        faults(&look(&mut browser, &path, one), "a: First: picture\nb: Second: chart\n").join("; ")
    };
    for one in LOOKS {
        assert_eq!(found(good, one), "", "{one:?}");
    }
    for (from, to, expected) in [
        ("Second</h2>", "Other</h2>", "sections:\na: First: picture\nb: Other: chart\n"),
        ("<h2>First", "<h2 style=\"position: absolute; top: 500px\">First", "not one below the other"),
        ("<h2>First", "<h2 style=\"visibility: hidden\">First", "a heading is not painted"),
        ("linear-gradient(red, blue)", "red", "a figure is not painted"),
        ("<h2>First", "<p style=\"width: 2000px\">a</p><h2>First", "the page is 20"),
        ("light dark", "light", "the paper has the brightness 255"),
        ("<h2>First", "<p style=\"margin-left: -50px\">lost</p><h2>First", "chart: lost"),
        (
            "<svg width=\"99\" height=\"20\">",
            "<div style=\"overflow-x: auto\"><svg width=\"99\" height=\"20\"><text x=\"90\" y=\"15\">cut</text>",
            "chart: cut",
        ),
        ("</body>", "<script>console.log(1)</script></body>", "console: "),
        ("</body>", "<script>nothing()</script></body>", "nothing is not defined"),
    ] {
        assert!(good.contains(from), "{from}");
        let faults = found(&good.replace(from, to), (400, "dark"));
        assert!(faults.contains(expected), "{to}: {faults}");
    }
}
