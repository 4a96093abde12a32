//! Pictures of a run: the kernels of the first layer, and training images as they are augmented.

use striate_data::Augmented;
use striate_engine::Variables;
use striate_graph::{INPUT, Network, Op};
use striate_tensor::Result;
use striate_vision::{Filter, Image, Preprocessing, draw, input_image, resize};

/// Largest number of kernels in a picture.
const KERNELS: usize = 256;
/// The side of a kernel, about, in pixels.
const KERNEL_SIDE: usize = 24;
/// Number of training images in a picture.
const SAMPLES: usize = 25;
/// Largest side of a training image in a picture.
const SAMPLE_SIDE: usize = 128;
/// Pixels between images.
const GAP: usize = 2;

/// The kernels of the first convolution that reads the input: in color if that has three channels, else one for each
/// pair of channels. Zero is gray; black and white are as far from it as the largest weight. `None` if the network has
/// no such layer.
pub(super) fn kernels(network: &Network, weights: &Variables) -> Option<Result<Image>> {
    let is_first =
        |op: &Op, inputs: &[String]| matches!(op, Op::Conv(_)) && inputs.iter().any(|input| input == INPUT);
    let layer = network.layers.iter().find(|layer| is_first(&layer.op, &layer.inputs))?;
    let (shape, values) = weights.get(&format!("{}.weight", layer.name))?;
    let [outputs, channels, height, width] = shape[..] else { return None };
    let largest = draw::largest_weight(values);
    let (count, depth) = if channels == 3 { (outputs, 3) } else { (outputs * channels, 1) };
    let area = height * width;
    let scale = (KERNEL_SIDE / height.max(width)).max(1);
    let kernel = |index: usize| {
        let own = &values[index * depth * area..][..depth * area];
        let image = draw::kernel(own, [depth, height, width], largest);
        resize(&image, width * scale, height * scale, Filter::Nearest)
    };
    Some(tiled(&(0..count.min(KERNELS)).map(kernel).collect::<Vec<_>>()))
}

/// The first training images as they are in `epoch`. `form` is their preprocessing.
pub(super) fn samples(train: &Augmented, form: &Preprocessing, epoch: u64) -> Result<Image> {
    let [c, h, w] = train.data().image_shape();
    let (mut original, mut values) = (Vec::new(), vec![0.0; c * h * w]);
    let longest = h.max(w);
    let side = |length: usize| match longest > SAMPLE_SIDE {
        true => (length * SAMPLE_SIDE / longest).max(1),
        false => length,
    };
    let images = (0..SAMPLES.min(train.data().len())).map(|index| {
        train.write_pixels(epoch, index, &mut original, &mut values)?;
        let image = input_image(form, [c, h, w], &values)?;
        Ok(resize(&image, side(w), side(h), Filter::Bilinear))
    });
    tiled(&images.collect::<Result<Vec<_>>>()?)
}

/// Images of one size in rows, about as many as columns, on white.
fn tiled(images: &[Image]) -> Result<Image> {
    let (w, h, depth) = images.first().map_or((1, 1, 1), |one| (one.width(), one.height(), one.channels()));
    let columns = (1..).find(|columns| columns * columns >= images.len()).unwrap_or(1).max(1);
    let rows = images.len().div_ceil(columns).max(1);
    let (width, height) = (columns * (w + GAP) + GAP, rows * (h + GAP) + GAP);
    let mut pixels = vec![255; width * height * depth];
    for (index, image) in images.iter().enumerate() {
        let (left, top) = (GAP + index % columns * (w + GAP), GAP + index / columns * (h + GAP));
        for (row, line) in image.pixels().chunks_exact(w * depth).enumerate() {
            pixels[((top + row) * width + left) * depth..][..w * depth].copy_from_slice(line);
        }
    }
    Image::new(width, height, depth, pixels)
}

#[cfg(test)]
mod tests {
    use striate_graph::Builder;
    use striate_tensor::Shape;

    use super::*;

    #[test]
    fn kernels_are_drawn_in_rows() {
        let net = Builder::new("net", [3, 8, 8]);
        let network = net.input().conv(5, 4).named("first").flatten().linear(2).finish().unwrap();
        let values = (0..5 * 3 * 16).map(|i| if i == 0 { -2.0 } else { 0.0 }).collect();
        let weights = Variables::from([("first.weight".to_owned(), (Shape::from([5, 3, 4, 4]), values))]);
        let picture = kernels(&network, &weights).unwrap().unwrap();
        // Three columns and two rows of 24×24 pixels.
        assert_eq!((picture.width(), picture.height(), picture.channels()), (80, 54, 3));
        assert_eq!(picture.pixel(2, 2), [0, 128, 128]);
        assert_eq!(picture.pixel(8, 2), [128; 3]);
        assert_eq!(picture.pixel(79, 53), [255; 3]);
    }

    #[test]
    fn network_without_convolution_has_no_kernels() {
        let net = Builder::new("net", [3, 8, 8]);
        let network = net.input().flatten().linear(2).finish().unwrap();
        assert!(kernels(&network, &Variables::new()).is_none());
    }
}
