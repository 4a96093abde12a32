//! The model that `striate convert` writes: weights, network, classes, preprocessing, example.

use striate_formats::{Loaded, ModelFile};
use striate_graph::Network;
use striate_models::{ImagePreprocessing, Model, PixelRange};
use striate_predict::{
    Colors, PREPROCESSING_WORDS, describe, name_classes, named_preprocessing, published_preprocessing,
    read_names, read_preprocessing, set_preprocessing, stated_preprocessing,
};
use striate_tensor::Result;
use striate_tensor::text::printable_path;
use striate_vision::Preprocessing;

use crate::arguments::Convert;

/// Builds the model of `network` with the loaded weights. Metadata of an input model file are kept where they
/// still hold; its evaluation and example are dropped if --bgr has changed the weights.
pub fn build(
    network: Network,
    mut loaded: Loaded,
    args: &Convert,
    notes: &mut Vec<String>,
) -> Result<ModelFile> {
    let metadata = std::mem::take(&mut loaded.metadata);
    let mut model = inherited(network, loaded, args.bgr)?;
    match &args.names {
        Some(source) => model.classes = read_names(source, model.classes.len())?,
        None => name_classes(&mut model, &metadata, notes),
    }
    let form = match &args.preprocessing {
        Some(source) => {
            let form = named_preprocessing(source, &model.network, caffe_colors(args))?;
            notes.push(format!("preprocessing (--preprocessing {source}): {}", describe(&form)));
            Some(form)
        }
        None if !model.preprocessing.is_null() => None,
        None => stated_preprocessing(&model, &metadata, notes).or_else(|| published(args, &model, notes)),
    };
    if let Some(form) = form {
        set_preprocessing(&mut model, &form)?;
    }
    for form in [&model.preprocessing, &model.predict] {
        let checked = read_preprocessing(form, &model.network);
        checked.map_err(|e| e.at(printable_path(&args.from)).advising("--preprocessing replaces it"))?;
    }
    Ok(model)
}

/// The model of `network`, with those metadata of the loaded one that fit.
fn inherited(network: Network, loaded: Loaded, is_changed: bool) -> Result<ModelFile> {
    let bare = ModelFile::bare(network, loaded.weights)?;
    Ok(match loaded.model {
        Some(before) if before.network == bare.network && is_changed => {
            ModelFile { weights: bare.weights, evaluation: None, golden: None, ..before }
        }
        Some(before) if before.network == bare.network => ModelFile { weights: bare.weights, ..before },
        Some(before)
            if before.network.input == bare.network.input && before.classes.len() == bare.classes.len() =>
        {
            let ModelFile { classes, preprocessing, predict, .. } = before;
            ModelFile { classes, preprocessing, predict, ..bare }
        }
        _ => bare,
    })
}

/// The order of colors in which converted weights take images that Caffe's weights took as BGR.
fn caffe_colors(args: &Convert) -> Colors {
    if args.bgr || is_from_caffe(args) { Colors::Rgb } else { Colors::Bgr }
}

fn is_from_caffe(args: &Convert) -> bool {
    args.from.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("caffemodel"))
}

/// The preprocessing of the published weights of the network, if it is a known one; what was chosen is added to
/// `notes`. Caffe's weights take bytes, also those of networks that are named as in torchvision.
fn published(args: &Convert, model: &ModelFile, notes: &mut Vec<String>) -> Option<Preprocessing> {
    let takes_bytes = args.bgr || is_from_caffe(args);
    let known = args.model.as_deref().and_then(|name| striate_models::find(name).ok());
    let fits = |known: &Model| match known.preprocessing {
        ImagePreprocessing::Fixed(fixed) => !takes_bytes || fixed.range == PixelRange::Bytes,
        ImagePreprocessing::FromData(_) => false,
    };
    let form = known.filter(fits).and_then(|known| published_preprocessing(&known));
    match &form {
        Some(form) => notes.push(format!(
            "preprocessing of the published weights: {}; --preprocessing overrides it",
            describe(form)
        )),
        None if model.network.image().is_ok() => notes.push(format!(
            "the preprocessing is unknown, so the model takes only arrays; for images, use \
             --preprocessing {PREPROCESSING_WORDS}"
        )),
        None => {}
    }
    form
}
