//! Opens a model file, an ONNX file or the weights of a given network for classifying images. Class names and
//! preprocessing come from the user's options, or else from the file or its metadata.

use std::path::Path;
use std::sync::Arc;

use striate_engine::ReadAgain;
use striate_formats::{
    Fitted, Head, Loaded, ModelFile, ReadOptions, WEIGHTS_ALONE, Weights, fit, fit_classes, fit_constants,
    read_tensors, read_weights_with,
};
use striate_graph::Network;
use striate_tensor::file::Stamp;
use striate_tensor::preprocessing::Preprocessing;
use striate_tensor::{Error, Result, Shape};

use crate::facts::{Source, WeightsFacts};
use crate::names::{name_classes, read_names};
use crate::preprocessing::{PREPROCESSING_WORDS, check_preprocessing, misfit, resized};
use crate::resolve::{Resolved, refuse_builtin, resolve_beside};

/// What the user specifies about a model that will classify images.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Options for reading the file.
    pub read: ReadOptions,
    /// The network of a file that contains only weights, as in [`crate::resolve`].
    pub network: Option<String>,
    /// The number of classes of that network; by default that of the weights.
    pub classes: Option<usize>,
    /// Class names: a file, or `imagenet`.
    pub names: Option<String>,
    /// The preprocessing: a word or a JSON file, see [`crate::named_preprocessing`].
    pub preprocessing: Option<String>,
    /// Height and width of the input, for networks that accept several.
    pub size: Option<[usize; 2]>,
}

/// Opens the model in the file at `path`, or the weights in it for the network of `options`. Also returns notes for the
/// user on what was chosen, one line each.
///
/// # Errors
/// If the file is neither, or the options do not fit it.
pub fn open_model(path: &Path, options: &OpenOptions) -> Result<(ModelFile, Vec<String>)> {
    refuse_builtin(path)?;
    let (mut model, facts, mut notes) = match &options.network {
        Some(name) => weights_of(path, name, options)?,
        None => own_network(path, options)?,
    };
    model.network = model.network.channels_first();
    complete(&mut model, &facts, options, &mut notes).map_err(|e| e.at(path.display()))?;
    Ok((model, notes))
}

/// Returns how the weights of [`open_model`] with the same arguments, called after this, are read again; `None` if they
/// may be spread over several files. They must not have changed since.
pub fn read_again(path: &Path, options: &OpenOptions) -> Option<ReadAgain> {
    let is_onnx = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    let stamp = Stamp::of(path).ok().filter(|_| !is_onnx)?;
    let (path, options) = (path.to_owned(), options.clone());
    Some(Arc::new(move |names| {
        let same = || Stamp::of(&path).is_ok_and(|now| now == stamp);
        let read = || match &options.network {
            None => match read_tensors(&path, names)? {
                Some(weights) => Ok(weights),
                None => Ok(open_model(&path, &options)?.0.weights),
            },
            Some(_) => Ok(open_model(&path, &options)?.0.weights),
        };
        let read = same().then(read).transpose()?;
        read.filter(|_| same()).ok_or_else(|| {
            Error::input(format!("{}: has changed since it was opened; start again", path.display()))
        })
    }))
}

/// The model at `path` with its own network.
fn own_network(path: &Path, options: &OpenOptions) -> Result<(ModelFile, WeightsFacts, Vec<String>)> {
    let loaded = read_weights_with(path, &options.read)?;
    let facts = WeightsFacts::of(&loaded, None);
    let Loaded { model, weights, notes, .. } = loaded;
    let Some(model) = model else {
        let advice = "specify their network with --model NAME|FILE (`striate models` lists the names)";
        return Err(Error::input(WEIGHTS_ALONE).at(path.display()).advising(advice));
    };
    Ok((ModelFile { weights, ..model }, facts, notes))
}

/// The weights at `path` with the network `name`.
fn weights_of(
    path: &Path,
    name: &str,
    options: &OpenOptions,
) -> Result<(ModelFile, WeightsFacts, Vec<String>)> {
    let Resolved { mut network, facts, mut notes, .. } = resolve_beside(name, &options.read)?;
    adapt(&mut network, options.read.input.as_deref(), options.classes)?;
    let mut loaded = read_weights_with(path, &options.read)?;
    let facts = WeightsFacts::of(&loaded, Some((name, &facts)));
    let at = |e: Error| e.at(path.display());
    loaded.choose_for(&network).and_then(|()| fit_constants(&network, &mut loaded)).map_err(at)?;
    notes.append(&mut loaded.notes);
    let fitted = match options.classes {
        None => fit_classes(&mut network, std::mem::take(&mut loaded.weights)),
        Some(_) => fit_all(&network, std::mem::take(&mut loaded.weights)),
    };
    let fitted = fitted.map_err(at)?;
    notes.extend(fitted.notes);
    loaded.weights = fitted.weights;
    Ok((inherited(network, loaded, false)?, facts, notes))
}

