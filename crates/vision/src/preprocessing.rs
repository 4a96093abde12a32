//! Applies preprocessing to images.

use std::borrow::Cow;

use striate_tensor::Result;
use striate_tensor::preprocessing::{Preprocessing, Step};

use crate::digit::{Frame, center_digit};
use crate::features::Extract;
use crate::resize::by_shorter_side;
use crate::{Image, resize};

/// Most pixels that resizing by the shorter side may yield; the longer side of a longer image is squeezed.
const MOST_PIXELS: usize = 1 << 26;

/// Returns `image` after all steps of `form`, still in bytes.
pub fn preprocess(form: &Preprocessing, image: &Image) -> Image {
    let start = match form.channels {
        channels if channels == image.channels() => Cow::Borrowed(image),
        1 => Cow::Owned(image.to_gray()),
        _ => Cow::Owned(image.to_rgb()),
    };
    form.steps.iter().fold(start, |image, step| Cow::Owned(apply(step, &image))).into_owned()
}

/// Returns `image` as the input of a network, `[C, H, W]`, with its shape: the features or the normalized pixels after
/// all steps. Call [`Preprocessing::check`] first.
///
/// # Errors
/// If the image does not have the size that the features need.
///
/// # Panics
/// If `check` refuses `form`.
pub fn network_input(form: &Preprocessing, image: &Image) -> Result<([usize; 3], Vec<f32>)> {
    let image = preprocess(form, image);
    match &form.features {
        Some(features) => features.features(&image),
        None => Ok(normalized(form, &image)),
    }
}

/// Returns the pixels of `image` after all steps of `form` as numbers `[C, H, W]`, with their shape: what features are
/// computed from, if there are any.
pub fn network_pixels(form: &Preprocessing, image: &Image) -> ([usize; 3], Vec<f32>) {
    normalized(form, &preprocess(form, image))
}

/// Returns the input of a network that `pixels` of this shape, as [`network_pixels`] gives them, lead to: their
/// features, if `form` has any.
///
/// # Errors
/// As [`input_image`] and [`network_input`].
pub fn input_of_pixels(
    form: &Preprocessing,
    shape: [usize; 3],
    pixels: &[f32],
) -> Result<([usize; 3], Vec<f32>)> {
    match &form.features {
        None => Ok((shape, pixels.to_vec())),
        Some(features) => features.features(&pixel_image(form, shape, pixels)?),
    }
}

fn normalized(form: &Preprocessing, image: &Image) -> ([usize; 3], Vec<f32>) {
    let mut values = Vec::with_capacity(image.pixels().len());
    for (channel, table) in form.tables().iter().enumerate() {
        let bytes = image.pixels().iter().skip(channel).step_by(form.channels);
        values.extend(bytes.map(|byte| table[usize::from(*byte)]));
    }
    ([form.channels, image.height(), image.width()], values)
}

/// Returns the image that `values`, `[C, H, W]`, were made from by `form`, after its steps, with red, green and blue in
/// this order: the inverse of [`network_pixels`].
///
/// # Errors
/// If an image cannot have this shape.
///
/// # Panics
/// If there are fewer values than the shape has, or `form` has fewer channels.
pub fn input_image(form: &Preprocessing, shape: [usize; 3], values: &[f32]) -> Result<Image> {
    Ok(in_color_order(form, pixel_image(form, shape, values)?))
}

/// As [`input_image`], with the colors in the order that `form` leads to.
fn pixel_image(form: &Preprocessing, [c, h, w]: [usize; 3], values: &[f32]) -> Result<Image> {
    let byte = |place: usize, channel: usize| {
        let value = values[channel * h * w + place] * form.std[channel] + form.mean[channel];
        // A number outside of the bytes becomes the nearest one.
        (value * 255.0).round() as u8
    };
    let pixels = (0..h * w).flat_map(|place| (0..c).map(move |channel| byte(place, channel)));
    Image::new(w, h, c, pixels.collect())
}

/// Returns `image`, whose colors are in the order that `form` leads to, with red, green and blue in this order.
pub fn in_color_order(form: &Preprocessing, image: Image) -> Image {
    let swaps = form.steps.iter().filter(|step| matches!(step, Step::SwapRedBlue)).count();
    if swaps % 2 == 0 { image } else { apply(&Step::SwapRedBlue, &image) }
}

