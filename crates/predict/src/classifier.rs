//! A trained model in use.

use striate_engine::{Cpu, Inference};
use striate_formats::{Golden, ModelFile};
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Image, Preprocessing};

use crate::pictures::read_preprocessing;
use crate::tally::softmax;

/// A class with its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The class's name.
    pub class: String,
    /// Its index.
    pub index: usize,
    /// Its probability.
    pub score: f32,
}

/// A trained model, ready for images.
///
/// ```no_run
/// # fn main() -> Result<(), striate_tensor::Error> {
/// use striate_engine::Cpu;
/// use striate_predict::Classifier;
///
/// let model = striate_formats::ModelFile::load("model.safetensors".as_ref())?;
/// let classifier = Classifier::new(model, Cpu::new(0)?)?;
/// let image = striate_vision::decode(&std::fs::read("seven.png").unwrap())?;
/// println!("{:?}", classifier.guesses(&image, 3)?);
/// # Ok(())
/// # }
/// ```
pub struct Classifier {
    inference: Inference,
    classes: Vec<String>,
    preprocessing: Option<Preprocessing>,
    predict: Option<Preprocessing>,
    golden: Option<Golden>,
}

impl Classifier {
    /// The model of a file on a processor.
    ///
    /// # Errors
    /// If the file's preprocessing is faulty, or makes inputs that the network does not take.
    pub fn new(model: ModelFile, cpu: Cpu) -> Result<Classifier> {
        Ok(Classifier {
            preprocessing: read_preprocessing(&model.preprocessing, &model.network)?,
            predict: read_preprocessing(&model.predict, &model.network)?,
            classes: model.classes,
            golden: model.golden,
            inference: Inference::new(model.network, &model.weights, cpu)?,
        })
    }

    /// The class names.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The network with its weights.
    pub fn inference(&self) -> &Inference {
        &self.inference
    }

    /// How an image of the data set becomes the input; `None` if it is used as it is.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.preprocessing.as_ref()
    }

    /// The `top` best guesses for a picture, best first.
    ///
    /// # Errors
    /// If the model takes no images, or does not say how pictures become its input.
    pub fn guesses(&self, image: &Image, top: usize) -> Result<Vec<Guess>> {
        self.inference.network().image()?;
        let form = self.predict.as_ref().or(self.preprocessing.as_ref()).ok_or_else(|| {
            let what = "this model does not say how pictures become its input; give it arrays with `striate run`, \
                        or make it anew with `striate convert --preprocessing`";
            Error::input(what)
        })?;
        let ([c, h, w], input) = form.apply(image);
        let (_, scores) = self.inference.run(&Shape::from([1, c, h, w]), &input)?;
        Ok(self.rank(&scores, top))
    }

    /// The classes of one image by their scores, best first.
    fn rank(&self, scores: &[f32], top: usize) -> Vec<Guess> {
        let are_probabilities = self.inference.network().ends_in_softmax();
        let probabilities = if are_probabilities { scores.to_vec() } else { softmax(scores) };
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
        let guess =
            |index: usize| Guess { class: self.classes[index].clone(), index, score: probabilities[index] };
        order.into_iter().take(top).map(guess).collect()
    }

    /// The largest difference between the stored output of the golden input and what comes out now,
    /// relative to the largest output; `None` if the file has no golden pair.
    ///
    /// # Errors
    /// If the golden input does not fit the network.
    pub fn golden_difference(&self) -> Result<Option<f32>> {
        let Some(golden) = &self.golden else { return Ok(None) };
        let (shape, output) = self.inference.run(&golden.input.0, &golden.input.1)?;
        if shape != golden.output.0 {
            return Err(Error::input(format!(
                "the golden output is {}, but {shape} comes out",
                golden.output.0
            )));
        }
        let largest = golden.output.1.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let pairs = output.iter().zip(&golden.output.1);
        Ok(Some(pairs.map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)))
    }
}
