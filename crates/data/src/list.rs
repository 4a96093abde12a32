//! List files: a line for each image, `path<TAB>class`.
//!
//! A folder may hold a list for each part: `train.tsv`, and optionally `val.tsv` and `test.tsv`. A file is a set
//! without parts. Paths are relative to the folder of the list, which they may not leave. Empty lines and lines that
//! start with `#` are skipped.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use striate_tensor::file::{folder_of, list_folder, open, read_text_limited};
use striate_tensor::{Error, Result};

use crate::images::{Collection, ImageFile, Labeled, LabeledPart, Purpose, join};
use crate::part::Part;

/// Largest size of a list in bytes: ten million lines.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes by which a list is recognized.
const HEAD_BYTES: u64 = 4096;
/// The extension of the lists in a folder.
pub(crate) const EXTENSION: &str = "tsv";

/// Finds the images that the lists at `path` name.
pub(crate) fn find(path: &Path, purpose: Purpose) -> Result<Collection> {
    let mut parts = Vec::new();
    for (part, place) in lists(path)? {
        parts.push(LabeledPart { part, labeled: read(&place)?, place });
    }
    join(format!("list:{}", path.display()), parts, None, purpose)
}

/// Finds the lists at `path`, in the order of their parts; the part is `None` for a file.
pub(crate) fn lists(path: &Path) -> Result<Vec<(Option<Part>, PathBuf)>> {
    if path.as_os_str().is_empty() {
        return Err(Error::input("list: needs a file or a folder of lists, as in list:train.tsv"));
    }
    if !path.is_dir() {
        return Ok(vec![(None, path.to_owned())]);
    }
    let mut lists = Vec::new();
    for file in list_folder(path)? {
        if file.extension().is_some_and(|extension| extension == EXTENSION) {
            lists.push((Some(part(&file)?), file));
        }
    }
    if lists.is_empty() {
        let what = "has no lists; name them train.tsv, val.tsv and test.tsv";
        return Err(Error::input(what).at(path.display()));
    }
    lists.sort();
    if let Some(pair) = lists.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let [first, second] = [&pair[0], &pair[1]].map(|(_, file)| file.display());
        return Err(Error::input(format!("{first} and {second} are for the same part; remove one")));
    }
    Ok(lists)
}

/// Whether the file at `path` is a list by its name or its first line.
pub(crate) fn is_list(path: &Path) -> bool {
    let has_tab = || {
        let mut head = Vec::new();
        let read = open(path).ok().map(|(file, _)| file.take(HEAD_BYTES).read_to_end(&mut head));
        let head = String::from_utf8_lossy(&head);
        let line = head.lines().find(|line| !is_comment(line));
        matches!(read, Some(Ok(_))) && line.is_some_and(|line| line.matches('\t').count() == 1)
    };
    path.extension().is_some_and(|extension| extension == EXTENSION) || path.is_file() && has_tab()
}

/// The part that the name of a list denotes.
fn part(file: &Path) -> Result<Part> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    match Part::of(&stem) {
        Some((part, true)) => Ok(part),
        _ => {
            let what =
                "the name denotes no part; name lists train.tsv, val.tsv and test.tsv, or give one file";
            Err(Error::input(what).at(file.display()))
        }
    }
}

/// Reads a list.
fn read(file: &Path) -> Result<Labeled> {
    let mut labeled = Labeled::default();
    let text = text(file)?;
    for (number, line) in lines(&text) {
        let (path, class) = parsed(line).map_err(|e| e.at(format!("{}, line {number}", file.display())))?;
        labeled.add(ImageFile::File(folder_of(file).join(path)), class);
    }
    Ok(labeled)
}

/// The text of a list.
pub(crate) fn text(file: &Path) -> Result<String> {
    read_text_limited(file, MOST_BYTES)
}

/// The lines of a list that name an image, with their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !is_comment(line))
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// The path and the class of a line.
pub(crate) fn parsed(line: &str) -> Result<(&Path, &str)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [path, class] = fields[..] else {
        let count = fields.len() - 1;
        return Err(Error::input(format!("has {count} tabs; each line is a path, a tab and a class")));
    };
    let (path, class) = (Path::new(path.trim()), class.trim());
    if class.is_empty() || path.as_os_str().is_empty() {
        return Err(Error::input("the path or the class is empty"));
    }
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !stays {
        return Err(Error::input(format!(
            "{} leaves the folder of the list; paths are relative to it, without ..",
            path.display()
        )));
    }
    Ok((path, class))
}

#[cfg(test)]
mod tests {
    use striate_vision::{Image, encode_png};

    use super::*;
    use crate::LoadOptions;
    use crate::scratch::Scratch;

    fn png(value: u8) -> Vec<u8> {
        encode_png(&Image::filled(4, 4, [value, 0, 0])).unwrap()
    }

    #[test]
    fn lists_give_what_a_folder_gives() {
        let folder = Scratch::new();
        for (path, value) in
            [("train/a/1.png", 1), ("train/a/2.png", 2), ("train/b/1.png", 3), ("test/b/1.png", 4)]
        {
            folder.file(path, &png(value));
        }
        folder.file("lists/train.tsv", b"");
        folder.file("train.tsv", b"# images\ntrain/a/1.png\ta\ntrain/a/2.png\ta\r\n\n./train/b/1.png\t b \n");
        folder.file("test.tsv", b"test/b/1.png\tb\n");
        let options = LoadOptions::default();
        let by_list = find(folder.path(), Purpose::Training).unwrap().load(&options).unwrap();
        let by_folder =
            crate::folder::find(folder.path(), crate::Medium::Image).unwrap().load(&options).unwrap();
        assert_eq!(by_list.fingerprint().unwrap(), by_folder.fingerprint().unwrap());
        assert_eq!((by_list.train, by_list.test), (by_folder.train, by_folder.test));
        let one = find(&folder.path().join("train.tsv"), Purpose::Training).unwrap().load(&options).unwrap();
        assert_eq!((one.train.len(), one.test), (3, None));
    }

    #[test]
    fn bad_lines_are_named() {
        let folder = Scratch::new();
        for (text, why) in [
            ("a.png", "has 0 tabs"),
            ("a.png\tb\tc", "has 2 tabs"),
            ("a.png\t ", "is empty"),
            ("../a.png\tb", "leaves the folder"),
            ("/a.png\tb", "leaves the folder"),
        ] {
            let list = folder.file("list.txt", format!("x.png\tx\n{text}\n").as_bytes());
            let error = find(&list, Purpose::Training).err().unwrap();
            let line = error.to_string();
            assert!(error.is_input() && line.contains("list.txt, line 2") && line.contains(why), "{line}");
        }
    }
}
