//! Where crops of several views lie in an image.

use striate_vision::Image;

/// The four corners and the center of an image, in the order of torchvision's `five_crop`: upper left, upper right,
/// lower left, lower right, center. The image is not smaller than `side` × `side`.
pub(super) fn five(image: &Image, side: usize) -> [Image; 5] {
    let (right, bottom) = ((image.width() - side) as isize, (image.height() - side) as isize);
    let corner = |left, top| image.window(left, top, side, side, 0);
    [corner(0, 0), corner(right, 0), corner(0, bottom), corner(right, bottom), image.centered(side, side, 0)]
}

/// The first, central and last square of an image along its longer side, as large as its shorter side.
pub(super) fn squares(image: &Image) -> [Image; 3] {
    let side = image.width().min(image.height());
    let (right, bottom) = ((image.width() - side) as isize, (image.height() - side) as isize);
    [
        image.window(0, 0, side, side, 0),
        image.centered(side, side, 0),
        image.window(right, bottom, side, side, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Image {
        Image::new(width, height, 1, (0..width * height).map(|i| i as u8).collect()).unwrap()
    }

    #[test]
    fn crops_lie_at_the_corners_and_the_center() {
        let first = |crops: &[Image]| crops.iter().map(|crop| crop.pixels()[0]).collect::<Vec<_>>();
        assert_eq!(first(&five(&ramp(10, 6), 4)), [0, 6, 20, 26, 13]);
        assert_eq!(first(&squares(&ramp(10, 6))), [0, 2, 4]);
        assert_eq!(first(&squares(&ramp(4, 9))), [0, 8, 20]);
        assert!(squares(&ramp(5, 5)).iter().all(|square| *square == ramp(5, 5)));
    }
}
