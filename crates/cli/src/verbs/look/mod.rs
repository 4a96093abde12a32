//! `striate look`

mod facts;
mod folder;
mod patches;

use std::path::Path;

use anyhow::Result;
use striate_data::Spec;
use striate_engine::Precision;
use striate_formats::ModelFile;
use striate_insight::{FirstKernels, Heat, Look as Seen, Picture, Shifts, class_named};
use striate_predict::{Classifier, Guess, check_preprocessing, open_model, read_again};
use striate_tensor::Shape;
use striate_tensor::text::printable_path;
use striate_vision::{Image, network_pixels};

use self::facts::{Explained, Facts};
use self::folder::Target;
use super::predict::files::read_image;
use crate::arguments::Look;
use crate::device::{Chosen, Macs};
use crate::effect::{Input, refuse_given, refuse_without_image_files};
use crate::outputs::refuse_in_data;
use crate::progress::job_bar;
use crate::weights;

/// A file to write: its name, what it contains, its bytes.
type Written = (String, String, Vec<u8>);

pub fn run(args: Look) -> Result<()> {
    let inputs = Input::classifier(&args.model, args.images.network.as_deref());
    args.images.reading.refuse_unused(&inputs)?;
    let is_lower = args.compute.precision.is_some_and(|precision| precision != Precision::F32);
    refuse_given(
        &[("--precision", is_lower)],
        "does not apply: maps and their gradients are computed in f32",
    )?;
    let target = Target::of(args.out.as_deref(), args.image.as_deref())?;
    check_data(&args, &target)?;
    let options = args.images.options();
    let again = read_again(&args.model, &options);
    let (model, mut notes) = open_model(&args.model, &options)?;
    let macs = if args.data.is_some() { Macs::Many } else { Macs::of(&model.network, RUNS) };
    let name = model.network.name.clone();
    let at = || printable_path(&args.model);
    let kernels = first_kernels(&model).map_err(|e| e.at(at()))?;
    let classifier = Classifier::with_source(model, again, Chosen::open(&args.compute, macs)?.device());
    let classifier = classifier.map_err(|e| e.at(at()))?;
    classifier.image_preprocessing().map_err(|e| e.at(at()))?;
    let head = classifier.head().map_err(|e| e.at(at()))?;
    notes.extend(head.note().map(str::to_owned));
    let mut files: Vec<Written> = Vec::new();
    let explained = match &args.image {
        None => None,
        Some(path) => Some(explain(&classifier, path, &args, &name, &mut files)?),
    };
    for kernels in kernels.iter().filter(|_| args.image.is_some()) {
        push(&mut files, kernels.picture())?;
    }
    let searched = match (&args.data, &args.layer) {
        (Some(data), Some(layer)) => Some(patches::search(&classifier, data, layer, &args, &mut files)?),
        _ => None,
    };
    target.write(&files)?;
    weights::print_notes(&args.model, &notes);
    let facts = Facts { target: &target, files: &files, explained, searched, network: name };
    if args.compute.json { facts.print_json() } else { facts.print() }
}

/// About as many runs of the network as covering parts of an image takes.
const RUNS: u64 = 256;

/// The weights of the first layer of `model` as images, in the order of colors of its preprocessing.
fn first_kernels(model: &ModelFile) -> striate_tensor::Result<Option<FirstKernels>> {
    let form = model.image_preprocessing();
    form.map_or(Ok(()), |form| check_preprocessing(form, &model.network))?;
    Ok(FirstKernels::of(&model.network, &model.weights, form))
}

/// Refuses an output that would be read as data, and flags that need image files if there are none.
fn check_data(args: &Look, target: &Target) -> striate_tensor::Result<()> {
    let Some(data) = &args.data else {
        return refuse_given(&[args.cache.flag()], "applies to the images of --data");
    };
    refuse_in_data("--out", target.path(), &Spec::parse(data)?)?;
    refuse_without_image_files(&[args.cache.flag()], data)
}

/// Explains the image at `path`; the pictures and arrays are added to `files`.
fn explain(
    classifier: &Classifier,
    path: &Path,
    args: &Look,
    network: &str,
    files: &mut Vec<Written>,
) -> Result<Explained> {
    let image = read_image(path, args.images.max_pixels())?;
    let guesses =
        classifier.guesses(&image, classifier.classes().len()).map_err(|e| e.at(printable_path(path)))?;
    let class = match &args.class {
        Some(text) => {
            class_named(classifier.classes(), text).map_err(|e| e.at(printable_path(&args.model)))?
        }
        None => guesses[0].index,
    };
    let bar = job_bar(0, "covering the image");
    let layer = args.layer.as_deref();
    let seen = Seen::new(classifier, &image, class, layer, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let seen = seen?;
    let guess: Guess =
        guesses.into_iter().find(|guess| guess.index == class).expect("every class is among the guesses");
    let title = format!("{}, {:.1} % ({network})", guess.class, guess.score * 100.0);
    for picture in seen.pictures(&title) {
        push(files, picture)?;
    }
    let maps = [
        ("grad-cam", seen.grad_cam.as_ref().map(|(_, heat)| heat)),
        ("saliency", Some(&seen.saliency)),
        ("occlusion", Some(&seen.occluded.drops)),
    ];
    for (name, heat) in maps {
        let Some(heat) = heat else { continue };
        files.push(array(name, heat));
    }
    let shifts = args.shifts.map(|most| moved(classifier, &image, class, most)).transpose()?;
    if let Some(shifts) = &shifts {
        push(files, shifts.picture(classifier.classes(), network))?;
        files.push(array("shifts", &shifts.probabilities));
    }
    Ok(Explained { image: path.to_owned(), guess, is_best: args.class.is_none(), seen, shifts })
}

/// Measures the probability of `class` for moved copies of `image`.
fn moved(
    classifier: &Classifier,
    image: &Image,
    class: usize,
    most: usize,
) -> striate_tensor::Result<Shifts> {
    let (shape, pixels) = network_pixels(classifier.image_preprocessing()?, image);
    let bar = job_bar(0, "moving the image");
    let shifts = Shifts::new(classifier, shape, &pixels, class, most, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    shifts.map_err(|e| e.at("--shifts"))
}

/// The numbers of a map as an array file.
fn array(name: &str, heat: &Heat) -> Written {
    let bytes = striate_tensor::npy::bytes(&Shape::from([heat.height, heat.width]), &heat.values);
    (format!("{name}.npy"), format!("its numbers, {}x{}", heat.height, heat.width), bytes)
}

/// Adds a picture to `files`.
fn push(files: &mut Vec<Written>, Picture { name, what, image }: Picture) -> striate_tensor::Result<()> {
    files.push((format!("{name}.png"), what, striate_vision::encode_png(&image)?));
    Ok(())
}
