//! `striate convert`

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use striate_engine::{Cpu, Inference};
use striate_formats::{
    Golden, Head, Loaded, ModelFile, Weights, caffemodel_bytes, count_parameters, first_convolution_to_rgb,
    fit, fit_constants, onnx_model_bytes, pytorch_bytes, read_weights, safetensors_bytes,
};
use striate_graph::Network;
use striate_models::{ImagePreprocessing, Model, PixelRange};
use striate_predict::{check_preprocessing, published_preprocessing, read_preprocessing};
use striate_tensor::file::read_text_limited;
use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Shape};
use striate_vision::Preprocessing;

use crate::arguments::Convert;
use crate::output::{check_folder, write_file};
use crate::{json, weights};

/// Kinds of files that are written.
const WRITTEN: [&str; 5] = ["safetensors", "pth", "pt", "caffemodel", "onnx"];

pub fn run(args: Convert) -> Result<()> {
    let extension = args.to.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !WRITTEN.contains(&extension) {
        let what =
            format!("{}: written are .safetensors, .pth, .pt, .caffemodel and .onnx", args.to.display());
        return Err(Error::input(what).into());
    }
    refuse_conflicts(&args, extension)?;
    check_folder(&args.to)?;
    let mut loaded = read_weights(&args.from)?;
    let network = network(&args, &loaded)?;
    if network.is_none() && args.preprocessing.is_some() {
        return Err(Error::input("--preprocessing is that of a network; name it with --model").into());
    }
    let mut notes = std::mem::take(&mut loaded.notes);
    match &network {
        Some(network) => fit_to(network, &mut loaded, &mut notes).map_err(|e| e.at(args.from.display()))?,
        None if !loaded.normalizations.is_empty() => notes.push(
            "the constants of its local response normalization are not among the weights; name the network with --model"
                .into(),
        ),
        None => {}
    }
    if args.bgr {
        let name = first_convolution_to_rgb(network.as_ref(), &mut loaded.weights)
            .map_err(|e| e.at(args.from.display()))?;
        notes.push(format!("{name} was converted from BGR to RGB"));
    }
    if let (Some(network), "onnx") = (&network, extension) {
        drop_heads(network, &mut loaded.weights, &mut notes)?;
    }
    let (tensors, params) = (loaded.weights.len(), count_parameters(&loaded.weights));
    let bytes = match (extension, network.filter(|_| !args.tensors_only)) {
        ("onnx", Some(network)) => onnx_model_bytes(&model(network, loaded, &args, &mut notes)?)?,
        ("caffemodel", Some(network)) => {
            let (bytes, said) = caffemodel_bytes(&network, loaded.weights)?;
            notes.extend(said);
            bytes
        }
        ("onnx" | "caffemodel", None) => {
            let what = format!("holds weights alone; --model names the network that the .{extension} is of");
            return Err(Error::input(format!("{}: {what}", args.from.display())).into());
        }
        ("safetensors", Some(network)) => {
            with_example(model(network, loaded, &args, &mut notes)?, args.compute.threads)?.to_bytes()?
        }
        ("safetensors", None) => safetensors_bytes(&loaded.weights, Default::default())?,
        _ => pytorch_bytes(&loaded.weights)?,
    };
    write_file(&args.to, &bytes)?;
    weights::say_all(&args.from, &notes);
    if args.compute.json {
        return Ok(json::print(&json!({ "tensors": tensors, "params": params }))?);
    }
    println!("{} written: {tensors} tensors, {params} parameters", args.to.display());
    Ok(())
}

/// Refuses options that an OUT of this kind has no use for.
fn refuse_conflicts(args: &Convert, extension: &str) -> Result<()> {
    let conflict = match (extension, args.tensors_only, args.preprocessing.is_some()) {
        ("onnx", true, _) => "--tensors-only: an ONNX file holds a network",
        ("caffemodel", true, _) => "--tensors-only: a .caffemodel holds layers",
        ("pth" | "pt" | "caffemodel", _, true) => {
            "--preprocessing: .pth, .pt and .caffemodel files hold weights alone"
        }
        (_, true, true) => "--preprocessing: with --tensors-only there is no network to go with it",
        _ => return Ok(()),
    };
    Err(Error::input(conflict).into())
}

/// The network that the weights are for: that of `--model`, else that of the file.
fn network(args: &Convert, loaded: &Loaded) -> Result<Option<Network>> {
    let named = args.model.as_deref().map(weights::resolve).transpose()?.map(|resolved| resolved.network);
    let mut network = named.or_else(|| loaded.model.as_ref().map(|model| model.network.clone()));
    match (&mut network, args.classes) {
        (Some(network), Some(classes)) => network.set_classes(classes)?,
        (None, Some(_)) => {
            return Err(Error::input("--classes changes a network; name it with --model").into());
        }
        _ => {}
    }
    Ok(network)
}

