//! A file of weights that carries no network, as a list of its tensors.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use striate_formats::{Loaded, check_weights, count_parameters, read_weights};

use crate::output::{grouped, sides, table};
use crate::{json, weights};

/// What the file `name` holds, if it is one of weights.
pub(super) fn read(name: &str) -> Result<Option<Loaded>> {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_network = matches!(extension, Some("toml" | "onnx"));
    if is_network || !path.is_file() {
        return Ok(None);
    }
    let loaded = read_weights(path)?;
    weights::say_all(path, &loaded.notes);
    Ok(Some(loaded))
}

/// Prints the tensors of `loaded`, which stood in the file `name`, and the networks whose weights they are.
pub(super) fn print(name: &str, loaded: &Loaded, as_json: bool) -> Result<()> {
    let numbers = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let params = count_parameters(&loaded.weights) as u64;
    let networks = networks(loaded);
    if as_json {
        let one = |(name, (shape, _)): (&String, &(_, _))| {
            let shape: &striate_tensor::Shape = shape;
            json!({ "name": name, "shape": **shape, "params": numbers(shape) })
        };
        let tensors: Vec<_> = loaded.weights.iter().map(one).collect();
        return Ok(json::print(
            &json!({ "name": name, "params": params, "tensors": tensors, "networks": networks }),
        )?);
    }
    println!("{name}: weights alone, without a network");
    let mut rows = vec![["tensor", "shape", "numbers"].map(str::to_owned).to_vec()];
    rows.extend(
        loaded
            .weights
            .iter()
            .map(|(name, (shape, _))| vec![name.clone(), sides(shape), grouped(numbers(shape))]),
    );
    print!("{}", table(&rows));
    println!("{} tensors, {} parameters", loaded.weights.len(), grouped(params));
    let file = Path::new(name).with_extension("").display().to_string();
    match &networks[..] {
        [] => println!(
            "of no network here under these names; --model of `striate convert` holds them against one"
        ),
        [first, ..] => println!(
            "names and shapes are those of {}: striate convert {name} {file}-model.safetensors --model {first}",
            networks.join(", ")
        ),
    }
    Ok(())
}

/// The networks of the history whose variables the tensors are, by name and shape.
fn networks(loaded: &Loaded) -> Vec<&'static str> {
    let fits = |model: &&striate_models::Model| {
        (model.build)().is_ok_and(|network| check_weights(&network, &loaded.weights).is_ok())
    };
    striate_models::all().iter().filter(fits).map(|model| model.name).collect()
}