/// Fits all of `weights` to `network`.
///
/// # Errors
/// As [`fit`], or if the last layer is for another number of classes.
pub fn fit_all(network: &Network, weights: Weights) -> Result<Fitted> {
    let fitted = fit(network, weights)?;
    if let Some(Head { classes, .. }) = fitted.replaced {
        let (name, here) = (&network.name, network.classes()?);
        let what = format!("the last layer has {classes} classes in the file, but {here} in {name}");
        return Err(Error::input(format!("{what}; use --classes {classes}")));
    }
    Ok(fitted)
}

/// Changes the `input` of `network`, without the batch, and its number of `classes`.
///
/// # Errors
/// If the input has another rank, or the last layers do not give classes.
pub fn adapt(network: &mut Network, input: Option<&[usize]>, classes: Option<usize>) -> Result<()> {
    if let Some(input) = input.filter(|input| **input != network.input[..]) {
        if input.len() != network.input.len() {
            let form = match network.input.len() {
                3 => "channels, height and width, such as 3,224,224".to_owned(),
                1 => "1 extent".to_owned(),
                rank => format!("{rank} extents, separated by commas"),
            };
            let text = input.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(Error::input(format!("--input {text}: expected {form}")));
        }
        network.set_input(Shape::from(input));
    }
    classes.map_or(Ok(()), |classes| network.set_classes(classes))
}

/// Returns the model of `network` with the loaded weights, and with the metadata of the loaded model that fit. Its
/// evaluation and example are dropped if the weights have been changed.
///
/// # Errors
/// If the network is invalid.
pub fn inherited(network: Network, loaded: Loaded, is_changed: bool) -> Result<ModelFile> {
    let bare = ModelFile::bare(network, loaded.weights)?;
    Ok(match loaded.model {
        Some(before) if before.network == bare.network && is_changed => {
            ModelFile { weights: bare.weights, evaluation: None, golden: None, ..before }
        }
        Some(before) if before.network == bare.network => ModelFile { weights: bare.weights, ..before },
        Some(before)
            if before.network.input == bare.network.input && before.classes.len() == bare.classes.len() =>
        {
            let ModelFile { classes, preprocessing, predict, encoding, .. } = before;
            ModelFile { classes, preprocessing, predict, encoding, ..bare }
        }
        _ => bare,
    })
}

/// Sets the class names and the preprocessing of `model` from `options`, or else from its file, and its size.
fn complete(
    model: &mut ModelFile,
    facts: &WeightsFacts,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<()> {
    match &options.names {
        Some(source) => model.classes = read_names(source, model.classes.len())?,
        None => name_classes(model, &facts.metadata, notes),
    }
    if let Some(encoding) = &model.encoding {
        return refuse_options_of_images(options, encoding.sample());
    }
    choose_preprocessing(model, facts, options.preprocessing.as_deref(), notes)?;
    match options.size {
        Some(size) => resize(model, size, notes),
        None => note_other_size(model, notes),
    }
}

/// Refuses options about images for a model that takes other samples.
fn refuse_options_of_images(options: &OpenOptions, sample: &str) -> Result<()> {
    let flags = [("--preprocessing", options.preprocessing.is_some()), ("--size", options.size.is_some())];
    match flags.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => {
            Err(Error::input(format!("{flag} applies to images, but the model takes {sample}s; omit it")))
        }
    }
}

/// Adds to `notes` that images are given to the network of `model` at another size than its own.
fn note_other_size(model: &ModelFile, notes: &mut Vec<String>) -> Result<()> {
    let Ok([_, height, width]) = model.network.image() else { return Ok(()) };
    let Some(form) = image_preprocessing(model)? else { return Ok(()) };
    match form.output_shape() {
        Some([_, h, w]) if [h, w] == [height, width] => {}
        Some([_, h, w]) => {
            notes.push(format!("the input is {h}x{w} instead of {height}x{width}: {form}"));
        }
        None => notes.push(format!(
            "the input is as large as each image instead of {height}x{width}: the preprocessing does not resize \
             images to one size"
        )),
    }
    Ok(())
}

