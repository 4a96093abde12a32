//! Training on image files that are decoded whenever they are needed.

mod common;

use std::path::PathBuf;

use common::{Scratch, trainer};
use striate_data::{LoadOptions, Spec, load};
use striate_formats::Checkpoints;
use striate_train::{Limits, Observer, Progress, Settings, shipped};
use striate_vision::{Image, encode_png};

/// Removes a folder after the third step.
struct Removing(PathBuf);

impl Observer for Removing {
    fn step(&mut self, progress: &Progress) {
        if progress.step == 3 {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

#[test]
fn run_is_saved_when_an_image_file_is_gone() {
    let scratch = Scratch::new("image-files");
    for (class, level) in [("dark", 40), ("light", 200)] {
        std::fs::create_dir_all(scratch.path("set").join(class)).unwrap();
        for number in 0..60u8 {
            let image = encode_png(&Image::filled(32, 32, [level, level, number])).unwrap();
            std::fs::write(scratch.path("set").join(class).join(format!("{number}.png")), image).unwrap();
        }
    }
    let options = LoadOptions { cache_bytes: 0, ..LoadOptions::default() };
    let set = load(&Spec::Folder(scratch.path("set")), &options).unwrap();
    let network = (striate_models::find("lenet5").unwrap().build)().unwrap();
    let mut settings = Settings::from(shipped("small").unwrap());
    settings.set("--batch", "train.batch=8").unwrap();
    let run = trainer(settings, network, set, 1, &scratch.path("run"));
    let error = run.run(Limits::default(), &mut Removing(scratch.path("set/light"))).unwrap_err().to_string();
    assert!(error.contains("sample ") && error.contains("no such file"), "{error}");
    let checkpoint = Checkpoints::new(&scratch.path("run"), 2).latest().unwrap();
    assert!(checkpoint.is_some_and(|checkpoint| checkpoint.position.step >= 3));
}
