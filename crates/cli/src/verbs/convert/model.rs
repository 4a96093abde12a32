//! The model that `striate convert` writes: weights, network, classes, preprocessing, example.

use striate_formats::{Loaded, ModelFile};
use striate_graph::Network;
use striate_predict::{
    PREPROCESSING_WORDS, WeightsFacts, choose_preprocessing, inherited, name_classes, read_names,
};
use striate_tensor::Result;
use striate_tensor::text::printable_path;

use crate::arguments::Convert;

/// Builds the model of `network` with the loaded weights, whose `facts` determine the preprocessing. Metadata of an
/// input model file are kept where they still hold; its evaluation and example are dropped if --bgr has changed the
/// weights.
pub fn build(
    network: Network,
    loaded: Loaded,
    mut facts: WeightsFacts,
    args: &Convert,
    notes: &mut Vec<String>,
) -> Result<ModelFile> {
    facts.was_bgr |= args.bgr;
    let mut model = inherited(network, loaded, args.bgr)?;
    match &args.names {
        Some(source) => model.classes = read_names(source, model.classes.len())?,
        None => name_classes(&mut model, &facts.metadata, notes),
    }
    let is_known = choose_preprocessing(&mut model, &facts, args.preprocessing.as_deref(), notes);
    let is_known = is_known.map_err(|e| e.at(printable_path(&args.from)))?;
    if !is_known && model.network.image().is_ok() {
        notes.push(format!(
            "the preprocessing is unknown, so the model takes only arrays; for images, use \
             --preprocessing {PREPROCESSING_WORDS}"
        ));
    }
    if let Some(taken) = facts.integers {
        let (to, taken) = (printable_path(&args.to), taken.name);
        notes.push(format!("the input of {to} is float instead of {taken}, with the same values"));
    }
    Ok(model)
}
