//! Images of every kind match Pillow, pixel by pixel. The files and pixels are from
//! `scripts/reference/pillow_kinds.py`.

use serde::Deserialize;
use striate_vision::{decode, dimensions};

#[derive(Deserialize)]
struct Kind {
    name: String,
    file: String,
    size: [usize; 2],
    rgb: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_format_matches_pillow() {
    let kinds: Vec<Kind> = serde_json::from_str(include_str!("kinds.json")).unwrap();
    assert!(kinds.len() > 30);
    let mut wrong = Vec::new();
    for Kind { name, file, size: [width, height], rgb } in kinds {
        let file = bytes(&file);
        let found =
            decode(&file).map(|image| (image.width(), image.height(), image.to_rgb().pixels().to_vec()));
        match found {
            Ok(found) if found == (width, height, bytes(&rgb)) => {
                assert_eq!(dimensions(&file).unwrap(), [height, width], "{name}");
            }
            Ok(found) => wrong.push(format!("{name}: {found:?}, not {:?}", bytes(&rgb))),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