/// Brings the weights to the network's names; here a last layer for other classes is an error.
fn fit_to(network: &Network, loaded: &mut Loaded, notes: &mut Vec<String>) -> striate_tensor::Result<()> {
    loaded.choose_for(network)?;
    fit_constants(network, loaded)?;
    notes.append(&mut loaded.notes);
    let fitted = fit(network, std::mem::take(&mut loaded.weights))?;
    if let Some(Head { classes, .. }) = fitted.replaced {
        let (name, here) = (&network.name, network.classes()?);
        let what = format!("the file's last layer has {classes} classes, that of {name} here {here}");
        return Err(Error::input(format!("{what}; give --classes {classes}")));
    }
    loaded.weights = fitted.weights;
    notes.extend(fitted.notes);
    Ok(())
}

/// Takes the auxiliary heads out of the weights `held`.
fn drop_heads(network: &Network, held: &mut Weights, notes: &mut Vec<String>) -> Result<()> {
    let heads = network.auxiliary_variables()?;
    let before = held.len();
    held.retain(|name, _| heads.iter().all(|(head, _)| head != name));
    if held.len() < before {
        notes.push("the auxiliary heads, which only training has, are left out of the ONNX file".into());
    }
    Ok(())
}

/// The model of `network` with these weights; what an earlier one says of itself stays where it is true. What it
/// reached, and its example, are of weights that --bgr has changed.
fn model(network: Network, loaded: Loaded, args: &Convert, notes: &mut Vec<String>) -> Result<ModelFile> {
    let bare = ModelFile::bare(network, loaded.weights)?;
    let mut is_told = true;
    let mut model = match loaded.model {
        Some(before) if before.network == bare.network && args.bgr => {
            ModelFile { weights: bare.weights, evaluation: None, golden: None, ..before }
        }
        Some(before) if before.network == bare.network => ModelFile { weights: bare.weights, ..before },
        Some(before)
            if before.network.input == bare.network.input && before.classes.len() == bare.classes.len() =>
        {
            let ModelFile { classes, preprocessing, predict, .. } = before;
            is_told = !preprocessing.is_null();
            ModelFile { classes, preprocessing, predict, ..bare }
        }
        _ => {
            is_told = false;
            bare
        }
    };
    let form = match &args.preprocessing {
        Some(path) => Some(preprocessing(path, &model.network)?),
        None if is_told => None,
        None => published(args, notes)?,
    };
    if let Some(form) = form {
        (model.preprocessing, model.predict) = (form.clone(), form);
    }
    for form in [&model.preprocessing, &model.predict] {
        let checked = read_preprocessing(form, &model.network);
        checked.map_err(|e| e.at(args.from.display()).advising("--preprocessing replaces it"))?;
    }
    Ok(model)
}

/// `model` with an example, its own if it has one.
fn with_example(mut model: ModelFile, threads: usize) -> Result<ModelFile> {
    let inference = Inference::new(model.network.clone(), &model.weights, Cpu::new(threads)?)?;
    if model.golden.is_none() {
        model.golden = Some(example(&model.network, &inference)?);
    }
    Ok(model)
}

/// A noise image and what the network makes of it.
fn example(network: &Network, inference: &Inference) -> Result<Golden> {
    let shape: Vec<usize> = std::iter::once(1).chain(network.input.iter().copied()).collect();
    let shape = Shape::new(shape);
    let mut random = Random::new(0, Stream::Other, 0);
    let input: Vec<f32> = (0..shape.checked_len()?).map(|_| random.below(512) as f32 / 256.0 - 1.0).collect();
    let output = inference.run(&shape, &input)?;
    Ok(Golden { input: (shape, input), output })
}

/// The preprocessing that published weights of the network want, if it is one of the history, and what is said
/// of it. Caffe's weights want bytes, also for networks that are called as in torchvision.
fn published(args: &Convert, notes: &mut Vec<String>) -> Result<Option<Value>> {
    let from_caffe = args.bgr || args.from.extension().is_some_and(|extension| extension == "caffemodel");
    let model = args.model.as_deref().and_then(|name| striate_models::find(name).ok());
    let fits = |model: &Model| match model.preprocessing {
        ImagePreprocessing::Fixed(fixed) => !from_caffe || fixed.range == PixelRange::Bytes,
        ImagePreprocessing::FromData(_) => false,
    };
    let Some(model) = model.filter(fits) else {
        notes.push("without --preprocessing the model takes arrays, not pictures".into());
        return Ok(None);
    };
    let line = model.preprocessing;
    notes.push(format!("pictures become the input as published: {line}; else give --preprocessing"));
    Ok(published_preprocessing(&model).map(serde_json::to_value).transpose()?)
}

/// Largest preprocessing file that is read, in bytes.
const LARGEST_PREPROCESSING: u64 = 1 << 20;

/// The preprocessing in a JSON file, held against `network`.
fn preprocessing(path: &Path, network: &Network) -> Result<Value> {
    let text = read_text_limited(path, LARGEST_PREPROCESSING)?;
    let form: Preprocessing = serde_json::from_str(&text)
        .map_err(|e| Error::input(format!("{}: is no preprocessing: {e}", path.display())))?;
    check_preprocessing(&form, network).map_err(|e| e.at(path.display()))?;
    Ok(serde_json::to_value(form)?)
}
