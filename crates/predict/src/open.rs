//! Opens a model file or ONNX file for classifying images. Class names and preprocessing come from the user's options,
//! or else from the file or its metadata.

use std::collections::HashMap;
use std::path::Path;

use striate_formats::{Loaded, ModelFile, ReadOptions, read_model_with, read_weights_with};
use striate_tensor::{Error, Result};
use striate_vision::Preprocessing;

use crate::metadata;
use crate::names::{name_classes, read_names};
use crate::preprocessing::{
    Colors, PREPROCESSING_WORDS, check_preprocessing, describe, named_preprocessing, read_preprocessing,
    resized,
};

/// What the user specifies about a model that will classify images.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Options for reading the file.
    pub read: ReadOptions,
    /// Class names: a file, or `imagenet`.
    pub names: Option<String>,
    /// The preprocessing: a word or a JSON file, see [`named_preprocessing`].
    pub preprocessing: Option<String>,
    /// Height and width of the input, for networks that accept several.
    pub size: Option<[usize; 2]>,
}

/// Opens the model in the file at `path`. Also returns notes for the user on what was chosen, one line each.
///
/// # Errors
/// If the file is not a model, or the options do not fit it.
pub fn open_model(path: &Path, options: &OpenOptions) -> Result<(ModelFile, Vec<String>)> {
    let (mut model, metadata, mut notes) = read(path, &options.read)?;
    model.network = model.network.channels_first();
    complete(&mut model, &metadata, options, &mut notes).map_err(|e| e.at(path.display()))?;
    Ok((model, notes))
}

/// Reads the model at `path`, with the metadata of an ONNX file and notes for the user.
fn read(path: &Path, options: &ReadOptions) -> Result<(ModelFile, HashMap<String, String>, Vec<String>)> {
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        let (model, notes) = read_model_with(path, options)?;
        return Ok((model, HashMap::new(), notes));
    }
    let Loaded { model, weights, metadata, notes, .. } = read_weights_with(path, options)?;
    let model = model.ok_or_else(|| Error::input("contains no network").at(path.display()))?;
    Ok((ModelFile { weights, ..model }, metadata, notes))
}

/// Sets the class names and the preprocessing of `model` from `options`, or else from `metadata`, and its size.
fn complete(
    model: &mut ModelFile,
    metadata: &HashMap<String, String>,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<()> {
    match &options.names {
        Some(source) => model.classes = read_names(source, model.classes.len())?,
        None => name_classes(model, metadata, notes),
    }
    let form = match &options.preprocessing {
        Some(source) => {
            let form = named_preprocessing(source, &model.network, Colors::Bgr)?;
            notes.push(format!("preprocessing (--preprocessing {source}): {}", describe(&form)));
            Some(form)
        }
        None if model.preprocessing.is_null() && model.predict.is_null() => {
            stated_preprocessing(model, metadata, notes)
        }
        None => None,
    };
    if let Some(form) = form {
        set_preprocessing(model, &form)?;
    }
    match options.size {
        Some(size) => resize(model, size, notes),
        None => Ok(()),
    }
}

/// The preprocessing that the `metadata` of an ONNX file state for `model`; what was found is added to `notes`.
pub fn stated_preprocessing(
    model: &ModelFile,
    metadata: &HashMap<String, String>,
    notes: &mut Vec<String>,
) -> Option<Preprocessing> {
    let (form, keys) = metadata::preprocessing(metadata, &model.network)?;
    notes.push(format!("preprocessing (from its metadata {keys}): {}", describe(&form)));
    Some(form)
}

/// Makes `form` the preprocessing of `model`, for images of a data set and for all others.
///
/// # Errors
/// If it has no JSON form.
pub fn set_preprocessing(model: &mut ModelFile, form: &Preprocessing) -> Result<()> {
    let value = serde_json::to_value(form).map_err(|e| Error::input(format!("the preprocessing: {e}")))?;
    (model.preprocessing, model.predict) = (value.clone(), value);
    Ok(())
}

/// Changes the input height and width of the network of `model`, and its preprocessing accordingly.
fn resize(model: &mut ModelFile, size: [usize; 2], notes: &mut Vec<String>) -> Result<()> {
    let at = |e: Error| e.at(format!("--size {},{}", size[0], size[1]));
    let [channels, height, width] = model.network.image()?;
    let form = match read_preprocessing(&model.predict, &model.network)? {
        Some(form) => Some(form),
        None => read_preprocessing(&model.preprocessing, &model.network)?,
    };
    let form = form.ok_or_else(unknown_preprocessing)?;
    let form = resized(&form, size).map_err(at)?;
    check_preprocessing(&form, &model.network).map_err(at)?;
    model.network.set_input([channels, size[0], size[1]]);
    set_preprocessing(model, &form)?;
    let [new_height, new_width] = size;
    notes.push(format!(
        "the input is {new_height}x{new_width} instead of {height}x{width}: {}",
        describe(&form)
    ));
    Ok(())
}

/// The error about images for a model that does not state their preprocessing.
pub(crate) fn unknown_preprocessing() -> Error {
    Error::input(format!(
        "the model does not state its preprocessing; choose it with --preprocessing {PREPROCESSING_WORDS}"
    ))
}