fn apply(step: &Step, image: &Image) -> Image {
    let (w, h) = (image.width(), image.height());
    match *step {
        Step::Resize { height, width, filter } => resize(image, width, height, filter),
        Step::ResizeShorter { size, filter } => {
            let (w, h) = by_shorter_side(w, h, size, MOST_PIXELS);
            resize(image, w, h, filter)
        }
        Step::Fit { height, width, filter } => {
            let scale = (width as f64 / w as f64).min(height as f64 / h as f64);
            let side = |length: usize, most: usize| ((length as f64 * scale).round() as usize).clamp(1, most);
            resize(image, side(w, width), side(h, height), filter).centered(width, height, 0)
        }
        Step::CenterCrop { height, width } => image.centered(width, height, 0),
        Step::Pad { height, width, value } => image.centered(width, height, value),
        Step::Trim { above, .. } if w.max(h) <= above => image.clone(),
        Step::Trim { tolerance, .. } => trimmed(image, tolerance),
        Step::Digit { ink, height, width, center } => {
            let digit = center_digit(image, Frame { ink, width, height, center });
            if image.channels() == 3 { digit.to_rgb() } else { digit }
        }
        Step::DarkBackground => {
            let corners = [(0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1)];
            let gray = |(x, y): (usize, usize)| {
                let pixel = image.pixel(x, y);
                pixel.iter().map(|byte| usize::from(*byte)).sum::<usize>() / pixel.len()
            };
            let bright = corners.into_iter().filter(|corner| gray(*corner) > 127).count();
            if bright > 2 { image.inverted() } else { image.clone() }
        }
        Step::SwapRedBlue => {
            let mut swapped = image.clone();
            if swapped.channels() == 3 {
                swapped.pixels_mut().chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
            }
            swapped
        }
    }
}

