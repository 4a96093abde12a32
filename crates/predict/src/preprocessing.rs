//! The preprocessing of images: checked against a network, fitted to another size, selected by the user by a word or a
//! file.

use std::path::Path;

use striate_graph::Network;
use striate_tensor::preprocessing::{Filter, Preprocessing, Step};
use striate_tensor::{Error, Result, Shape};

use crate::preprocessing_file::from_file;

/// The values of `--preprocessing`, for messages.
pub const PREPROCESSING_WORDS: &str = "imagenet, caffe, tensorflow, zero-one or FILE.json";

/// Order of the colors in a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as in Caffe.
    Bgr,
}

/// Returns the preprocessing that `source` selects, checked against `network`: one of the words `imagenet`, `caffe`,
/// `tensorflow` and `zero-one`, or a JSON file in the form used by model files. With `caffe`, the input's colors
/// are in the order `caffe_colors`, since converted weights may take RGB.
///
/// # Errors
/// If the word does not fit the network's input, or the file cannot be read or does not fit.
pub fn named_preprocessing(source: &str, network: &Network, caffe_colors: Colors) -> Result<Preprocessing> {
    let at = |e: Error| e.at(format!("--preprocessing {source}"));
    let form = match source {
        "imagenet" => normalized(network, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], true),
        "caffe" => {
            // Mean blue, green and red of ImageNet, from 0 to 255.
            let mut mean = [103.939, 116.779, 123.68].map(|mean: f32| mean / 255.0);
            if caffe_colors == Colors::Rgb {
                mean.reverse();
            }
            let form = normalized(network, mean, [1.0 / 255.0; 3], true);
            form.map(|mut form| {
                form.steps.extend((caffe_colors == Colors::Bgr).then_some(Step::SwapRedBlue));
                form
            })
        }
        "tensorflow" => plain(network, 0.5, 0.5, true),
        "zero-one" => plain(network, 0.0, 1.0, false),
        file => return from_file(Path::new(file), network),
    };
    let form = form.map_err(at)?;
    check_preprocessing(&form, network).map_err(at)?;
    Ok(form)
}

/// Color images with a mean and a standard deviation per channel.
fn normalized(network: &Network, mean: [f32; 3], std: [f32; 3], enlarged: bool) -> Result<Preprocessing> {
    let [channels, height, width] = network.image()?;
    if channels != 3 {
        let what = format!(
            "is for 3 channels, but the network takes {channels}; use tensorflow, zero-one or FILE.json"
        );
        return Err(Error::input(what));
    }
    let steps = framing([height, width], enlarged);
    Ok(Preprocessing { channels, steps, mean: mean.to_vec(), std: std.to_vec(), features: None })
}

/// Images of any number of channels, with the same constants for all.
pub(crate) fn plain(network: &Network, mean: f32, std: f32, enlarged: bool) -> Result<Preprocessing> {
    let [channels, height, width] = network.image()?;
    let steps = framing([height, width], enlarged);
    Ok(Preprocessing {
        channels,
        steps,
        mean: vec![mean; channels],
        std: vec![std; channels],
        features: None,
    })
}

/// Smallest side for which images are resized larger before the center crop, as for ImageNet: 256 for 224, 342 for 299.
const LARGE: usize = 64;

/// The steps that produce images of a given size: for a square, the shorter side is resized to its side, or to 8/7 of
/// it for large ones if `enlarged`, then the center is cropped; otherwise, a plain resize.
pub(crate) fn framing([height, width]: [usize; 2], enlarged: bool) -> Vec<Step> {
    let filter = Filter::Bilinear;
    if height != width {
        return vec![Step::Resize { height, width, filter }];
    }
    let size = if enlarged && height >= LARGE { (height * 8 + 3) / 7 } else { height };
    vec![Step::ResizeShorter { size, filter }, Step::CenterCrop { height, width }]
}

