//! `striate convert`

mod example;
mod model;
mod written;

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use striate_formats::{
    Loaded, Weights, caffemodel_bytes, count_parameters, first_convolution_to_rgb, fit_constants,
    onnx_model_bytes, pytorch_bytes, read_weights_with, safetensors_bytes,
};
use striate_graph::Network;
use striate_predict::{Resolved, WeightsFacts, adapt, fit_all, refuse_builtin, resolve_beside};
use striate_tensor::Error;
use striate_tensor::text::{counted, printable_path};

use self::example::add_example;
use self::written::Written;
use crate::arguments::Convert;
use crate::device::{Chosen, Macs, require_f32};
use crate::effect::Input;
use crate::outputs::{Output, check, write_file};
use crate::{json, weights};

/// Extensions of the supported output files.
const WRITTEN: [&str; 5] = ["safetensors", "pth", "pt", "caffemodel", "onnx"];

pub fn run(args: Convert) -> Result<()> {
    require_f32(&args.compute)?;
    let extension = args.to.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !WRITTEN.contains(&extension) {
        let what = format!(
            "{}: give a .safetensors, .pth, .pt, .caffemodel or .onnx file",
            printable_path(&args.to)
        );
        return Err(Error::input(what).into());
    }
    refuse_conflicts(&args, extension)?;
    check([Output::file("OUT", &args.to)], &inputs(&args))?;
    refuse_unused(&args)?;
    refuse_builtin(&args.from)?;
    let mut loaded = read_weights_with(&args.from, &args.reading.options())?;
    let named = named(&args)?;
    let network = network(&args, named.as_ref().map(|(_, resolved)| resolved), &loaded)?;
    if network.is_none() {
        refuse_without_network(&args)?;
    }
    let mut notes = Vec::new();
    let fitted = fit_to(network.as_ref(), &mut loaded, &mut notes);
    fitted.map_err(|e| e.at(printable_path(&args.from)))?;
    if args.bgr {
        let name = first_convolution_to_rgb(network.as_ref(), &mut loaded.weights)
            .map_err(|e| e.at(printable_path(&args.from)))?;
        notes.push(format!("{name} was converted from BGR to RGB"));
    }
    if let (Some(network), "onnx") = (&network, extension) {
        drop_heads(network, &mut loaded.weights, &mut notes)?;
    }
    let (tensors, params) = (loaded.weights.len(), count_parameters(&loaded.weights));
    let facts = WeightsFacts::of(&loaded, named.as_ref().map(|(name, resolved)| (*name, &resolved.facts)));
    let bytes = bytes(&args, extension, network, loaded, facts, &mut notes)?;
    write_file(&args.to, &bytes)?;
    if let Some((name, resolved)) = &named {
        weights::print_notes(Path::new(name), &resolved.notes);
    }
    weights::print_notes(&args.from, &notes);
    if args.compute.json {
        return Ok(json::print(&json!({ "tensors": tensors, "params": params }))?);
    }
    println!("{} written: {}, {params} parameters", printable_path(&args.to), counted(tensors, "tensor"));
    Ok(())
}

/// The input files.
fn inputs(args: &Convert) -> Vec<&Path> {
    let named = [&args.model, &args.names, &args.preprocessing].into_iter().flatten();
    named.map(Path::new).chain([args.from.as_path()]).collect()
}

/// The content of the output file, after a trial reading; what was chosen is added to `notes`.
fn bytes(
    args: &Convert,
    extension: &str,
    network: Option<Network>,
    loaded: Loaded,
    facts: WeightsFacts,
    notes: &mut Vec<String>,
) -> Result<Vec<u8>> {
    let network = network.filter(|_| !args.tensors_only);
    let check = |bytes: &[u8], written: &Written| written::check(bytes, extension, &args.to, written);
    let bytes = match (extension, network) {
        ("onnx" | "safetensors", Some(network)) => {
            let mut model = model::build(network, loaded, facts, args, notes)?;
            let bytes = if extension == "onnx" {
                onnx_model_bytes(&model)?
            } else {
                let device = Chosen::open(&args.compute, Macs::of(&model.network, 1))?.device();
                let added = add_example(&mut model, device, notes);
                added.map_err(|e| e.at(printable_path(&args.from)))?;
                model.to_bytes()?
            };
            let classes = Some(&model.classes[..]);
            check(&bytes, &Written { weights: &model.weights, network: Some(&model.network), classes })?;
            bytes
        }
        ("caffemodel", Some(network)) => {
            let (bytes, written) = caffemodel_bytes(&network, loaded.weights.clone())?;
            notes.extend(written);
            check(&bytes, &Written { weights: &loaded.weights, network: Some(&network), classes: None })?;
            bytes
        }
        ("onnx" | "caffemodel", None) => {
            let what =
                format!("contains only weights; specify the network of the .{extension} file with --model");
            return Err(Error::input(format!("{}: {what}", printable_path(&args.from))).into());
        }
        (_, _) => {
            let bytes = match extension {
                "safetensors" => safetensors_bytes(&loaded.weights, Default::default())?,
                _ => pytorch_bytes(&loaded.weights)?,
            };
            check(&bytes, &Written { weights: &loaded.weights, network: None, classes: None })?;
            bytes
        }
    };
    Ok(bytes)
}