/// The preprocessing of `model` for any image, checked against its network.
fn image_preprocessing(model: &ModelFile) -> Result<Option<&Preprocessing>> {
    let form = model.image_preprocessing();
    form.map_or(Ok(()), |form| check_preprocessing(form, &model.network))?;
    Ok(form)
}

/// Sets the preprocessing of `model`: the one `asked` for, else its own, else the one that `facts` determine. The
/// choice is added to `notes`. Returns whether the model has one now.
///
/// # Errors
/// As [`WeightsFacts::preprocessing`].
pub fn choose_preprocessing(
    model: &mut ModelFile,
    facts: &WeightsFacts,
    asked: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<bool> {
    let own = [model.preprocessing.as_ref(), model.predict.as_ref()];
    let Some((form, source)) = facts.preprocessing(&model.network, own, asked, notes)? else {
        return Ok(false);
    };
    notes.extend(source.note(&form));
    // A model may carry one for images of its data set and one for any other.
    if source != Source::Model {
        set_preprocessing(model, &form);
    }
    Ok(true)
}

/// Makes `form` the preprocessing of `model`, for images of a data set and for all others.
pub(crate) fn set_preprocessing(model: &mut ModelFile, form: &Preprocessing) {
    (model.preprocessing, model.predict) = (Some(form.clone()), Some(form.clone()));
}

/// Changes the input height and width of the network of `model`, and its preprocessing accordingly.
fn resize(model: &mut ModelFile, size: [usize; 2], notes: &mut Vec<String>) -> Result<()> {
    let at = |e: Error| e.at(format!("--size {},{}", size[0], size[1]));
    let [channels, height, width] = model.network.image()?;
    let form = image_preprocessing(model)?.ok_or_else(unknown_preprocessing)?;
    let form = resized(form, size).map_err(at)?;
    form.check().map_err(at)?;
    if let Some(what) = misfit(&form, &model.network)? {
        return Err(at(Error::input(format!("{what}; omit --size"))));
    }
    model.network.set_input([channels, size[0], size[1]]);
    set_preprocessing(model, &form);
    let [new_height, new_width] = size;
    if size != [height, width] {
        notes.push(format!("the input is {new_height}x{new_width} instead of {height}x{width}: {form}"));
    }
    Ok(())
}

/// The error about images for a model that does not state their preprocessing.
pub(crate) fn unknown_preprocessing() -> Error {
    Error::input(format!(
        "the model does not state its preprocessing; choose it with --preprocessing {PREPROCESSING_WORDS}"
    ))
}

#[cfg(test)]
mod tests {
    use striate_engine::Inference;
    use striate_graph::Builder;
    use striate_tensor::file::{remove_file, write_atomically};

    use super::*;

    #[test]
    fn weights_are_read_again_unless_the_file_has_changed() {
        let network = Builder::new("net", [1, 4, 4]).input().flatten().linear(3).finish().unwrap();
        let model = |seed| {
            let weights = Inference::initial_weights(&network, seed).unwrap();
            ModelFile::bare(network.clone(), weights).unwrap()
        };
        let name = format!("striate-read-again-{}.safetensors", std::process::id());
        let path = std::env::temp_dir().join(name);
        write_atomically(&path, &model(1).to_bytes().unwrap()).unwrap();
        let again = read_again(&path, &OpenOptions::default()).unwrap();
        let mut weights = model(1).weights;
        let names: Vec<String> = weights.keys().cloned().collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(again(&all).unwrap(), weights);
        assert_eq!(again(&all[..1]).unwrap(), weights.split_off(all[0]).into_iter().take(1).collect());
        // Another length, because two files may be written in one tick of the clock.
        let longer = ModelFile { recipe: Some("[optim]".into()), ..model(2) };
        write_atomically(&path, &longer.to_bytes().unwrap()).unwrap();
        let error = again(&all).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("has changed since it was opened"), "{error}");
        remove_file(&path).unwrap();
        assert!(again(&all).is_err() && read_again(&path, &OpenOptions::default()).is_none());
        assert!(read_again("net.onnx".as_ref(), &OpenOptions::default()).is_none());
    }
}
