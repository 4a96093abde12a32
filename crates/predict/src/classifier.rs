//! A trained model in use.

use std::sync::Arc;

use striate_engine::{Device, FixedWeights, Inference, ReadAgain};
use striate_formats::{Golden, ModelFile};
use striate_sound::Sound;
use striate_tensor::encoding::Encoding;
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Image, Preprocessing, network_input};

use crate::heads::Head;
use crate::open::unknown_preprocessing;
use crate::preprocessing::check_preprocessing;

/// A class with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The name of the class.
    pub class: String,
    /// The index of the class.
    pub index: usize,
    /// The probability of the class; over all classes they sum to 1 unless the scores are independent.
    pub score: f32,
}

/// A trained model, ready for images, sounds or texts.
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
    /// The meaning of the outputs, or why they are not class scores.
    head: Result<Head>,
    classes: Vec<String>,
    preprocessing: Option<Preprocessing>,
    predict: Option<Preprocessing>,
    /// Encodes what the model takes, if that is not images.
    encoder: Option<Encoder>,
    encoding: Option<Encoding>,
    golden: Option<Golden>,
}

/// Encodes samples that are not images.
enum Encoder {
    Sound(striate_sound::Encoder),
    Text(striate_text::Encoder),
}

impl Encoder {
    fn new(encoding: &Encoding) -> Result<Encoder> {
        Ok(match encoding {
            Encoding::Sound(sound) => Encoder::Sound(striate_sound::Encoder::new(sound.clone())?),
            Encoding::Text(text) => Encoder::Text(striate_text::Encoder::new(text.clone())?),
        })
    }
}

impl Classifier {
    /// Compiles the network of `model` for a processor.
    ///
    /// # Errors
    /// If the network or the preprocessing is invalid, or they do not match.
    pub fn new(model: ModelFile, device: impl Into<Arc<dyn Device>>) -> Result<Classifier> {
        Classifier::with_source(model, None, device)
    }

    /// Like [`Classifier::new`], for weights that can be read `again` (see [`crate::read_again`]): those that no
    /// program needs any more are released.
    ///
    /// # Errors
    /// As [`Classifier::new`].
    pub fn with_source(
        model: ModelFile,
        again: Option<ReadAgain>,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Classifier> {
        let forms = [&model.preprocessing, &model.predict].into_iter().flatten();
        forms.into_iter().try_for_each(|form| check_preprocessing(form, &model.network))?;
        let inference =
            Inference::with_weights(model.network, FixedWeights { values: model.weights, again }, device)?;
        let head = Head::of(&inference);
        let classes = match (&head, &model.classes[..]) {
            // A file may give a single name for the single output of two classes.
            (Ok(Head::OneScore | Head::OneProbability), [name]) => vec![format!("not {name}"), name.clone()],
            _ => model.classes,
        };
        let ModelFile { preprocessing, predict, encoding, golden, .. } = model;
        let encoder = encoding.as_ref().map(Encoder::new).transpose()?;
        Ok(Classifier { preprocessing, predict, encoder, encoding, classes, golden, inference, head })
    }

    /// Returns the class names.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the network with its weights.
    pub fn inference(&self) -> &Inference {
        &self.inference
    }

    /// Returns the meaning of the network's outputs.
    ///
    /// # Errors
    /// If the output is not one score per class.
    pub fn head(&self) -> Result<Head> {
        self.head.clone()
    }

    /// Returns the preprocessing of the data set's own images; `None` if they are used unchanged.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.preprocessing.as_ref()
    }

    /// Returns how samples are encoded; `None` if the model takes images or arrays.
    pub fn encoding(&self) -> Option<&Encoding> {
        self.encoding.as_ref()
    }

    /// The error that the model does not take what it was given, in the plural.
    fn refuses(&self, given: &str) -> Error {
        let taken = self.encoding.as_ref().map_or("image", Encoding::sample);
        Error::input(format!("the model takes {taken}s, not {given}"))
    }