/// Refuses flags that do not apply to this kind of output file.
fn refuse_conflicts(args: &Convert, extension: &str) -> Result<()> {
    let flag = match (args.preprocessing.is_some(), args.names.is_some()) {
        (true, _) => Some("--preprocessing"),
        (_, true) => Some("--names"),
        _ => None,
    };
    let conflict = match (extension, args.tensors_only, flag) {
        ("onnx", true, _) => "--tensors-only: an ONNX file always contains the network; omit it".to_owned(),
        ("caffemodel", true, _) => "--tensors-only: a .caffemodel file contains layers; omit it".to_owned(),
        ("pth" | "pt", true, _) => {
            format!("--tensors-only: .{extension} files contain only tensors; omit it")
        }
        ("pth" | "pt" | "caffemodel", _, Some(flag)) => {
            format!("{flag}: .pth, .pt and .caffemodel files contain only weights")
        }
        (_, true, Some(flag)) => format!("{flag}: a file written with --tensors-only contains only weights"),
        _ => return Ok(()),
    };
    Err(Error::input(conflict).into())
}

/// Refuses flags that have no effect without a network. Only .safetensors files can be written with or without one.
fn refuse_without_network(args: &Convert) -> striate_tensor::Result<()> {
    let needing = [("--preprocessing", args.preprocessing.is_some()), ("--names", args.names.is_some())];
    if let Some((flag, _)) = needing.iter().find(|(_, is_given)| *is_given) {
        return Err(Error::input(format!("{flag} applies to a network; specify it with --model")));
    }
    match args.tensors_only {
        true => Err(Error::input(
            "--tensors-only: without a network, a .safetensors file contains only tensors; omit it",
        )),
        false => Ok(()),
    }
}

/// Refuses flags for kinds of files that are not read.
fn refuse_unused(args: &Convert) -> striate_tensor::Result<()> {
    let network = args.model.as_deref();
    let inputs = match network {
        Some(_) => Input::classifier(&args.from, network),
        None => vec![Input::file(&args.from, false)],
    };
    args.reading.refuse_unused(&inputs)
}

/// The network that --model names, with its name.
fn named(args: &Convert) -> striate_tensor::Result<Option<(&str, Resolved)>> {
    let options = args.reading.options();
    args.model.as_deref().map(|name| Ok((name, resolve_beside(name, &options)?))).transpose()
}

/// The network that the weights belong to: the one `named` by --model, else that of the file.
fn network(args: &Convert, named: Option<&Resolved>, loaded: &Loaded) -> Result<Option<Network>> {
    let own = loaded.model.as_ref().map(|model| &model.network);
    let mut network = named.map(|resolved| &resolved.network).or(own).cloned();
    match (&mut network, args.classes) {
        (Some(network), classes) => adapt(network, args.reading.options().input.as_deref(), classes)?,
        (None, None) => {}
        (None, Some(_)) => {
            return Err(Error::input("--classes changes a network; specify it with --model").into());
        }
    }
    Ok(network)
}

/// Maps the weights to the names of the network, if there is one; a last layer for another number of classes is an
/// error here.
fn fit_to(
    network: Option<&Network>,
    loaded: &mut Loaded,
    notes: &mut Vec<String>,
) -> striate_tensor::Result<()> {
    let Some(network) = network else {
        notes.append(&mut loaded.notes);
        if !loaded.normalizations.is_empty() {
            let what = "the constants of its local response normalization are not stored with the weights";
            notes.push(format!("{what}; specify the network with --model"));
        }
        return Ok(());
    };
    loaded.choose_for(network)?;
    fit_constants(network, loaded)?;
    notes.append(&mut loaded.notes);
    let fitted = fit_all(network, std::mem::take(&mut loaded.weights))?;
    loaded.weights = fitted.weights;
    notes.extend(fitted.notes);
    Ok(())
}

/// Removes the auxiliary heads from the weights `held`.
fn drop_heads(network: &Network, held: &mut Weights, notes: &mut Vec<String>) -> Result<()> {
    let heads = network.auxiliary_variables()?;
    let before = held.len();
    held.retain(|name, _| heads.iter().all(|(head, _)| head != name));
    if held.len() < before {
        notes.push("the auxiliary heads, which only training uses, are omitted from the ONNX file".into());
    }
    Ok(())
}
