//! The patches of a data set's images that excite the units of a layer most.
//!
//! As in Zeiler and Fergus, ECCV 2014, figure 2, without the deconvolution: for each unit, the images with the largest
//! activations anywhere in its map, cut to the receptive field of the element that is largest.

use striate_data::Prepared;
use striate_graph::{ReceptiveField, receptive_fields};
use striate_predict::Classifier;
use striate_tensor::preprocessing::Field;
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape, zeroed};
use striate_vision::Image;

use crate::layers::map_layer;
use crate::overlay::shown;

/// Patches for each unit, each from another image.
pub const PATCHES: usize = 9;
/// Units that are shown unless one is named.
pub const UNITS: usize = 16;
/// Images that run at once.
const BATCH: usize = 16;

/// A part of an image that excites a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// The number of the image in the data set.
    pub image: usize,
    /// The activation of the unit.
    pub activation: f32,
    /// Row and column of the activation in the unit's map.
    pub position: [usize; 2],
    /// The part of the image in the receptive field.
    pub picture: Image,
}

/// A unit of a layer and the patches that excite it most, strongest first.
#[derive(Debug, Clone, PartialEq)]
pub struct ExcitingPatches {
    /// The number of the unit: its channel.
    pub unit: usize,
    /// The patches.
    pub patches: Vec<Patch>,
}

/// The largest activation of a unit for an image: value, image, position in the map.
type Peak = (f32, usize, usize);

/// Searches the images of `data` for the patches that excite the units of the layer `name` of `classifier` most: those
/// of `unit`, or of the [`UNITS`] units with the largest activations. `progress` is called with the number of images
/// done.
///
/// # Errors
/// If no layer with maps has this name, it has no such unit, or the images do not fit the network.
pub fn exciting_patches(
    classifier: &Classifier,
    data: &Prepared,
    name: &str,
    unit: Option<usize>,
    progress: impl FnMut(usize),
) -> Result<Vec<ExcitingPatches>> {
    let [c, h, w] = data.shape();
    let graph = classifier.inference().network().graph_for(&Shape::from([1, c, h, w]))?;
    let layer = map_layer(&graph, name)?;
    let [units, _, columns] = layer.maps;
    if let Some(unit) = unit.filter(|unit| *unit >= units) {
        let count = counted(units, "unit");
        return Err(Error::input(format!(
            "layer {name} has {count}, numbered from 0; unit {unit} does not exist"
        )));
    }
    let peaks = peaks(classifier, data, name, layer.maps, progress)?;
    let mut order: Vec<usize> = (0..units).filter(|index| unit.is_none_or(|unit| unit == *index)).collect();
    // Stable, so that ties keep the order of the units.
    order.sort_by(|a, b| peaks[*b][0].0.total_cmp(&peaks[*a][0].0));
    order.truncate(UNITS);
    let value = graph.find(&layer.name).expect("the layer was found");
    let [rows, pixels] = [data.image_shape()[1], data.image_shape()[2]];
    let field = receptive_fields(&graph)[value.0];
    let field = match classifier.image_preprocessing().ok().and_then(|form| form.features.as_ref()) {
        Some(features) => field_in_pixels(&field, &features.field([rows, pixels])?),
        None => field,
    };
    let mut image = zeroed(data.image_shape().iter().product()).map_err(|e| e.at("an image"))?;
    let mut patch = |(activation, index, at): &Peak| -> Result<Patch> {
        data.write_pixels(*index, &mut image)?;
        let position = [at / columns, at % columns];
        let picture = cut(&shown(classifier, data.image_shape(), &image)?, &field, position);
        Ok(Patch { image: *index, activation: *activation, position, picture })
    };
    let mut found = Vec::with_capacity(order.len());
    for unit in order {
        let patches = peaks[unit].iter().map(&mut patch).collect::<Result<_>>()?;
        found.push(ExcitingPatches { unit, patches });
    }
    Ok(found)
}

