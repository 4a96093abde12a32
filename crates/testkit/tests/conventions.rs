//! Conventions of the code base: dependencies between crates, length and contents of source files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that each crate may use; it may also use what these may use. Includes crates that do not exist yet.
const MAY_USE: &[(&str, &[&str])] = &[
    ("tensor", &[]),
    ("kernels", &["tensor"]),
    ("graph", &["tensor"]),
    ("engine", &["graph", "kernels"]),
    ("models", &["graph"]),
    ("vision", &["tensor"]),
    ("sound", &["tensor"]),
    ("text", &["tensor"]),
    ("data", &["vision", "sound", "text", "tensor"]),
    ("formats", &["graph", "tensor"]),
    ("predict", &["engine", "models", "formats", "vision", "sound", "text"]),
    ("train", &["predict", "engine", "models", "formats", "data", "ancestors"]),
    ("ancestors", &["tensor"]),
    ("insight", &["predict", "engine", "data", "graph"]),
    ("experiments", &["train"]),
    ("serve", &["predict", "insight"]),
    ("gpu", &["engine", "graph", "kernels", "tensor"]),
    ("testkit", &["engine", "gpu", "graph", "kernels", "tensor", "models"]),
    ("hostile", &["train", "testkit"]),
    ("striate", &["train", "predict", "ancestors", "insight", "gpu"]),
    ("cli", &["striate", "experiments", "serve"]),
];

/// External crates that only one crate may use.
const RESERVED: &[(&str, &str)] = &[
    ("rayon", "data"),
    ("symphonia", "sound"),
    ("ureq", "data"),
    ("reqwest", "data"),
    ("attohttpc", "data"),
    ("minreq", "data"),
    ("isahc", "data"),
    ("curl", "data"),
    ("clap", "cli"),
    ("indicatif", "cli"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The name of each crate with its direct normal dependencies.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let short = |name: &str| name.strip_prefix("striate-").unwrap_or(name).to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let normal = |dependency: &&Value| dependency["kind"].is_null();
            let names = package["dependencies"].as_array().unwrap().iter().filter(normal);
            let names = names.map(|dependency| short(dependency["name"].as_str().unwrap())).collect();
            (short(package["name"].as_str().unwrap()), names)
        })
        .collect()
}

/// All crates that `name` may use, directly or indirectly.
fn allowed(name: &str) -> BTreeSet<&'static str> {
    let (_, direct) = MAY_USE
        .iter()
        .find(|(other, _)| *other == name)
        .unwrap_or_else(|| panic!("MAY_USE has no entry for {name}"));
    direct.iter().flat_map(|other| allowed(other).into_iter().chain([*other])).collect()
}

#[test]
fn crates_use_only_allowed_crates() {
    let dependencies = dependencies();
    for (name, uses) in &dependencies {
        let allowed = allowed(name);
        for used in uses {
            let is_ours = dependencies.contains_key(used);
            assert!(!is_ours || allowed.contains(used.as_str()), "{name} may not use {used}");
            if let Some((_, owner)) = RESERVED.iter().find(|(reserved, _)| reserved == used) {
                assert_eq!(name, owner, "only {owner} may use {used}");
            }
        }
    }
}

#[test]
fn library_depends_on_at_most_a_hundred_packages() {
    let tree =
        cargo(&["tree", "--package", "striate", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let packages: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty() && !line.starts_with("striate"))
        .collect();
    assert!(packages.len() > 10 && packages.len() <= 100, "{} packages", packages.len());
}

/// All source files of all crates with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 50);
    found
}

#[test]
fn source_files_are_short_and_start_with_module_docs() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//!"), "{} does not start with a //! line", path.display());
    }
}

/// The longest line of comments and of documents, in characters.
const WIDTH: usize = 120;

/// Returns the lines of a document that are text: neither tables nor code.
fn text_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(move |(_, line)| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with('|')
    })
}

#[test]
fn lines_of_comments_and_documents_are_short() {
    let mut long = Vec::new();
    let mut check = |path: &Path, (number, line): (usize, &str)| {
        if line.chars().count() > WIDTH {
            long.push(format!("{}:{number}", path.display()));
        }
    };
    for (path, text) in sources() {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| line.trim_start().starts_with("//")).for_each(|line| check(&path, line));
    }
    for name in ["ADDING.md", "ARCHITECTURE.md", "CHANGELOG.md", "README.md", "SECURITY.md"] {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap();
        text_lines(&text).for_each(|line| check(&path, line));
    }
    assert!(long.is_empty(), "lines longer than {WIDTH} characters: {}", long.join(", "));
}

#[test]
fn tables_and_code_are_not_text() {
    let numbers: Vec<usize> = text_lines("a\n| b |\n```sh\nc\n```\nd").map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 6]);
}

#[test]
fn no_unfinished_code_remains() {
    // Written in two parts, so that this file does not contain them.
    let marks = [["to", "do!"], ["unimple", "mented!"], ["FIX", "ME"], ["#[ig", "nore"]]
        .map(|halves| halves.concat());
    for (path, text) in sources() {
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} contains {mark}", path.display());
        }
    }
}

