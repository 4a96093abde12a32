//! Pictures of heat maps: alone, and blended over the image as the network saw it.

use striate_predict::Classifier;
use striate_tensor::{Error, Result};
use striate_vision::{Filter, Image, Preprocessing, in_color_order, input_image, preprocess, resize};

use crate::colors::viridis;
use crate::heat::Heat;

/// Opacity of the hottest color over the image.
const OPACITY: f32 = 0.75;
/// Opacity of the coldest color.
const LEAST: f32 = 0.25;

/// Returns the image as the network sees it: after all steps of `form`, but with red, green and blue in this order.
pub fn seen(form: &Preprocessing, image: &Image) -> Image {
    in_color_order(form, preprocess(form, image))
}

/// Returns an input of the network, `[C, H, W]`, as an image: normalized values are stretched from their smallest to
/// their largest. For inputs that are not made from images.
///
/// # Errors
/// If it does not have 1 or 3 channels.
pub fn stretched([c, h, w]: [usize; 3], input: &[f32]) -> Result<Image> {
    let finite = || input.iter().copied().filter(|x| x.is_finite());
    let low = finite().reduce(f32::min).unwrap_or(0.0);
    let high = finite().reduce(f32::max).unwrap_or(0.0);
    let byte = |x: f32| match high > low && x.is_finite() {
        true => ((x - low) / (high - low) * 255.0).round() as u8,
        false => 0,
    };
    if !matches!(c, 1 | 3) || input.len() != c * h * w {
        return Err(Error::input(format!(
            "an input of {c}x{h}x{w} is not an image; it needs 1 or 3 channels"
        )));
    }
    let pixels = (0..h * w).flat_map(|at| (0..c).map(move |channel| input[channel * h * w + at]));
    Image::new(w, h, c, pixels.map(byte).collect())
}

/// Returns an input of the network of `classifier`, `[C, H, W]`, or the pixels that lead to its features, as the image
/// it was made from, or [`stretched`] if the model does not state how inputs are made from images.
///
/// # Errors
/// As [`stretched`].
pub fn shown(classifier: &Classifier, shape: [usize; 3], pixels: &[f32]) -> Result<Image> {
    match classifier.image_preprocessing().ok().filter(|form| form.channels == shape[0]) {
        Some(form) => input_image(form, shape, pixels),
        None => stretched(shape, pixels),
    }
}

/// Colors a heat map, scaled so that its largest number is yellow and 0 or less is dark violet.
pub fn colored(heat: &Heat) -> Image {
    let pixels = heat.normalized().values.iter().flat_map(|value| viridis(*value)).collect();
    Image::new(heat.width, heat.height, 3, pixels).expect("a map has at least one value")
}

/// Blends a heat map over a gray copy of `image`: interpolated to its size, scaled to its largest number, and more
/// opaque where it is hotter.
pub fn overlay(image: &Image, heat: &Heat) -> Image {
    let heat = heat.resized(image.height(), image.width()).normalized();
    let mut picture = image.to_gray().to_rgb();
    for (pixel, value) in picture.pixels_mut().chunks_exact_mut(3).zip(&heat.values) {
        let share = LEAST + (OPACITY - LEAST) * value;
        for (byte, color) in pixel.iter_mut().zip(viridis(*value)) {
            *byte = (f32::from(*byte) * (1.0 - share) + f32::from(color) * share).round() as u8;
        }
    }
    picture
}

/// Enlarges an image by the integer factor that brings its longer side closest to `side` from below; a larger image
/// stays as it is.
pub fn enlarged(image: &Image, side: usize) -> Image {
    let times = (side / image.width().max(image.height())).max(1);
    resize(image, image.width() * times, image.height() * times, Filter::Nearest)
}

/// The gray of an occluding square, byte 128, as a value of the network's input for each of its channels. For inputs
/// that are not made from images, 0.
pub fn gray(classifier: &Classifier, channels: usize) -> Vec<f32> {
    match classifier.image_preprocessing() {
        Ok(form) => (0..channels).map(|channel| form.value(channel, 128)).collect(),
        Err(_) => vec![0.0; channels],
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::Step;

    use super::*;

    #[test]
    fn hottest_place_is_most_colored() {
        let image = Image::filled(8, 8, [100; 3]);
        let heat = Heat { height: 2, width: 2, values: vec![0.0, 0.0, 0.0, 3.0] };
        let picture = overlay(&image, &heat);
        let spread = |pixel: &[u8]| pixel.iter().max().unwrap() - pixel.iter().min().unwrap();
        assert!(spread(picture.pixel(7, 7)) > 3 * spread(picture.pixel(0, 0)));
        assert_eq!(colored(&heat).pixel(1, 1), viridis(1.0));
    }

    #[test]
    fn swapped_colors_are_shown_in_order() {
        let form = Preprocessing {
            channels: 3,
            steps: vec![Step::SwapRedBlue],
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
            features: None,
        };
        let image = Image::filled(2, 1, [10, 20, 30]);
        assert_eq!(seen(&form, &image), image);
    }

    #[test]
    fn inputs_that_are_not_images_are_stretched() {
        let image = stretched([1, 1, 3], &[-1.0, 0.0, 1.0]).unwrap();
        assert_eq!(image.pixels(), [0, 128, 255]);
        assert_eq!(stretched([1, 1, 2], &[f32::NAN, 5.0]).unwrap().pixels(), [0, 0]);
        assert!(stretched([2, 1, 1], &[0.0; 2]).unwrap_err().is_input());
        assert_eq!(enlarged(&image, 10).width(), 9);
    }
}
