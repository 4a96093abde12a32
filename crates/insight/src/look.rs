//! Everything that can be shown about what a model sees in an image, and the pictures of it.

use striate_predict::Classifier;
use striate_tensor::Result;
use striate_tensor::text::counted;
use striate_vision::{Image, Tile, input_of_pixels, network_pixels, tiles};

use crate::features::FeatureMaps;
use crate::grad_cam::{GradCam, one};
use crate::heat::Heat;
use crate::kernels::FirstKernels;
use crate::layers::{MapLayer, representative_layers};
use crate::occlusion::{Occluded, Occlusion};
use crate::overlay::{colored, enlarged, gray, overlay, seen};
use crate::saliency::Saliency;

/// Longer side of a picture of the input, at most, if the input is smaller.
const SIDE: usize = 480;
/// Maps or kernels in a picture, at most.
const MOST_TILES: usize = FirstKernels::MOST;
/// Side of a map or kernel in a picture.
const CELL: usize = 64;
/// Columns of maps and kernels.
const COLUMNS: usize = 10;

/// What a model sees in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The image as the network sees it.
    pub seen: Image,
    /// Channels, height and width of the network's input.
    pub input: [usize; 3],
    /// The class that is explained.
    pub class: usize,
    /// The layer whose scores are differentiated: the one before a final softmax or sigmoid.
    pub scores: String,
    /// The layer of Grad-CAM and its heat map; `None` if no convolution of the network has maps.
    pub grad_cam: Option<(MapLayer, Heat)>,
    /// Whether the input consists of hand-made features of the image.
    pub is_hand_made: bool,
    /// The saliency map.
    pub saliency: Heat,
    /// The square that covered parts of the image.
    pub square: Occlusion,
    /// What covering them changed.
    pub occluded: Occluded,
    /// Feature maps of the layer asked for, or of a few layers.
    pub features: Vec<FeatureMaps>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// A short name of lowercase letters, digits and hyphens: a file name without its extension.
    pub name: String,
    /// What it shows, in a line.
    pub what: String,
    /// The picture.
    pub image: Image,
}

