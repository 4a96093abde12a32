//! Lists the results in `experiments`, so that the program includes each `result.json` that is put there.

use std::path::Path;
use std::{env, fs};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../experiments");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut entries = String::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let (name, file) = (folder.file_name().unwrap().to_str().unwrap(), folder.join("result.json"));
        // A folder is watched too, since a new file changes it.
        println!("cargo::rerun-if-changed={}", folder.display());
        if file.is_file() {
            let file = file.canonicalize().unwrap();
            entries += &format!("    ({name:?}, include_str!({:?})),\n", file.to_str().unwrap());
        }
    }
    let text = format!("&[\n{entries}]\n");
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("results.rs"), text).unwrap();
}