/// Returns `form` for another height and width: crops, padding and resizing to the old size use the new one,
/// and sizes before a crop change in proportion.
///
/// # Errors
/// If the output size of `form` depends on the image.
pub fn resized(form: &Preprocessing, size: [usize; 2]) -> Result<Preprocessing> {
    let Some([_, old_height, old_width]) = form.image_shape() else {
        return Err(Error::input("the preprocessing does not produce images of one size; omit --size"));
    };
    let [new_height, new_width] = size;
    let scaled = |old: usize, from: usize, to: usize| ((old * to + from / 2) / from).max(1);
    let rows = |old: &mut usize| *old = scaled(*old, old_height, new_height);
    let columns = |old: &mut usize| *old = scaled(*old, old_width, new_width);
    let mut form = form.clone();
    for step in &mut form.steps {
        match step {
            Step::Resize { height, width, .. }
            | Step::Fit { height, width, .. }
            | Step::CenterCrop { height, width }
            | Step::Pad { height, width, .. } => {
                rows(height);
                columns(width);
            }
            Step::ResizeShorter { size, .. } => {
                *size = scaled(*size, old_height.min(old_width), new_height.min(new_width));
            }
            Step::Digit { ink, height, width, .. } => {
                rows(ink);
                rows(height);
                columns(width);
            }
            Step::Trim { .. } | Step::DarkBackground | Step::SwapRedBlue => {}
        }
    }
    Ok(form)
}

/// Checks that `form` is valid and that `network` with its weights accepts its output. If the output size depends on
/// the image, only the channels are checked.
///
/// # Errors
/// If it is not, or the network does not; the message states both shapes.
pub fn check_preprocessing(form: &Preprocessing, network: &Network) -> Result<()> {
    form.check()?;
    match misfit(form, network)? {
        None => Ok(()),
        Some(what) => Err(Error::input(format!("{what}; use a preprocessing with that shape"))),
    }
}

/// Describes how the output of `form` differs from what `network` with its weights accepts; `None` if it does not.
pub(crate) fn misfit(form: &Preprocessing, network: &Network) -> Result<Option<String>> {
    let made = form.output_shape();
    if made.is_some_and(|made| made[..] == network.input[..]) {
        return Ok(None);
    }
    // Images are always channels-first, regardless of the network.
    let network = network.clone().channels_first();
    let ([channels, ..], given) = (network.image()?, form.output_channels());
    let why = match made {
        _ if given != channels => String::new(),
        None => return Ok(None),
        Some([c, h, w]) => match network.variables_for(&Shape::from([1, c, h, w])) {
            Ok(variables) if variables == network.variables()? => return Ok(None),
            Ok(_) => String::new(),
            Err(e) => format!(" ({e})"),
        },
    };
    let made = made.map_or(format!("[N, {given}, H, W]"), |[c, h, w]| format!("[N, {c}, {h}, {w}]"));
    let (name, wanted) = (&network.name, network.input_form());
    Ok(Some(format!("the preprocessing yields {made}, but {name} takes {wanted}{why}")))
}

#[cfg(test)]
mod tests {
    use striate_vision::{Image, network_input};

    use super::*;

    /// A network that takes channels-last images and transposes them immediately still gets channels-first images.
    #[test]
    fn preprocessing_is_checked_against_input_of_network() {
        let open = "name = 'n'\ninput = [6, 8, 3]\nlayers = [{ op = 'transpose', permutation = [0, 3, 1, 2] }, \
                    { op = 'conv', out_channels = 2, kernel_size = 3 }, { op = 'global_average_pool' }, { op = 'flatten' }]";
        let open = Network::from_text(open).unwrap();
        let form = |channels: usize, height, width| Preprocessing {
            channels,
            steps: vec![Step::CenterCrop { height, width }],
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
            features: None,
        };
        // Any size fits but one below the kernel's.
        for (height, width) in [(6, 8), (3, 3)] {
            check_preprocessing(&form(3, height, width), &open).unwrap();
        }
        let line = |form| check_preprocessing(&form, &open).unwrap_err().to_string();
        assert!(line(form(3, 2, 9)).contains("yields [N, 3, 2, 9], but n takes [N, 3, 6, 8] (network n"));
        assert!(line(form(1, 6, 8)).contains("yields [N, 1, 6, 8], but n takes [N, 3, 6, 8]"));
        assert!(
            line(Preprocessing { std: vec![], ..form(3, 6, 8) })
                .contains("one number for each in mean and std")
        );
    }

    fn network(input: [usize; 3]) -> Network {
        let net = striate_graph::Builder::new("net", input);
        net.input().conv(2, 3).global_average_pool().flatten().finish().unwrap()
    }

