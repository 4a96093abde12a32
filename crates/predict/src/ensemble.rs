//! Averages the probabilities of several models, and of several views of an image.

use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Image, Preprocessing, network_input};

use crate::align::align;
use crate::{Classifier, Head, Views};

/// Largest number of views in a batch.
const BATCH: usize = 12;
/// Largest number of values in a batch of several views.
const MOST_VALUES: usize = 1 << 24;

/// A model of an ensemble.
pub struct Member {
    classifier: Classifier,
    head: Head,
    /// The views of an image, with the normalization of their pixels; `None` for arrays, which are used unchanged.
    images: Option<(Views, Preprocessing)>,
    /// The place of each of its classes among those of the ensemble.
    places: Vec<usize>,
}

/// Models that classify images together: the mean of their probabilities.
pub struct Ensemble {
    members: Vec<Member>,
    classes: Vec<String>,
}

impl Member {
    /// A model that classifies these views of an image, whose pixels are normalized as by `form`.
    ///
    /// # Errors
    /// If its outputs are not class scores.
    pub fn of_images(classifier: Classifier, views: Views, form: &Preprocessing) -> Result<Member> {
        let form = Preprocessing { steps: Vec::new(), ..form.clone() };
        Member::new(classifier, Some((views, form)))
    }

    /// A model that classifies arrays.
    ///
    /// # Errors
    /// If its outputs are not class scores.
    pub fn of_arrays(classifier: Classifier) -> Result<Member> {
        Member::new(classifier, None)
    }

    fn new(classifier: Classifier, images: Option<(Views, Preprocessing)>) -> Result<Member> {
        let places = (0..classifier.classes().len()).collect();
        Ok(Member { head: classifier.head()?, classifier, images, places })
    }

    /// The model.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The views of an image; `None` for arrays.
    pub fn views(&self) -> Option<&Views> {
        self.images.as_ref().map(|(views, _)| views)
    }

    /// Adds the probabilities of `images`, a batch of `shape`, to `sums`.
    fn add(&self, shape: &Shape, images: &[f32], sums: &mut [f64]) -> Result<()> {
        let (_, outputs) = self.classifier.inference().run(shape, images)?;
        for outputs in outputs.chunks_exact(outputs.len() / shape[0]) {
            let probabilities = self.head.probabilities(outputs);
            for (place, probability) in self.places.iter().zip(probabilities) {
                sums[*place] += f64::from(probability);
            }
        }
        Ok(())
    }

    /// Adds the probabilities of all views of `image` to `sums`, and returns their number.
    fn add_views(&self, image: &Image, sums: &mut [f64]) -> Result<usize> {
        let Some((views, form)) = &self.images else {
            return Err(Error::input("this model classifies arrays, not images"));
        };
        let mut batch = Batch::default();
        views.each(image, |view| {
            let (shape, values) = network_input(form, &view)?;
            if batch.is_full_for(shape) {
                batch.run(self, sums)?;
            }
            batch.shape = shape;
            batch.values.extend(values);
            Ok(())
        })?;
        batch.run(self, sums)?;
        Ok(views.count())
    }
}

/// Views of one size that wait for the network.
#[derive(Default)]
struct Batch {
    shape: [usize; 3],
    values: Vec<f32>,
}

impl Batch {
    fn count(&self) -> usize {
        self.values.len() / self.shape.iter().product::<usize>().max(1)
    }

    /// Whether a view of `shape` cannot be added.
    fn is_full_for(&self, shape: [usize; 3]) -> bool {
        let size: usize = shape.iter().product();
        let is_full = self.count() >= BATCH || self.values.len() + size > MOST_VALUES;
        !self.values.is_empty() && (is_full || self.shape != shape)
    }

    /// Adds the probabilities of the views to `sums`, and removes them.
    fn run(&mut self, member: &Member, sums: &mut [f64]) -> Result<()> {
        let [c, h, w] = self.shape;
        member.add(&Shape::from([self.count(), c, h, w]), &self.values, sums)?;
        self.values.clear();
        Ok(())
    }
}

impl Ensemble {
    /// Joins models whose classes have the same names, in any order; those of the first are the ensemble's.
    ///
    /// # Errors
    /// If the classes differ; the error states the number of the model, counted from 1.
    ///
    /// # Panics
    /// If `members` is empty.
    pub fn new(mut members: Vec<Member>) -> Result<Ensemble> {
        let classes = members.first().expect("there is a model").classifier.classes().to_vec();
        for (number, member) in members.iter_mut().enumerate().skip(1) {
            let own = member.classifier.classes();
            if own == classes {
                continue;
            }
            if own.len() != classes.len() {
                let (own, first) = (counted(own.len(), "class"), classes.len());
                let what =
                    format!("has {own}, but the first model has {first}; average models of the same classes");
                return Err(Error::input(what).at(format!("model {}", number + 1)));
            }
            member.places = align(&classes, own).map_err(|e| e.at(format!("model {}", number + 1)))?.indices;
        }
        Ok(Ensemble { members, classes })
    }

    /// The models.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The class names.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether the probabilities of an image need not sum to 1.
    pub fn is_independent(&self) -> bool {
        self.members.iter().any(|member| member.head.is_independent())
    }