/// For each unit, the largest activations over all images, largest first.
fn peaks(
    classifier: &Classifier,
    data: &Prepared,
    name: &str,
    [units, height, width]: [usize; 3],
    mut progress: impl FnMut(usize),
) -> Result<Vec<Vec<Peak>>> {
    let inference = classifier.inference().until(name)?;
    let [c, h, w] = data.shape();
    let size = c * h * w;
    let mut images = zeroed(BATCH.min(data.len()) * size).map_err(|e| e.at("images to search"))?;
    let mut peaks: Vec<Vec<Peak>> = vec![Vec::new(); units];
    for first in (0..data.len()).step_by(BATCH) {
        let count = BATCH.min(data.len() - first);
        let images = &mut images[..count * size];
        data.write_all(first, images)?;
        let (_, outputs) = inference.run(&Shape::from([count, c, h, w]), images)?;
        for (index, map) in outputs.chunks_exact(height * width).enumerate() {
            let (at, value) = largest(map);
            let best = &mut peaks[index % units];
            // Equal activations stay in the order of the images.
            let rank = best.partition_point(|(other, ..)| *other >= value);
            best.insert(rank, (value, first + index / units, at));
            best.truncate(PATCHES);
        }
        progress(first + count);
    }
    Ok(peaks)
}

/// A receptive field in hand-made features, in the pixels that these are computed from.
fn field_in_pixels(field: &ReceptiveField, features: &Field) -> ReceptiveField {
    let mut found = *field;
    for axis in 0..2 {
        let (step, extent) = (features.step[axis], features.extent[axis]);
        let own = field.extent[axis + 1].saturating_sub(1).saturating_mul(step);
        found.extent[axis + 1] = own.saturating_add(extent);
        found.step[axis + 1] = field.step[axis + 1].saturating_mul(step);
        let start = field.start[axis + 1].saturating_mul(step as i64);
        found.start[axis + 1] = start.saturating_add(features.start[axis]);
    }
    found
}

/// The first position of the largest number, and the number.
fn largest(map: &[f32]) -> (usize, f32) {
    let first = (0, map[0]);
    map.iter().copied().enumerate().fold(first, |best, (at, x)| if x > best.1 { (at, x) } else { best })
}

/// The part of `image` in the receptive field of the element at `position`; what lies outside is left out.
fn cut(image: &Image, field: &ReceptiveField, position: [usize; 2]) -> Image {
    let along = |axis: usize, length: usize| {
        let shift = (position[axis - 1] as u64).saturating_mul(field.step[axis]);
        let start = field.start[axis].saturating_add_unsigned(shift);
        let end = start.saturating_add_unsigned(field.extent[axis]).clamp(1, length as i64);
        let start = start.clamp(0, end - 1);
        (start as isize, (end - start) as usize)
    };
    let ((top, rows), (left, columns)) = (along(1, image.height()), along(2, image.width()));
    image.window(left, top, columns, rows, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_is_the_receptive_field_within_the_image() {
        let image = Image::new(6, 5, 1, (0..30).collect()).unwrap();
        let field = ReceptiveField { extent: [1, 3, 3], step: [1, 2, 2], start: [0, -1, -1] };
        assert_eq!(cut(&image, &field, [1, 1]).pixels(), [7, 8, 9, 13, 14, 15, 19, 20, 21]);
        assert_eq!(cut(&image, &field, [0, 0]).pixels(), [0, 1, 6, 7]);
        let whole = ReceptiveField { extent: [1, 99, 99], step: [1, 4, 4], start: [0, -50, -50] };
        assert_eq!(cut(&image, &whole, [0, 0]), image);
        let beyond = ReceptiveField { extent: [1, 1, 1], step: [1, 9, 9], start: [0, 0, 0] };
        assert_eq!(cut(&image, &beyond, [5, 5]).pixels(), [29]);
    }

    #[test]
    fn field_in_features_reaches_over_their_pixels() {
        let field = ReceptiveField { extent: [1, 3, 1], step: [1, 2, 1], start: [0, -1, 0] };
        let blocks = Field { start: [0, -8], extent: [8, 20], step: [4, 4] };
        let expected = ReceptiveField { extent: [1, 16, 20], step: [1, 8, 4], start: [0, -4, -8] };
        assert_eq!(field_in_pixels(&field, &blocks), expected);
    }
}
