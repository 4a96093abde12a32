//! Compares paths: whether two refer to the same file, and whether one is inside a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder_of;

/// Returns whether `a` and `b` refer to the same file, even through links. A file that does not exist yet is identified
/// by its folder and its name.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        if (a.dev(), a.ino()) == (b.dev(), b.ino()) {
            return true;
        }
    }
    matches!((place(a), place(b)), (Some(a), Some(b)) if a == b)
}

/// Returns whether `path`, which need not exist, is `folder` or inside it, at any depth.
pub fn lies_in(path: &Path, folder: &Path) -> bool {
    let Ok(folder) = fs::canonicalize(folder) else { return false };
    // The part of the path that exists decides.
    let existing = path.ancestors().map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    existing
        .filter_map(|above| fs::canonicalize(above).ok())
        .next()
        .is_some_and(|above| above.starts_with(folder))
}

/// Returns whether `path` is a pipe, terminal or device, to which writing replaces no file.
pub fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The path without links; for a file that does not exist, that of its folder plus its name.
fn place(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path)
        .ok()
        .or_else(|| Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?)))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn different_paths_to_one_file_are_the_same() {
        let folder = Scratch::new();
        fs::create_dir(folder.path("in")).unwrap();
        fs::write(folder.path("a"), "same").unwrap();
        fs::write(folder.path("b"), "same").unwrap();
        for (other, expected) in
            [("a", true), ("in/../a", true), ("./a", true), ("b", false), ("in/a", false)]
        {
            assert_eq!(is_same_file(&folder.path("a"), &folder.path(other)), expected, "{other}");
        }
        assert!(is_same_file(&folder.path("new"), &folder.path("in/../new")));
        assert!(!is_same_file(&folder.path("new"), &folder.path("in/new")));
        assert!(!is_same_file(&folder.path("no/new"), &folder.path("no/new2")));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_the_same_file_as_their_target() {
        let folder = Scratch::new();
        fs::write(folder.path("a"), "same").unwrap();
        std::os::unix::fs::symlink(folder.path("a"), folder.path("soft")).unwrap();
        fs::hard_link(folder.path("a"), folder.path("hard")).unwrap();
        for other in ["soft", "hard"] {
            assert!(is_same_file(&folder.path("a"), &folder.path(other)), "{other}");
        }
        assert!(
            is_stream(Path::new("/dev/null"))
                && !is_stream(&folder.path("soft"))
                && !is_stream(folder.root())
        );
    }

    #[test]
    fn paths_at_any_depth_are_inside_a_folder() {
        let folder = Scratch::new();
        fs::create_dir_all(folder.path("set/in")).unwrap();
        fs::create_dir(folder.path("settle")).unwrap();
        for (path, expected) in [
            ("set", true),
            ("set/new", true),
            ("set/in/new/newer", true),
            ("set/in/../..", false),
            ("settle/new", false),
        ] {
            assert_eq!(lies_in(&folder.path(path), &folder.path("set")), expected, "{path}");
        }
        assert!(!lies_in(&folder.path("x"), &folder.path("missing")));
        assert!(lies_in(Path::new("new/newer"), Path::new(".")));
    }
}
