//! Runs every command of `docs/history-course.md` and compares what it prints with the page.
//!
//! With `STRIATE_WRITE_COURSE=1`, numbers and pictures of the page are written anew instead.

mod common;

use std::path::{Path, PathBuf};

use common::Folder;
use striate_vision::decode;

const PAGE: &str = include_str!("../../../docs/history-course.md");

/// Stands for lines, or the rest of a line, that the page leaves out.
const LEFT_OUT: &str = "…";

/// Points by which an error of another instruction set may differ, whose sums are rounded differently, beside half of
/// the distance to 0 or 100 %: networks that have hardly learned differ more.
const POINTS: f64 = 4.0;

/// The pictures of the page, and the files of a lesson that they are.
const PICTURES: [(&str, &str); 8] = [
    ("perceptron.png", "look-perceptron/kernels.png"),
    ("shifts.png", "look-shifts/shifts.png"),
    ("sharing.png", "sharing.png"),
    ("lenet5.png", "look-lenet5/overview.png"),
    ("hog.png", "look-hog/features-1.png"),
    ("activations.png", "activations.png"),
    ("chain.png", "look-chain/features-1.png"),
    ("residual.png", "residual.png"),
];

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The lines of the blocks marked `console`, with their numbers in the page.
fn console() -> Vec<(usize, &'static str)> {
    let mut is_console = false;
    let mut lines = Vec::new();
    for (number, line) in PAGE.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(kind) => is_console = kind == "console",
            None if is_console => lines.push((number, line)),
            None => {}
        }
    }
    lines
}

/// The number that a word is, with commas between thousands and marks around it.
fn number(word: &str) -> Option<f64> {
    let digits: String = word.trim_matches(|c| "(),:".contains(c)).split(',').collect();
    digits.parse().ok()
}

/// Whether a printed line is the one of the page: the same words, with errors in percent within `points`.
fn is_alike(line: &str, printed: &str, points: f64) -> bool {
    let shown = line.strip_suffix(LEFT_OUT);
    let expected: Vec<&str> = shown.unwrap_or(line).split_whitespace().collect();
    let words: Vec<&str> = printed.split_whitespace().collect();
    if words.len() < expected.len() || shown.is_none() && words.len() > expected.len() {
        return false;
    }
    (0..expected.len()).all(|at| {
        let is_percentage = expected.get(at + 1).is_some_and(|next| next.starts_with('%'));
        match (number(expected[at]), number(words[at])) {
            (Some(a), Some(b)) if is_percentage => (a - b).abs() <= points + a.min(100.0 - a) / 2.0,
            _ => expected[at] == words[at],
        }
    })
}

/// What the page would show of a printed line that is alike.
fn shown(line: &str, printed: &str) -> String {
    if !line.ends_with(LEFT_OUT) {
        return printed.trim_end().to_owned();
    }
    let count = line.split_whitespace().count() - 1;
    let words: Vec<&str> = printed.split_whitespace().take(count).collect();
    format!("{} {LEFT_OUT}", words.join(" "))
}

/// A folder with the files of the repository that the commands read.
fn clone() -> Folder {
    let folder = Folder::new("course");
    for part in ["docs/history-course", "experiments/sharing", "experiments/small-kernels"] {
        for entry in std::fs::read_dir(root().join(part)).unwrap() {
            let file = entry.unwrap();
            let name = format!("{part}/{}", file.file_name().to_str().unwrap());
            folder.write(&name, std::fs::read(file.path()).unwrap());
        }
    }
    folder
}

#[test]
fn the_course_prints_what_its_page_shows() {
    let is_written = std::env::var_os("STRIATE_WRITE_COURSE").is_some();
    let folder = clone();
    let mut page: Vec<String> = PAGE.lines().map(str::to_owned).collect();
    let mut printed = String::new();
    let mut commands = 0;
    for (place, line) in console() {
        if let Some(command) = line.strip_prefix("$ striate ") {
            let words: Vec<&str> = command.split_whitespace().collect();
            let output = folder.run(&words);
            printed = [output.stdout, output.stderr].map(|part| String::from_utf8(part).unwrap()).concat();
            assert!(output.status.success(), "{command}: {printed}");
            commands += 1;
        } else if line != LEFT_OUT {
            let points = if is_written { f64::INFINITY } else { POINTS };
            let found = printed.lines().find(|other| is_alike(line, other, points));
            let found = found.unwrap_or_else(|| panic!("line {}: {line}\nis not in:\n{printed}", place + 1));
            page[place] = shown(line, found);
        }
    }
    assert!(commands >= 20, "{commands} commands");
    for (picture, file) in PICTURES {
        let drawn = std::fs::read(folder.path("runs/course").join(file)).unwrap();
        let committed = root().join("docs/history-course").join(picture);
        if is_written {
            std::fs::write(&committed, &drawn).unwrap();
        }
        let [drawn, committed] =
            [drawn, std::fs::read(&committed).unwrap()].map(|bytes| decode(&bytes).unwrap());
        assert_eq!((drawn.width(), drawn.height()), (committed.width(), committed.height()), "{picture}");
        assert!(PAGE.contains(&format!("(history-course/{picture})")), "{picture}");
    }
    if is_written {
        std::fs::write(root().join("docs/history-course.md"), page.join("\n") + "\n").unwrap();
    }
}

#[test]
fn lines_are_alike_if_only_errors_differ_a_little() {
    let line = "test error 4.18 % (top 5: 0.00 %) on 359 images, …";
    assert!(is_alike(line, "test error 5.01 % (top 5: 0.56 %) on 359 images, after 0.3 s", POINTS));
    assert!(!is_alike(line, "test error 10.51 % (top 5: 0.56 %) on 359 images, after 0.3 s", POINTS));
    assert!(!is_alike(line, "test error 4.18 % (top 5: 0.00 %) on 358 images, after 0.3 s", POINTS));
    assert!(!is_alike("params 5,994", "params 5,995", POINTS));
    assert!(!is_alike("params 5,994", "params 5,994 and more", POINTS));
    assert_eq!(
        shown(line, "test error 5 % (top 5: 0 %) on 359 images, after"),
        "test error 5 % (top 5: 0 %) on 359 images, …"
    );
}