impl Look {
    /// Explains the score of `class` that `classifier` gives `image`, at `layer` or at the layers chosen by
    /// [`GradCam::new`] and [`representative_layers`]. `progress` is called with the number of covered images done, and
    /// that of all.
    ///
    /// # Errors
    /// If no layer with maps has this name, the scores do not depend on it, the class does not exist, or the model does
    /// not classify images.
    pub fn new(
        classifier: &Classifier,
        image: &Image,
        class: usize,
        layer: Option<&str>,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Look> {
        let form = classifier.image_preprocessing()?;
        let (pixel_shape, pixels) = network_pixels(form, image);
        let (input, values) = input_of_pixels(form, pixel_shape, &pixels)?;
        let graph = classifier.inference().network().graph_for(&one(input))?;
        let explained = match layer {
            Some(name) => Some(GradCam::new(classifier, input, Some(name))?),
            None => GradCam::new(classifier, input, None).ok(),
        };
        let heat = |cam: GradCam| Ok((cam.layer().clone(), cam.map(&values, class)?));
        let grad_cam = explained.map(heat).transpose()?;
        let saliency = Saliency::new(classifier, input)?;
        let square = Occlusion::new(pixel_shape, gray(classifier, pixel_shape[0]));
        let all = square.grid(pixel_shape)?.iter().product();
        let occluded = square.map(classifier, pixel_shape, &pixels, class, |done| progress(done, all))?;
        let shown = match &grad_cam {
            Some((chosen, _)) if layer.is_some() => vec![chosen.clone()],
            _ => representative_layers(&graph),
        };
        let of_layer = |layer: &MapLayer| FeatureMaps::of(classifier, input, &values, &layer.name);
        let hand_made = form.features.as_ref().filter(|_| layer.is_none());
        let hand_made = hand_made.map(|_| Ok(FeatureMaps::hand_made(input, &values)));
        Ok(Look {
            seen: seen(form, image),
            input,
            class,
            scores: saliency.scores().to_owned(),
            grad_cam,
            saliency: saliency.map(&values, class)?,
            square,
            occluded,
            is_hand_made: form.features.is_some(),
            features: hand_made.into_iter().chain(shown.iter().map(of_layer)).collect::<Result<_>>()?,
        })
    }

    /// Draws what was found; `title` stands above the overview.
    pub fn pictures(&self, title: &str) -> Vec<Picture> {
        let mut pictures: Vec<Picture> = Vec::new();
        let mut add = |name: &str, what: String, image: Image| {
            pictures.push(Picture { name: name.into(), what, image: enlarged(&image, SIDE) });
        };
        add("seen", "the image as the network sees it".into(), self.seen.clone());
        if let Some((layer, heat)) = &self.grad_cam {
            add("grad-cam", format!("Grad-CAM at {}", described(layer)), overlay(&self.seen, heat));
        }
        let place = if self.is_hand_made { "place of the features" } else { "pixel" };
        let saliency = format!("saliency: largest absolute gradient of each {place}'s channels");
        add("saliency", saliency, colored(&self.saliency));
        let Occlusion { side, stride, .. } = &self.square;
        let what = format!(
            "occlusion: drop of the probability under a gray square of {side} pixels, every {stride}"
        );
        add("occlusion", what, overlay(&self.seen, &self.occluded.pixels));
        let sides = pictures.clone();
        let overview = Picture {
            name: "overview".into(),
            what: "these side by side".into(),
            image: side_by_side(title, &sides),
        };
        pictures.push(overview);
        pictures.extend(self.features.iter().enumerate().map(|(index, maps)| features(index, maps)));
        pictures
    }
}

impl FirstKernels {
    /// Draws the images side by side.
    pub fn picture(&self) -> Picture {
        let details = "each scaled to its own largest weight; middle gray is zero";
        let what = format!("{} of {}, {details}", shown(self.count, self.what), self.layer);
        let title = format!("{}s of {}", self.what, self.layer);
        Picture { name: "kernels".into(), what, image: grid(&title, details, self.images.clone()) }
    }
}

/// The feature maps of a layer side by side; `index` numbers the pictures.
fn features(index: usize, maps: &FeatureMaps) -> Picture {
    let details = "each scaled from its own smallest to its own largest value";
    let MapLayer { name, maps: [channels, height, width] } = &maps.layer;
    let what = format!("{} of {name}, {height}x{width}, {details}", shown(*channels, "map"));
    let image = grid(&format!("maps of {name}"), details, maps.pictures(MOST_TILES));
    Picture { name: format!("features-{}", index + 1), what, image }
}

/// The number of images of which a picture shows the first.
fn shown(count: usize, what: &str) -> String {
    match count > MOST_TILES {
        true => format!("the first {MOST_TILES} of {}", counted(count, what)),
        false => counted(count, what),
    }
}

fn described(layer: &MapLayer) -> String {
    let [channels, height, width] = layer.maps;
    format!("{} ({} of {height}x{width})", layer.name, counted(channels, "map"))
}

fn grid(title: &str, details: &str, images: Vec<Image>) -> Image {
    let tile = |image| Tile { image, caption: String::new() };
    let all: Vec<Tile> = images.into_iter().take(MOST_TILES).map(tile).collect();
    tiles(title, details, &all, COLUMNS, CELL)
}

fn side_by_side(title: &str, pictures: &[Picture]) -> Image {
    let tile = |picture: &Picture| Tile { image: picture.image.clone(), caption: picture.name.clone() };
    let all: Vec<Tile> = pictures.iter().map(tile).collect();
    tiles(title, "heat maps: yellow is the most", &all, all.len().max(1), SIDE / 2)
}
