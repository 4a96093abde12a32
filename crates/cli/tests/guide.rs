//! Runs every command of `docs/from-folder-to-model.md`, with a small network and one epoch.

mod common;

use common::Folder;
use striate_vision::{Image, encode_png};

const GUIDE: &str = include_str!("../../../docs/from-folder-to-model.md");

/// The command lines in the blocks marked `sh`.
fn commands() -> Vec<&'static str> {
    let blocks = GUIDE.split("```").skip(1).step_by(2);
    let shell = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    shell.flat_map(str::lines).collect()
}

#[test]
fn every_command_of_the_guide_works() {
    let folder = Folder::new("guide");
    for (class, level) in [("dark", 30), ("bright", 190)] {
        for index in 0..12usize {
            let (width, height) = (40 + index, 52 - index);
            let pixels = (0..width * height * 3).map(|i| (level + i * (index + 3) / 11 % 50) as u8);
            let image = Image::new(width, height, 3, pixels.collect()).unwrap();
            folder.write(&format!("photos/{class}/{index}.png"), encode_png(&image).unwrap());
        }
    }
    std::fs::copy(folder.path("photos/dark/3.png"), folder.path("photo.png")).unwrap();
    assert_eq!(commands().len(), 11);
    for command in commands() {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[0], "striate", "{command}");
        let smaller = |word: &&str| match *word {
            "resnet18" => "lenet5".to_owned(),
            "20" => "1".to_owned(),
            other => other.to_owned(),
        };
        let words: Vec<String> = words[1..].iter().map(smaller).collect();
        let output = folder.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {text}");
    }
    let written =
        ["sheet.png", "samples.png", "run/report.html", "guesses.csv", "predictions.png", "model.onnx"];
    for file in written {
        assert!(folder.path(file).is_file(), "{file}");
    }
}
