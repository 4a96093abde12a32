//! The images of a report, taken one at a time.

use anyhow::Result;
use striate_data::Prepared;
use striate_formats::ModelFile;
use striate_insight::page::Picture;
use striate_insight::report::{Evaluated, Example, Mistake, Strip};
use striate_insight::{
    FeatureMaps, FirstKernels, GradCam, MapLayer, enlarged, overlay, representative_layers, shown,
};
use striate_predict::Classifier;
use striate_tensor::Shape;
use striate_tensor::text::counted;
use striate_train::{ClassSamples, Sample};
use striate_vision::Image;

/// Longest side of an image, in pixels.
const SIDE: usize = 160;
/// Longest side of a sample.
const SAMPLE: usize = 96;
/// Kernels and maps that are shown.
const TILES: usize = 64;
/// Columns of kernels and maps.
const COLUMNS: usize = 12;
/// Longest side of a kernel or map.
const TILE: usize = 72;

/// Draws images of the measured part.
pub struct Shown<'a> {
    classifier: &'a Classifier,
    data: &'a Prepared,
    evaluated: &'a Evaluated,
    evidence: Option<GradCam>,
}

impl<'a> Shown<'a> {
    /// Prepares drawing images of `data` and the evidence of `classifier` on them; if there is none, the reason is
    /// added to `notes`.
    pub fn new(
        classifier: &'a Classifier,
        data: &'a Prepared,
        evaluated: &'a Evaluated,
        notes: &mut Vec<String>,
    ) -> Shown<'a> {
        let evidence = GradCam::new(classifier, data.shape(), None);
        let evidence = evidence.inspect_err(|error| notes.push(format!("no Grad-CAM: {error}"))).ok();
        Shown { classifier, data, evaluated, evidence }
    }

    /// Draws image number `index` as the network sees it, before features.
    fn image(&self, index: usize) -> Result<Image> {
        let mut pixels = vec![0.0; self.data.image_shape().iter().product()];
        self.data.write_pixels(index, &mut pixels)?;
        Ok(shown(self.classifier, self.data.image_shape(), &pixels)?)
    }

    /// Image number `index` as the network takes it.
    fn input(&self, index: usize) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.data.shape().iter().product()];
        self.data.write(index, &mut values)?;
        Ok(values)
    }

    fn class(&self, index: usize) -> String {
        self.evaluated.classes.get(index).cloned().unwrap_or_default()
    }

    /// Draws what some layers make of the first image, under the image itself.
    pub fn features(&self) -> Result<Vec<(String, Picture)>> {
        let [c, h, w] = self.data.shape();
        let input = self.input(0)?;
        let class = self.class(self.data.labels()[0] as usize);
        let image = self.image(0)?;
        let what = format!("image 0 of the part {}, {class}", self.evaluated.part);
        let mut features = vec![(what.clone(), Picture::new(&image, SIDE, format!("The example: {what}"))?)];
        let graph = self.classifier.inference().network().graph_for(&Shape::from([1, c, h, w]))?;
        let form = self.classifier.image_preprocessing().ok();
        let hand_made = form.and_then(|form| form.features.as_ref());
        let hand_made = hand_made.map(|_| Ok(FeatureMaps::hand_made([c, h, w], &input)));
        let layers = representative_layers(&graph);
        let of_layer = |layer: &MapLayer| FeatureMaps::of(self.classifier, [c, h, w], &input, &layer.name);
        for maps in hand_made.into_iter().chain(layers.iter().map(of_layer)) {
            let maps = maps?;
            let [count, height, width] = maps.layer.maps;
            let what = format!("{}: {}, {height}×{width}", maps.layer.name, of(count, "map"));
            let picture = Picture::mosaic(&maps.pictures(TILES), COLUMNS, TILE, format!("Output of {what}"))?;
            features.push((what, picture));
        }
        Ok(features)
    }

    /// Draws mistakes with the evidence for their predictions.
    pub fn examples(&self, mistakes: &[Mistake]) -> Result<Vec<Example>> {
        mistakes.iter().map(|mistake| self.example(mistake)).collect()
    }

    fn example(&self, mistake: &Mistake) -> Result<Example> {
        let values = self.input(mistake.index)?;
        let image = self.image(mistake.index)?;
        let (label, guess) = (self.class(mistake.label), self.class(mistake.guess));
        let heat = self.evidence.as_ref().map(|evidence| evidence.map(&values, mistake.guess)).transpose()?;
        let alt = format!("An image of {label}");
        let alt_of_heat = format!("Evidence for {guess} in it");
        let evidence = heat
            .map(|heat| Picture::new(&overlay(&enlarged(&image, SIDE), &heat), SIDE, alt_of_heat))
            .transpose()?;
        let confidence = self.evaluated.tally.bins().map(|_| mistake.confidence);
        let place = format!("image {} of the part {}", mistake.index, self.evaluated.part);
        Ok(Example { picture: Picture::new(&image, SIDE, alt)?, evidence, label, guess, confidence, place })
    }
}

/// `64 of 256 maps`
fn of(count: usize, what: &str) -> String {
    let all = counted(count, what);
    if count > TILES { format!("{TILES} of {all}") } else { all }
}

/// Returns the weights of the first layer of `model`, if they are those of images.
pub fn first_kernels(model: &ModelFile) -> Option<FirstKernels> {
    FirstKernels::of(&model.network, &model.weights, model.image_preprocessing())
}

/// Draws the weights of the first layer.
pub fn kernels(kernels: &FirstKernels) -> Result<(String, Picture)> {
    let images = &kernels.images;
    let what = format!("{}: {}", kernels.layer, of(kernels.count, kernels.what));
    let drawn = &images[..images.len().min(TILES)];
    let picture = Picture::mosaic(drawn, COLUMNS, TILE, format!("Weights of {what}"))?;
    Ok((what, picture))
}

/// Draws the samples of a class.
pub fn strip(samples: ClassSamples) -> Result<Strip> {
    let ClassSamples { class, count, samples } = samples;
    let picture = |(number, sample): (usize, &Sample)| {
        Ok(Picture::new(&sample.image, SAMPLE, format!("Augmented sample {} of {class}", number + 1))?)
    };
    let pictures = samples.iter().enumerate().map(picture).collect::<Result<_>>()?;
    let mixtures = samples.into_iter().map(|sample| sample.mixture).collect();
    Ok(Strip { class, count, pictures, mixtures })
}
