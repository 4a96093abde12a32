//! A weights file without a network, as a list of its tensors.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use striate_formats::{Loaded, ReadOptions, check_weights, count_parameters, read_weights_with};
use striate_tensor::text::{counted, printable};

use crate::output::{argument, grouped, sides, table};
use crate::{json, weights};

/// Reads the file `name` if it is a weights or model file.
pub(super) fn read(name: &str, options: &ReadOptions) -> Result<Option<Loaded>> {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_network = matches!(extension, Some("toml" | "onnx"));
    if is_network || !path.is_file() {
        return Ok(None);
    }
    let loaded = read_weights_with(path, options)?;
    weights::print_notes(path, &loaded.notes);
    Ok(Some(loaded))
}

/// Prints the tensors of `loaded`, read from the file `name`, and the built-in networks that they fit.
pub(super) fn print(name: &str, loaded: &Loaded, as_json: bool) -> Result<()> {
    let elements = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let params = count_parameters(&loaded.weights) as u64;
    let networks = networks(loaded);
    if as_json {
        let one = |(name, (shape, _)): (&String, &(_, _))| {
            let shape: &striate_tensor::Shape = shape;
            json!({ "name": name, "shape": **shape, "params": elements(shape) })
        };
        let tensors: Vec<_> = loaded.weights.iter().map(one).collect();
        return Ok(json::print(
            &json!({ "name": name, "params": params, "tensors": tensors, "networks": networks }),
        )?);
    }
    let shown = printable(name);
    println!("{shown}: weights without a network");
    let mut rows = vec![["tensor", "shape", "elements"].map(str::to_owned).to_vec()];
    rows.extend(
        loaded
            .weights
            .iter()
            .map(|(name, (shape, _))| vec![name.clone(), sides(shape), grouped(elements(shape))]),
    );
    print!("{}", table(&rows));
    println!("{}, {} parameters", counted(loaded.weights.len(), "tensor"), grouped(params));
    let file = Path::new(name).with_extension("");
    match &networks[..] {
        [] => println!(
            "names and shapes match no built-in network; striate convert --model NETWORK lists the differences"
        ),
        [first, ..] => println!(
            "names and shapes match {}; to make a model file: striate convert {} {} --model {first}",
            networks.join(", "),
            argument(name),
            argument(&format!("{}-model.safetensors", file.to_string_lossy()))
        ),
    }
    Ok(())
}

/// Returns the built-in networks whose variables have the names and shapes of the tensors.
fn networks(loaded: &Loaded) -> Vec<&'static str> {
    let fits = |model: &&striate_models::Model| {
        (model.build)().is_ok_and(|network| check_weights(&network, &loaded.weights).is_ok())
    };
    striate_models::all().iter().filter(fits).map(|model| model.name).collect()
}
