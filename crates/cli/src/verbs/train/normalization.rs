//! The normalization of images when training starts from given weights: the one these were trained with.

use anyhow::Result;
use striate_data::{Dataset, Pixels};
use striate_formats::{IntegerType, Loaded};
use striate_graph::Network;
use striate_predict::{PREPROCESSING_WORDS, Resolved, Source, WeightsFacts, check_integers, check_values};
use striate_tensor::Error;
use striate_train::{Origin, Settings};
use striate_vision::{Preprocessing, Step};

/// Gives `settings` the normalization of the given weights: the one `asked` for, else that of the file `loaded`, else
/// that of the model `given` as the network called `name`. Returns notes on what was left open.
pub fn choose(
    settings: &mut Settings,
    network: &Network,
    dataset: &Dataset,
    (name, given): (&str, &Resolved),
    loaded: Option<&Loaded>,
    asked: Option<&str>,
) -> Result<Vec<String>> {
    let (facts, own) = match loaded {
        Some(loaded) => (WeightsFacts::of(loaded, Some((name, &given.facts))), loaded.model.as_ref()),
        None if given.model.is_some() => (given.facts.clone(), given.model.as_ref()),
        None if asked.is_none() => return Ok(vec![]),
        None => {
            let what = "--preprocessing is that of given weights; training from scratch takes mean and standard \
                        deviation of the training images, or --set data.mean=[...] and --set data.std=[...]";
            return Err(Error::input(what).into());
        }
    };
    let mut notes = Vec::new();
    let carried = own.map_or([None; 2], |own| [own.preprocessing.as_ref(), own.predict.as_ref()]);
    // What a file carries is for its own network, which may be of another size.
    let against = own.filter(|_| asked.is_none()).map_or(network, |own| &own.network);
    let form = facts.preprocessing(against, carried, asked, &mut notes)?;
    let Some(images) = &dataset.preprocessing else {
        check_arrays(dataset, facts.integers, asked)?;
        return Ok(notes);
    };
    match form {
        Some((form, source)) if form.channels == images.channels => {
            refuse_bgr(&form, &source)?;
            settings.normalize_as(&form, &origin(source, name));
        }
        _ => notes.push(format!(
            "the preprocessing of the given weights is unknown; if you know it, use --preprocessing \
             {PREPROCESSING_WORDS}"
        )),
    }
    if let Some(taken) = facts.integers {
        check_images(settings, images, taken, name)?;
    }
    Ok(notes)
}

/// Refuses a normalization of `images` that does not yield the integers that the input of the network called `name`
/// takes.
fn check_images(settings: &Settings, images: &Preprocessing, taken: IntegerType, name: &str) -> Result<()> {
    let data = &settings.recipe.data;
    let (Some(mean), Some(std)) = (&data.mean, &data.std) else {
        let what = format!("the network's input takes {taken}");
        let advice = "state its preprocessing with --preprocessing FILE.json";
        return Err(Error::input(what).at(name).advising(advice).into());
    };
    let form = Preprocessing { mean: mean.clone(), std: std.clone(), steps: vec![], ..images.clone() };
    let at = |e: Error| e.at("data.mean and data.std");
    form.check().map_err(at)?;
    Ok(check_integers(&form, taken).map_err(|e| at(e).advising("choose values that yield such integers"))?)
}

/// Where the summary says that the normalization comes from.
fn origin(source: Source, name: &str) -> Origin {
    match source {
        Source::Asked(asked) => Origin::Flag(format!("--preprocessing {asked}")),
        Source::Model => Origin::Rule("that of the given weights".into()),
        Source::Metadata(keys) => Origin::Rule(format!("as the metadata {keys} state")),
        Source::Bytes => Origin::Rule("the input takes bytes (uint8)".into()),
        Source::Published => Origin::Rule(format!("as published for the weights of {name}")),
    }
}

/// Refuses arrays that do not suit an input of integers, and preprocessing for arrays.
fn check_arrays(dataset: &Dataset, taken: Option<IntegerType>, asked: Option<&str>) -> Result<()> {
    if asked.is_some() {
        return Err(Error::input("--preprocessing applies only to images; arrays are used unchanged").into());
    }
    if let (Some(taken), Pixels::Numbers(numbers)) = (taken, &dataset.train.pixels) {
        check_values(numbers.iter().copied(), taken).map_err(|e| e.at("the training arrays"))?;
    }
    Ok(())
}

/// Refuses weights that take blue before red, since images are trained on as RGB.
fn refuse_bgr(form: &Preprocessing, source: &Source) -> Result<()> {
    if form.steps.iter().filter(|step| **step == Step::SwapRedBlue).count() % 2 == 0 {
        return Ok(());
    }
    let place = match source {
        Source::Asked(asked) => format!("--preprocessing {asked}"),
        _ => "the given weights".into(),
    };
    let what = "is for BGR, but images are trained on as RGB; convert the weights first: striate convert IN \
                OUT.safetensors --bgr --preprocessing caffe, with --model NAME unless IN has a network";
    Err(Error::input(what).at(place).into())
}