    /// The mean of the probabilities of all models; of each, the mean over its views of `image`.
    ///
    /// # Errors
    /// If a view does not fit a network, or there is not enough memory.
    pub fn probabilities(&self, image: &Image) -> Result<Vec<f32>> {
        self.mean(|member, sums| member.add_views(image, sums))
    }

    /// As [`Ensemble::probabilities`], for an array of `shape`, `[C, H, W]`, that the models take unchanged.
    ///
    /// # Errors
    /// As [`Ensemble::probabilities`].
    pub fn probabilities_of_array(&self, shape: [usize; 3], array: &[f32]) -> Result<Vec<f32>> {
        self.mean(|member, sums| {
            let network = member.classifier.inference().network();
            member.add(&network.batch_shape(1, shape), array, sums).map(|()| 1)
        })
    }

    fn mean(&self, add: impl Fn(&Member, &mut [f64]) -> Result<usize>) -> Result<Vec<f32>> {
        let mut total = vec![0.0; self.classes.len()];
        for member in &self.members {
            let mut sums = vec![0.0; self.classes.len()];
            let count = add(member, &mut sums)? * self.members.len();
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum / count as f64);
        }
        Ok(total.into_iter().map(|probability| probability as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use striate_engine::{Cpu, Inference};
    use striate_formats::ModelFile;
    use striate_graph::Builder;
    use striate_vision::{Filter, Step};

    use super::*;
    use crate::{Protocol, Whole};

    fn classifier(seed: u64, classes: &[&str], threads: usize) -> Classifier {
        let net = Builder::new("net", [3, 8, 8]);
        let network = net.input().conv(4, 3).relu().flatten().linear(classes.len()).finish().unwrap();
        let weights = Inference::initial_weights(&network, seed).unwrap();
        let classes = classes.iter().map(ToString::to_string).collect();
        let model = ModelFile { classes, ..ModelFile::bare(network, weights).unwrap() };
        Classifier::new(model, Cpu::new(threads).unwrap()).unwrap()
    }

    fn form() -> Preprocessing {
        let steps = vec![
            Step::ResizeShorter { size: 10, filter: Filter::Bilinear },
            Step::CenterCrop { height: 8, width: 8 },
        ];
        Preprocessing { channels: 3, steps, mean: vec![0.4; 3], std: vec![0.3; 3], features: None }
    }

    fn member(classifier: Classifier, protocol: Protocol) -> Member {
        let views = Views::new(protocol, false, &form(), Whole::Windows, None).unwrap();
        Member::of_images(classifier, views, &form()).unwrap()
    }

    fn image() -> Image {
        Image::new(19, 13, 3, (0..19 * 13 * 3).map(|i: usize| (i * i / 5) as u8).collect()).unwrap()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn probabilities_are_the_mean_over_views_and_models() {
        let alone = |seed, classes: &[&str]| {
            let (classifier, image) = (classifier(seed, classes, 1), image());
            let mut sums = [0.0f64; 3];
            let views = Views::new(Protocol::TenCrop, false, &form(), Whole::Windows, None).unwrap();
            let bare = Preprocessing { steps: vec![], ..form() };
            let mut count = 0;
            views
                .each(&image, |view| {
                    let ([c, h, w], values) = network_input(&bare, &view).unwrap();
                    let (_, scores) = classifier.inference().run(&Shape::from([1, c, h, w]), &values)?;
                    let probabilities = Head::Scores.probabilities(&scores);
                    sums.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += f64::from(p));
                    count += 1;
                    Ok(())
                })
                .unwrap();
            sums.iter().map(|sum| (sum / f64::from(count)) as f32).collect::<Vec<f32>>()
        };
        let (first, second) = (alone(1, &["a", "b", "c"]), alone(2, &["c", "a", "b"]));
        let members = vec![
            member(classifier(1, &["a", "b", "c"], 1), Protocol::TenCrop),
            member(classifier(2, &["c", "a", "b"], 1), Protocol::TenCrop),
        ];
        let both = Ensemble::new(members).unwrap().probabilities(&image()).unwrap();
        let expected: Vec<f32> =
            [1, 2, 0].iter().zip(&first).map(|(place, p)| f32::midpoint(*p, second[*place])).collect();
        assert!(close(&both, &expected), "{both:?} {expected:?}");
        let of_one = Ensemble::new(vec![member(classifier(1, &["a", "b", "c"], 1), Protocol::TenCrop)]);
        assert!(close(&of_one.unwrap().probabilities(&image()).unwrap(), &first));
    }

    #[test]
    fn many_views_are_the_same_bits_for_any_thread_count() {
        let found = |threads| {
            let members = vec![member(classifier(5, &["a", "b"], threads), Protocol::Crops144)];
            Ensemble::new(members).unwrap().probabilities(&image()).unwrap()
        };
        assert_eq!(found(1), found(3));
    }

    #[test]
    fn models_of_other_classes_are_refused() {
        for (classes, expected) in [
            (&["a", "b", "c"][..], "model 2: has 3 classes, but the first model has 2"),
            (&["a", "x"], "model 2: the model has no class x"),
        ] {
            let members = vec![
                member(classifier(1, &["a", "b"], 1), Protocol::Center),
                member(classifier(2, classes, 1), Protocol::Center),
            ];
            let error = Ensemble::new(members).err().unwrap();
            assert!(error.is_input() && error.to_string().contains(expected), "{error}");
        }
    }
}