#[test]
fn only_four_crates_contain_unsafe_code() {
    for name in
        dependencies().keys().filter(|name| !["tensor", "kernels", "gpu", "testkit"].contains(&name.as_str()))
    {
        let source = root().join("crates").join(name).join("src");
        let mut roots = 0;
        for path in ["lib.rs", "main.rs"].map(|file| source.join(file)).iter().filter(|path| path.exists()) {
            let text = fs::read_to_string(path).unwrap();
            let forbids = text.lines().any(|line| line == "#![forbid(unsafe_code)]");
            assert!(forbids, "{} does not forbid unsafe code", path.display());
            roots += 1;
        }
        assert!(roots > 0, "{name} has neither lib.rs nor main.rs");
    }
}

/// The README uses `cargo run -- train`, which requires a single binary.
#[test]
fn workspace_has_one_binary() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    let programs: Vec<_> =
        targets.filter(|target| target["kind"][0] == "bin").map(|target| &target["name"]).collect();
    assert_eq!(programs, ["striate"]);
}

/// Calls of the standard library that open, write or remove files and folders.
const RAW_FILE_CALLS: &[&str] = &[
    "File::create",
    "File::open",
    "File::options",
    "OpenOptions::new",
    "DirBuilder::new",
    "fs::write",
    "fs::read",
    "fs::remove",
    "fs::create_dir",
    "fs::rename",
    "fs::copy",
    "fs::hard_link",
    "fs::soft_link",
    "fs::symlink(",
    "fs::set_permissions",
];

/// Returns the lines of a source file that are part of the product: neither comments nor the test module, which
/// ends a file.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut before = "";
    let lines = lines.take_while(move |(_, line)| {
        let opens_tests = before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{');
        before = line;
        !opens_tests
    });
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Returns whether the file at `path`, relative to `crates/`, may call the file system directly: the guarded
/// module itself, the test crates, tests, examples and benchmarks, and modules that their parent declares
/// under `#[cfg(test)]`.
fn may_use_raw_files(path: &Path) -> bool {
    let is_free = |part: &std::ffi::OsStr| {
        ["tests", "examples", "benches", "build.rs"].iter().any(|free| part == *free)
    };
    let is_test_module = || {
        let file = root().join("crates").join(path);
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let folder = file.parent().unwrap();
        let parents = ["mod.rs", "lib.rs", "main.rs"].map(|parent| folder.join(parent));
        let parents = parents.into_iter().chain([folder.with_extension("rs")]);
        let declared = format!("#[cfg(test)]\nmod {name};");
        parents.filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| text.contains(&declared))
    };
    path.starts_with("tensor/src/file")
        || path.starts_with("testkit")
        || path.starts_with("hostile")
        || path.iter().any(is_free)
        || is_test_module()
}

#[test]
fn only_the_guarded_module_opens_writes_and_removes_files() {
    let crates = root().join("crates");
    let mut checked = 0;
    for (path, text) in sources() {
        let path = path.strip_prefix(&crates).unwrap();
        if may_use_raw_files(path) {
            continue;
        }
        checked += 1;
        for (number, line) in product_lines(&text) {
            let found = RAW_FILE_CALLS.iter().find(|call| line.contains(**call));
            assert!(
                found.is_none(),
                "{}:{number} calls {}; use striate_tensor::file",
                path.display(),
                found.unwrap()
            );
        }
    }
    assert!(checked > 100, "{checked} files");
}

#[test]
fn raw_file_calls_are_found_outside_tests_and_comments() {
    let text = "//! fs::write\nfn f() {\n    // File::open\n    std::fs::write(a, b);\n}\n#[cfg(test)]\nmod tests {\n    fs::read(a);\n}\n";
    let found: Vec<usize> = product_lines(text)
        .filter(|(_, line)| RAW_FILE_CALLS.iter().any(|call| line.contains(*call)))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(found, [4]);
    for (path, expected) in [
        ("tensor/src/file/write.rs", true),
        ("tensor/src/npy.rs", false),
        ("data/src/scratch.rs", true),
        ("data/src/download/tests.rs", true),
        ("cli/tests/train.rs", true),
        ("cli/src/verbs/train.rs", false),
    ] {
        assert_eq!(may_use_raw_files(Path::new(path)), expected, "{path}");
    }
}

/// A path may contain line breaks and terminal controls, which `display` passes on.
#[test]
fn command_line_prints_no_raw_paths() {
    let mut checked = 0;
    for (path, text) in sources() {
        let path = path.strip_prefix(root().join("crates")).unwrap().to_owned();
        if !path.starts_with("cli/src") {
            continue;
        }
        checked += 1;
        for (number, line) in product_lines(&text) {
            let place = path.display();
            assert!(
                !line.contains(".display()"),
                "{place}:{number} calls display; use striate_tensor::text::printable_path"
            );
        }
    }
    assert!(checked > 30, "{checked} files");
}
