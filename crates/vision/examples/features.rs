//! Prints the hand-made features of every image of a folder, for `scripts/reference/hog_skimage.py`
//! and `sift_opencv.py`.

use std::path::PathBuf;
use std::time::Instant;

use striate_vision::Image;
use striate_vision::features::{DESCRIPTOR, Extract, Hog, Sift};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, parameters, folder] = &arguments[..] else { panic!("hog|sift PARAMETERS FOLDER") };
    let images = images(folder);
    match kind.as_str() {
        "hog" => hog(&images, &serde_json::from_str(parameters).expect("valid parameters")),
        "sift" => sift(&images, &serde_json::from_str(parameters).expect("valid parameters")),
        _ => panic!("unknown features {kind}"),
    }
}

fn images(folder: &str) -> Vec<(PathBuf, Image)> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let bytes = std::fs::read(&file).expect("the file is readable");
        let image = striate_vision::decode(&bytes).expect("it is an image");
        (file, image)
    };
    files.into_iter().map(read).collect()
}

/// Prints the features of an image in a line.
fn hog(images: &[(PathBuf, Image)], parameters: &Hog) {
    let start = Instant::now();
    for (_, image) in images {
        let (_, values) = parameters.features(image).expect("valid parameters");
        let words: Vec<String> = values.iter().map(f32::to_string).collect();
        println!("{}", words.join(" "));
    }
    let microseconds = start.elapsed().as_secs_f64() * 1e6 / images.len() as f64;
    eprintln!("{microseconds:.0} µs an image, with printing");
}

/// Prints the number of key points of an image in a line, and each of them with its descriptor in another one.
fn sift(images: &[(PathBuf, Image)], parameters: &Sift) {
    let mut seconds = 0.0;
    for (_, image) in images {
        let start = Instant::now();
        let points = parameters.key_points(image).expect("valid parameters");
        let descriptors = parameters.descriptors(image, &points).expect("valid parameters");
        seconds += start.elapsed().as_secs_f64();
        println!("{}", points.len());
        for (point, descriptor) in points.iter().zip(descriptors.chunks_exact(DESCRIPTOR)) {
            let values = [point.x, point.y, point.size, point.angle, point.response];
            let words: Vec<String> = values.iter().chain(descriptor).map(f32::to_string).collect();
            println!("{}", words.join(" "));
        }
    }
    eprintln!("{:.1} ms an image", seconds * 1e3 / images.len() as f64);
}