    /// Returns the preprocessing of any image.
    ///
    /// # Errors
    /// If the model does not take images, or does not state their preprocessing.
    pub fn image_preprocessing(&self) -> Result<&Preprocessing> {
        if self.encoding.is_some() {
            return Err(self.refuses("images"));
        }
        self.inference.network().image()?;
        self.predict.as_ref().or(self.preprocessing.as_ref()).ok_or_else(unknown_preprocessing)
    }

    /// Returns the `top` best predictions for an image, best first.
    ///
    /// # Errors
    /// As [`Classifier::image_preprocessing`] and [`Classifier::head`], or if an output is NaN or infinite.
    pub fn guesses(&self, image: &Image, top: usize) -> Result<Vec<Guess>> {
        let ([c, h, w], input) = network_input(self.image_preprocessing()?, image)?;
        self.guesses_of(&Shape::from([1, c, h, w]), &input, top)
    }

    /// Returns the `top` best predictions for a sound, best first.
    ///
    /// # Errors
    /// As [`Classifier::head`], or if the model does not take sounds, or an output is NaN or infinite.
    pub fn guesses_of_sound(&self, sound: &Sound, top: usize) -> Result<Vec<Guess>> {
        match &self.encoder {
            Some(Encoder::Sound(encoder)) => {
                self.guesses_of_sample(encoder.encoding().output_shape(), &encoder.encode(sound), top)
            }
            _ => Err(self.refuses("sounds")),
        }
    }

    /// Returns the `top` best predictions for a text, best first.
    ///
    /// # Errors
    /// As [`Classifier::head`], or if the model does not take texts, or an output is NaN or infinite.
    pub fn guesses_of_text(&self, text: &str, top: usize) -> Result<Vec<Guess>> {
        match &self.encoder {
            Some(Encoder::Text(encoder)) => {
                self.guesses_of_sample(encoder.encoding().output_shape(), &encoder.encode(text), top)
            }
            _ => Err(self.refuses("texts")),
        }
    }

    /// The `top` best predictions for an encoded sample, `[C, H, W]`.
    fn guesses_of_sample(&self, sample: [usize; 3], input: &[f32], top: usize) -> Result<Vec<Guess>> {
        self.guesses_of(&self.inference.network().batch_shape(1, sample), input, top)
    }

    /// The `top` best predictions for an input of the network.
    fn guesses_of(&self, shape: &Shape, input: &[f32], top: usize) -> Result<Vec<Guess>> {
        let head = self.head()?;
        let (_, outputs) = self.inference.run(shape, input)?;
        let scores = head.probabilities(&outputs);
        if outputs.iter().chain(&scores).any(|number| number.is_nan()) {
            return Err(Error::failed(
                "the network's output is NaN or infinite; check its weights and its preprocessing",
            ));
        }
        Ok(self.rank(&scores, top))
    }

    /// Ranks the classes of an image by score, best first; ties in the order of the classes.
    fn rank(&self, scores: &[f32], top: usize) -> Vec<Guess> {
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let guess = |index: usize| Guess { class: self.classes[index].clone(), index, score: scores[index] };
        order.into_iter().take(top).map(guess).collect()
    }

    /// Returns the largest difference between the output of the stored example and the one computed now, relative to
    /// the largest output; NaN if a value on either side is not finite, and `None` if no example is stored.
    ///
    /// # Errors
    /// If the example does not fit the network.
    pub fn golden_difference(&self) -> Result<Option<f32>> {
        let Some(golden) = &self.golden else { return Ok(None) };
        let (shape, output) = self.inference.run(&golden.input.0, &golden.input.1)?;
        if shape != golden.output.0 {
            return Err(Error::input(format!(
                "the stored example's output has shape {}, but the network's output has {shape}",
                golden.output.0
            )));
        }
        Ok(Some(difference(&output, &golden.output.1)))
    }
}

