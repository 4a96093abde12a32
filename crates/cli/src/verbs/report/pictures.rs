//! The images of a report, taken one at a time.

use anyhow::Result;
use striate_data::Prepared;
use striate_insight::page::Picture;
use striate_insight::report::{Evaluated, Example, Mistake, Strip};
use striate_insight::{GradCam, enlarged, overlay};
use striate_predict::Classifier;
use striate_train::ClassSamples;
use striate_vision::Preprocessing;

/// Longest side of an image, in pixels.
const SIDE: usize = 160;
/// Longest side of a sample.
const SAMPLE: usize = 96;

/// Draws images of the measured part.
pub struct Shown<'a> {
    data: &'a Prepared,
    form: &'a Preprocessing,
    evaluated: &'a Evaluated,
    evidence: Option<GradCam>,
}

impl<'a> Shown<'a> {
    /// Prepares drawing images of `data` and the evidence of `classifier` on them; if there is none, the reason is added
    /// to `notes`.
    pub fn new(
        classifier: &'a Classifier,
        data: &'a Prepared,
        form: &'a Preprocessing,
        evaluated: &'a Evaluated,
        notes: &mut Vec<String>,
    ) -> Shown<'a> {
        let evidence = GradCam::new(classifier, data.shape(), None);
        let evidence = evidence.inspect_err(|error| notes.push(format!("no Grad-CAM: {error}"))).ok();
        Shown { data, form, evaluated, evidence }
    }

    /// Draws mistakes with the evidence for their predictions.
    pub fn examples(&self, mistakes: &[Mistake]) -> Result<Vec<Example>> {
        mistakes.iter().map(|mistake| self.example(mistake)).collect()
    }

    fn example(&self, mistake: &Mistake) -> Result<Example> {
        let shape = self.data.shape();
        let mut values = vec![0.0; shape.iter().product()];
        self.data.write(mistake.index, &mut values)?;
        let image = self.form.shown(&values, shape)?;
        let name = |class: usize| self.evaluated.classes.get(class).cloned().unwrap_or_default();
        let (label, guess) = (name(mistake.label), name(mistake.guess));
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

/// Draws the samples of a class.
pub fn strip(samples: ClassSamples) -> Result<Strip> {
    let ClassSamples { class, count, images } = samples;
    let picture = |(number, image)| {
        Ok(Picture::new(image, SAMPLE, format!("Augmented sample {} of {class}", number + 1))?)
    };
    let pictures = images.iter().enumerate().map(picture).collect::<Result<_>>()?;
    Ok(Strip { class, count, pictures })
}