/// Trims the edges that have the color of the upper left pixel; an image of one color is left unchanged.
fn trimmed(image: &Image, tolerance: u8) -> Image {
    let corner = image.pixel(0, 0);
    let differs =
        |x: usize, y: usize| image.pixel(x, y).iter().zip(corner).any(|(a, b)| a.abs_diff(*b) > tolerance);
    let (w, h) = (image.width(), image.height());
    let row = |y: &usize| (0..w).any(|x| differs(x, *y));
    let column = |x: &usize| (0..h).any(|y| differs(*x, y));
    let edges = ((0..h).find(row), (0..h).rev().find(row), (0..w).find(column), (0..w).rev().find(column));
    let (Some(top), Some(bottom), Some(left), Some(right)) = edges else { return image.clone() };
    image.window(left as isize, top as isize, right + 1 - left, bottom + 1 - top, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Center, Filter};

    fn form(steps: Vec<Step>) -> Preprocessing {
        Preprocessing { channels: 1, steps, mean: vec![0.5], std: vec![0.25], features: None }
    }

    fn all_steps() -> Vec<Step> {
        vec![
            Step::DarkBackground,
            Step::Trim { tolerance: 12, above: 28 },
            Step::ResizeShorter { size: 21, filter: Filter::Bilinear },
            Step::CenterCrop { height: 19, width: 20 },
            Step::Fit { height: 30, width: 20, filter: Filter::Nearest },
            Step::Resize { height: 9, width: 40, filter: Filter::Box },
            Step::Digit { ink: 20, height: 28, width: 28, center: Center::Box },
            Step::Pad { height: 32, width: 33, value: 3 },
            Step::SwapRedBlue,
        ]
    }

    #[test]
    fn json_round_trip_keeps_steps_and_output_shape_holds() {
        for count in 0..=all_steps().len() {
            let form = form(all_steps()[..count].to_vec());
            form.check().unwrap();
            let text = serde_json::to_string(&form).unwrap();
            assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), form);
            for image in [Image::filled(50, 35, [250, 240, 0]), Image::filled(1, 90, [9; 3])] {
                let (shape, values) = network_input(&form, &image).unwrap();
                assert_eq!(values.len(), shape.iter().product::<usize>());
                assert!(form.output_shape().is_none_or(|expected| expected == shape), "{text}");
            }
            assert_eq!(form.output_shape().is_some(), count >= 4);
        }
    }

    #[test]
    fn bytes_are_normalized_per_channel() {
        let form = Preprocessing {
            channels: 3,
            steps: vec![],
            mean: vec![0.0, 0.5, 1.0],
            std: vec![1.0; 3],
            features: None,
        };
        let image = Image::new(2, 1, 3, vec![255, 255, 255, 51, 0, 0]).unwrap();
        assert_eq!(network_input(&form, &image).unwrap(), ([3, 1, 2], vec![1.0, 0.2, 0.5, -0.5, 0.0, -1.0]));
        assert_eq!(network_input(&form, &image.to_gray()).unwrap().0, [3, 1, 2]);
    }

    #[test]
    fn mean_and_std_follow_the_swapped_channels() {
        let mean = [103.939f32, 116.779, 123.68].map(|mean| mean / 255.0).to_vec();
        let form = Preprocessing {
            channels: 3,
            steps: vec![Step::SwapRedBlue],
            mean,
            std: vec![1.0 / 255.0; 3],
            features: None,
        };
        form.check().unwrap();
        let (_, values) = network_input(&form, &Image::new(1, 1, 3, vec![200, 100, 50]).unwrap()).unwrap();
        for (value, expected) in values.iter().zip([50.0 - 103.939, 100.0 - 116.779, 200.0 - 123.68]) {
            assert!((value - expected).abs() < 1e-4, "{value} instead of {expected}");
        }
        assert_eq!(input_image(&form, [3, 1, 1], &values).unwrap().pixels(), [200, 100, 50]);
        let far = input_image(&form, [3, 1, 1], &[-1e9, f32::NAN, 1e9]).unwrap();
        assert_eq!(far.pixels(), [255, 0, 0]);
    }

    #[test]
    fn resizing_by_shorter_side_matches_torchvision() {
        let step = Step::ResizeShorter { size: 256, filter: Filter::Bilinear };
        for ((w, h), expected) in [((500, 375), (341, 256)), ((375, 500), (256, 341)), ((90, 90), (256, 256))]
        {
            let image = preprocess(&form(vec![step.clone()]), &Image::filled(w, h, [1; 3]));
            assert_eq!((image.width(), image.height()), expected);
        }
        let long = preprocess(&form(vec![step]), &Image::filled(1, 60_000, [1; 3]));
        assert!(long.width() == 256 && long.height() <= MOST_PIXELS / 256);
    }

    #[test]
    fn image_is_trimmed_and_fitted() {
        let mut image = Image::filled(60, 40, [255; 3]).to_gray();
        for y in 10..20 {
            image.pixels_mut()[y * 60 + 5..y * 60 + 45].fill(0);
        }
        let steps = vec![
            Step::DarkBackground,
            Step::Trim { tolerance: 12, above: 28 },
            Step::Fit { height: 28, width: 28, filter: Filter::Bilinear },
        ];
        let image = preprocess(&form(steps), &image);
        let bright = |y: usize| image.pixels()[y * 28..][..28].iter().all(|x| *x == 255);
        assert_eq!((0..28).filter(|y| bright(*y)).collect::<Vec<_>>(), (10..17).collect::<Vec<_>>());
    }

    #[test]
    fn unknown_fields_are_refused() {
        let unknown = r#"{"channels":1,"steps":[{"step":"digit","ink":1,"height":1,"width":1,"x":1}],"mean":[0],"std":[1]}"#;
        assert!(serde_json::from_str::<Preprocessing>(unknown).is_err());
    }

    /// Model files of early versions have the British spelling, and the digits of numbers as `f64`.
    #[test]
    fn former_spelling_is_read() {
        let text = r#"{"channels":1,"steps":[{"step":"centre_crop","height":3,"width":4},{"step":"digit","ink":1,"height":3,"width":4,"centre":"mass"}],"mean":[0.30979999899864197],"std":[1]}"#;
        let form: Preprocessing = serde_json::from_str(text).unwrap();
        assert_eq!(form.steps[0], Step::CenterCrop { height: 3, width: 4 });
        assert_eq!(form.steps[1], Step::Digit { ink: 1, height: 3, width: 4, center: Center::Mass });
        assert_eq!(form.mean, [0.3098]);
        let text = serde_json::to_string(&form).unwrap();
        assert!(text.contains(r#""center":"mass""#) && text.contains(r#""mean":[0.3098]"#), "{text}");
    }
}