/// The largest difference between two lists, relative to the largest value in `expected`; NaN if any value is not
/// finite.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    if found.iter().chain(expected).any(|number| !number.is_finite()) {
        return f32::NAN;
    }
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |most, number| most.max(number.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use striate_engine::Cpu;
    use striate_graph::Builder;
    use striate_vision::Step;

    use super::*;

    /// A model of two gray pixels, whose `classes` scores are the weights times the left pixel.
    fn model(classes: usize, weights: &[f32], sigmoid: bool) -> ModelFile {
        let net = Builder::new("net", [1, 1, 2]);
        let x = net.input().flatten().linear(classes);
        let x = if sigmoid { x.sigmoid() } else { x };
        let network = x.finish().unwrap();
        let names = network.variables().unwrap();
        let weight = weights.iter().flat_map(|weight| [*weight, 0.0]).collect();
        let tensors = [(names[0].1.clone(), weight), (names[1].1.clone(), vec![0.0; classes])];
        let weights = names.into_iter().map(|(name, _)| name).zip(tensors).collect();
        let mut model = ModelFile::bare(network, weights).unwrap();
        let steps = vec![Step::CenterCrop { height: 1, width: 2 }];
        let form = Preprocessing { channels: 1, steps, mean: vec![0.0], std: vec![1.0], features: None };
        crate::open::set_preprocessing(&mut model, &form);
        model
    }

    fn guesses(model: ModelFile) -> Vec<(usize, f32)> {
        let classifier = Classifier::new(model, Cpu::new(1).unwrap()).unwrap();
        let guesses = classifier.guesses(&Image::filled(2, 1, [255; 3]), 5).unwrap();
        guesses.into_iter().map(|guess| (guess.index, guess.score)).collect()
    }

    fn assert_close(found: &[(usize, f32)], expected: &[(usize, f32)]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((index, score), (expected_index, expected)) in found.iter().zip(expected) {
            assert!(index == expected_index && (score - expected).abs() < 1e-6, "{found:?}");
        }
    }

    /// Sigmoid of 2 is 0.8807971, of −1 0.2689414; the softmax of (2, −1) is (0.9525741, 0.0474259).
    #[test]
    fn guesses_follow_the_head() {
        assert_close(&guesses(model(1, &[2.0], false)), &[(1, 0.880_797_1), (0, 0.119_202_9)]);
        assert_close(&guesses(model(1, &[2.0], true)), &[(1, 0.880_797_1), (0, 0.119_202_9)]);
        assert_close(&guesses(model(2, &[2.0, -1.0], true)), &[(0, 0.880_797_1), (1, 0.268_941_4)]);
        assert_close(&guesses(model(2, &[2.0, -1.0], false)), &[(0, 0.952_574_1), (1, 0.047_425_9)]);
    }

    #[test]
    fn single_output_with_one_name_gives_two_classes() {
        let mut one = model(1, &[2.0], false);
        one.classes = vec!["crack".into()];
        let classifier = Classifier::new(one, Cpu::new(1).unwrap()).unwrap();
        assert_eq!(classifier.classes(), ["not crack", "crack"]);
    }

    #[test]
    fn example_with_nan_differs() {
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.5]), 0.2);
        for odd in [f32::NAN, f32::INFINITY] {
            assert!(difference(&[1.0, odd], &[1.0, 2.0]).is_nan());
            assert!(difference(&[1.0, 2.0], &[odd, 2.0]).is_nan());
            assert!(difference(&[odd], &[odd]).is_nan());
        }
        let mut model = model(2, &[2.0, -1.0], false);
        model.golden = Some(Golden {
            input: (Shape::from([1, 1, 1, 2]), vec![1.0, 0.0]),
            output: (Shape::from([1, 2]), vec![f32::NAN, -1.0]),
        });
        let classifier = Classifier::new(model, Cpu::new(1).unwrap()).unwrap();
        assert!(classifier.golden_difference().unwrap().unwrap().is_nan());
    }

    #[test]
    fn unknown_preprocessing_is_refused_listing_the_options() {
        let mut bare = model(2, &[1.0, 2.0], false);
        (bare.preprocessing, bare.predict) = (None, None);
        let classifier = Classifier::new(bare, Cpu::new(1).unwrap()).unwrap();
        let line = classifier.guesses(&Image::filled(2, 1, [9; 3]), 1).unwrap_err().to_string();
        assert!(
            line.contains("--preprocessing imagenet, caffe, tensorflow, zero-one or FILE.json"),
            "{line}"
        );
    }
}