    /// The input for an image of a single color (red, green, blue of 200, 100, 50), computed by hand.
    #[test]
    fn named_preprocessing_gives_exact_values() {
        let network = network([3, 28, 28]);
        for (word, colors, expected, line) in [
            (
                "imagenet",
                Colors::Bgr,
                [1.307_047, -0.285_014, -0.932_985],
                "RGB in [0, 1], shorter side resized to 28 (bilinear), center crop 28x28, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)",
            ),
            (
                "caffe",
                Colors::Bgr,
                [-53.939, -16.779, 76.32],
                "BGR in [0, 255], shorter side resized to 28 (bilinear), center crop 28x28, mean (103.939, 116.779, 123.68)",
            ),
            (
                "caffe",
                Colors::Rgb,
                [76.32, -16.779, -53.939],
                "RGB in [0, 255], shorter side resized to 28 (bilinear), center crop 28x28, mean (123.68, 116.779, 103.939)",
            ),
            (
                "tensorflow",
                Colors::Bgr,
                [0.568_627, -0.215_686, -0.607_843],
                "RGB in [-1, 1], shorter side resized to 28 (bilinear), center crop 28x28",
            ),
            (
                "zero-one",
                Colors::Bgr,
                [0.784_314, 0.392_157, 0.196_078],
                "RGB in [0, 1], shorter side resized to 28 (bilinear), center crop 28x28",
            ),
        ] {
            let form = named_preprocessing(word, &network, colors).unwrap();
            let (shape, values) = network_input(&form, &Image::filled(40, 30, [200, 100, 50])).unwrap();
            assert_eq!(shape, [3, 28, 28]);
            for (channel, expected) in expected.into_iter().enumerate() {
                let value = values[channel * 28 * 28];
                assert!((value - expected).abs() < 1e-4, "{word}, channel {channel}: {value} not {expected}");
            }
            assert_eq!(form.to_string(), line);
        }
    }

    #[test]
    fn named_preprocessing_must_fit_the_network() {
        let refusal = |word: &str, input| {
            named_preprocessing(word, &network(input), Colors::Rgb).unwrap_err().to_string()
        };
        let line = refusal("imagenet", [1, 8, 8]);
        assert!(
            line.contains("--preprocessing imagenet: is for 3 channels, but the network takes 1"),
            "{line}"
        );
        let line = refusal("imagnet", [3, 8, 8]);
        assert!(line.contains("expected imagenet, caffe, tensorflow, zero-one or FILE.json"), "{line}");
        let line = refusal("tensorflow", [2, 8, 8]);
        assert!(line.contains("channels must be 1 or 3"), "{line}");
        let gray = named_preprocessing("tensorflow", &network([1, 8, 6]), Colors::Rgb).unwrap();
        assert_eq!(gray.to_string(), "gray in [-1, 1], resized to 8x6 (bilinear)");
        // Sides before the crop are those of the publications.
        for (side, shorter) in [(224, 256), (299, 342), (32, 32), (7, 7)] {
            assert_eq!(
                framing([side; 2], true)[0],
                Step::ResizeShorter { size: shorter, filter: Filter::Bilinear }
            );
        }
    }

    #[test]
    fn another_size_scales_every_step() {
        let form = named_preprocessing("imagenet", &network([3, 224, 224]), Colors::Rgb).unwrap();
        let larger = resized(&form, [448, 448]).unwrap();
        assert_eq!(larger.output_shape(), Some([3, 448, 448]));
        assert_eq!(larger.steps[0], Step::ResizeShorter { size: 512, filter: Filter::Bilinear });
        let open = Preprocessing { steps: vec![], ..form };
        let error = resized(&open, [8, 8]).unwrap_err();
        assert_eq!(error.to_string(), "the preprocessing does not produce images of one size; omit --size");
        assert!(error.is_input());
    }

    /// The values of black, middle gray and white, computed by hand.
    #[test]
    fn published_preprocessing_gives_exact_values() {
        for (name, expected) in [
            ("resnet18", [-2.117_904, 0.074_065, 2.248_908]),
            ("inception-v4", [-1.0, 0.003_922, 1.0]),
            ("googlenet-2014", [-123.0, 5.0, 132.0]),
            ("resnet50-v1", [-123.0, 5.0, 132.0]),
            ("vgg16-c", [-123.68, 4.32, 131.32]),
            ("efficientnet-lite0", [-127.0 / 128.0, 1.0 / 128.0, 1.0]),
        ] {
            let model = striate_models::find(name).unwrap();
            let form = model.preprocessing.fixed().unwrap();
            form.check().unwrap();
            for (gray, expected) in [0, 128, 255].into_iter().zip(expected) {
                let (shape, values) = network_input(&form, &Image::filled(400, 300, [gray; 3])).unwrap();
                let input = (model.build)().unwrap().input;
                assert_eq!(shape[..], input[..], "{name}");
                assert!((values[0] - expected).abs() < 1e-4, "{name}, {gray}: {} not {expected}", values[0]);
            }
        }
        assert!(striate_models::find("lenet5").unwrap().preprocessing.fixed().is_none());
    }
}
