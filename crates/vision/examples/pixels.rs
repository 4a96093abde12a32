//! Prints the Adler-32 checksum of the pixels of every file of a folder, for `scripts/reference/jpeg_pillow.py`.

use std::path::PathBuf;

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).expect("the file is readable");
        let name = file.file_name().expect("a name").to_string_lossy();
        match striate_vision::decode(&bytes) {
            Ok(image) => {
                let (width, height, channels) = (image.width(), image.height(), image.channels());
                println!("{name} {width} {height} {channels} {}", adler(image.pixels()));
            }
            Err(error) => println!("{name} {error}"),
        }
    }
}

fn adler(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    high << 16 | low
}
