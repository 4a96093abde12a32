//! The models of `striate eval`: opened, and joined to an ensemble.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use striate_data::Spec;
use striate_engine::{Device, ReadAgain};
use striate_formats::ModelFile;
use striate_graph::Loss;
use striate_predict::{Classifier, Dense, Ensemble, Member, Views, Whole, dense, open_model, read_again};
use striate_tensor::Result as TensorResult;
use striate_tensor::text::printable_path;
use striate_train::{trained_loss, trained_scales};

use crate::arguments::Eval;
use crate::measured::form;

/// A model that was read.
pub struct Opened {
    path: PathBuf,
    model: ModelFile,
    again: Option<ReadAgain>,
    /// What was found, one line each.
    pub notes: Vec<String>,
    /// The loss of its training.
    pub loss: Loss,
    /// The data set of its training.
    pub trained_on: Option<String>,
    /// How it classifies whole images, if the protocol shows it any.
    pub whole: Whole,
    /// The range of shorter sides of its training images.
    pub jitter: Option<[usize; 2]>,
}

/// Reads the model at `path`; its network takes whole images if the protocol shows it any.
pub fn open(path: &Path, args: &Eval) -> Result<Opened> {
    let options = args.images.options();
    let mut again = read_again(path, &options);
    let (mut model, notes) = open_model(path, &options)?;
    let (loss, jitter) = (trained_loss(&model), trained_scales(&model));
    let trained_on = model.data.as_ref().map(|data| data.spec.clone());
    let mut whole = Whole::Pooled;
    if args.protocol.is_whole() {
        let rewritten = dense(&model.network, &mut model.weights).map_err(|e| e.at(printable_path(path)))?;
        Dense { network: model.network, whole } = rewritten;
        if whole == Whole::Windows {
            // The file has the weights in other shapes.
            again = None;
        }
    }
    Ok(Opened { path: path.to_owned(), model, again, notes, loss, trained_on, whole, jitter })
}

impl Opened {
    /// Compiles the model for `device`.
    pub fn classifier(self, device: Arc<dyn Device>) -> Result<Classifier> {
        let classifier = Classifier::with_source(self.model, self.again, device);
        Ok(classifier.map_err(|e| e.at(printable_path(&self.path)))?)
    }

    /// Compiles the model for `device`, with its views of images from the data set `spec`.
    pub fn member(self, args: &Eval, spec: &Spec, device: Arc<dyn Device>) -> Result<Member> {
        let (path, whole, jitter) = (self.path.clone(), self.whole, self.jitter);
        let classifier = self.classifier(device)?;
        let is_given = args.images.preprocessing.is_some();
        let member = form(&classifier, spec, is_given).and_then(|form| match form {
            None => Member::of_arrays(classifier),
            Some(form) => {
                let views = Views::new(args.protocol, args.mirror, &form, whole, jitter)?;
                Member::of_images(classifier, views, &form)
            }
        });
        Ok(member.map_err(|e| e.at(printable_path(&path)))?)
    }
}

/// Joins the models, which are those at `paths`.
pub fn ensemble(members: Vec<Member>, paths: &[PathBuf]) -> TensorResult<Ensemble> {
    let all: Vec<String> = paths.iter().map(|path| printable_path(path)).collect();
    Ensemble::new(members).map_err(|e| e.at(all.join(", ")))
}
