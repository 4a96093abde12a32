//! Reads the preprocessing stated in the ONNX metadata of common exporters. Incomplete statements are ignored.

use std::collections::HashMap;

use striate_graph::Network;
use striate_tensor::preprocessing::{Preprocessing, Step};

use crate::preprocessing::{check_preprocessing, framing};

/// Returns the preprocessing that the `metadata` of an ONNX file state for `network`, with the keys that state it;
/// `None` unless they state it completely.
pub(crate) fn preprocessing(
    metadata: &HashMap<String, String>,
    network: &Network,
) -> Option<(Preprocessing, &'static str)> {
    let found = windows_ml(metadata, network).or_else(|| ultralytics(metadata, network))?;
    check_preprocessing(&found.0, network).ok()?;
    Some(found)
}

/// The keys of ONNX's own standard for images (`docs/MetadataProps.md`), which Windows ML and Custom Vision write.
/// Their runtimes scale an image to cover the input and crop the center.
fn windows_ml(
    metadata: &HashMap<String, String>,
    network: &Network,
) -> Option<(Preprocessing, &'static str)> {
    let value = |key: &str| metadata.get(key).map(|value| value.trim());
    let [channels, height, width] = network.image().ok()?;
    let (given, is_swapped) = match value("Image.BitmapPixelFormat")? {
        "Gray8" => (1, false),
        "Rgb8" => (3, false),
        "Bgr8" => (3, true),
        _ => return None,
    };
    let (mean, std) = match value("Image.NominalPixelRange")? {
        "NominalRange_0_255" => (0.0, 1.0 / 255.0),
        "Normalized_0_1" => (0.0, 1.0),
        "Normalized_1_1" => (0.5, 0.5),
        _ => return None,
    };
    if given != channels || value("Image.ColorSpaceGamma").is_some_and(|gamma| gamma != "SRGB") {
        return None;
    }
    let mut steps = framing([height, width], false);
    steps.extend(is_swapped.then_some(Step::SwapRedBlue));
    let form = Preprocessing {
        channels,
        steps,
        mean: vec![mean; channels],
        std: vec![std; channels],
        features: None,
    };
    Some((form, "Image.BitmapPixelFormat and Image.NominalPixelRange"))
}

/// Ultralytics classifiers: shorter side resized to the input's, center crop, values from 0 to 1.
fn ultralytics(
    metadata: &HashMap<String, String>,
    network: &Network,
) -> Option<(Preprocessing, &'static str)> {
    let value = |key: &str| metadata.get(key).map(|value| value.trim());
    let is_classifier = value("author") == Some("Ultralytics") && value("task") == Some("classify");
    let [channels, height, width] = network.image().ok().filter(|_| is_classifier)?;
    let steps = framing([height, width], false);
    let form = Preprocessing {
        channels,
        steps,
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
        features: None,
    };
    Some((form, "task and author (Ultralytics)"))
}

#[cfg(test)]
mod tests {
    use striate_graph::Builder;
    use striate_vision::{Image, network_input};

    use super::*;

    /// The color (255, 51, 0) as the network's input, rounded to thousandths.
    fn input(entries: &[(&str, &str)]) -> Option<Vec<f32>> {
        let net = Builder::new("net", [3, 2, 2]);
        let network = net.input().flatten().linear(2).finish().unwrap();
        let metadata = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (form, _) = preprocessing(&metadata, &network)?;
        let (shape, values) = network_input(&form, &Image::filled(6, 4, [255, 51, 0])).unwrap();
        assert_eq!(shape, [3, 2, 2]);
        Some(values.chunks_exact(4).map(|map| (map[0] * 1e3).round() / 1e3).collect())
    }

    #[test]
    fn complete_exporter_metadata_are_used() {
        let format =
            |format, range| [("Image.BitmapPixelFormat", format), ("Image.NominalPixelRange", range)];
        assert_eq!(input(&format("Bgr8", "NominalRange_0_255")).unwrap(), [0.0, 51.0, 255.0]);
        assert_eq!(input(&format("Rgb8", "Normalized_0_1")).unwrap(), [1.0, 0.2, 0.0]);
        assert_eq!(input(&format("Rgb8", "Normalized_1_1")).unwrap(), [1.0, -0.6, -1.0]);
        assert_eq!(input(&[("author", "Ultralytics"), ("task", "classify")]).unwrap(), [1.0, 0.2, 0.0]);
    }

    #[test]
    fn incomplete_exporter_metadata_are_ignored() {
        for entries in [
            &[][..],
            &[("Image.BitmapPixelFormat", "Bgr8")],
            &[("Image.BitmapPixelFormat", "Gray8"), ("Image.NominalPixelRange", "Normalized_0_1")],
            &[("Image.BitmapPixelFormat", "Rgb8"), ("Image.NominalPixelRange", "NominalRange_16_235")],
            &[
                ("Image.BitmapPixelFormat", "Rgb8"),
                ("Image.NominalPixelRange", "Normalized_0_1"),
                ("Image.ColorSpaceGamma", "Linear"),
            ],
            &[("author", "Ultralytics"), ("task", "detect")],
        ] {
            assert_eq!(input(entries), None, "{entries:?}");
        }
    }
}
