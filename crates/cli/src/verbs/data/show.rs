//! `striate data show`

use anyhow::Result;
use serde_json::json;
use striate_data::{Medium, Spec};
use striate_formats::ReadOptions;
use striate_tensor::Error;
use striate_tensor::text::{counted, printable};
use striate_train::{ClassSamples, Samples, Settings, load_data, samples};
use striate_vision::{ClassRow, SHEET_COLUMNS, SHEET_ROWS, contact_sheet, encode_png};

use crate::arguments::DataShow;
use crate::json;
use crate::output::{argument, survey_lines};
use crate::outputs::{self, Output, refuse_in_data, write_file};
use crate::reading::Cache;
use crate::verbs::train::{asked, with_flags};
use crate::weights;

pub fn run(args: DataShow) -> Result<()> {
    outputs::check([Output::picture("--picture", &args.picture)], &[])?;
    let given = args.recipe.as_deref().map(Settings::named).transpose()?;
    let mut flags: Vec<(&str, String)> = Vec::new();
    flags.extend(args.model.as_deref().map(|model| ("MODEL", format!("model.name={}", json!(model)))));
    flags.extend(args.data.as_deref().map(|data| ("--data", format!("data.spec={}", json!(data)))));
    // As with `data info`, images that cannot be read are not shown.
    flags.push(("data show", "data.unreadable=skip".to_owned()));
    flags.extend(args.set.iter().map(|assignment| ("--set", assignment.clone())));
    let asked = asked(given.as_ref(), &flags)?;
    let (model, spec) = (&asked.model.name, &asked.data.spec);
    let kind = Spec::parse(spec)?;
    refuse_in_data("--picture", &args.picture, &kind)?;
    if let Some(medium @ (Medium::Sound | Medium::Text)) = kind.medium() {
        let what = format!("{spec}: {}s are not drawn; specify images", medium.name());
        return Err(Error::input(what).into());
    }
    let network = weights::resolve(model, &ReadOptions::default())?.network.channels_first();
    let settings = given.map_or_else(|| Settings::chosen(model, spec, &network, false), Ok)?;
    let settings = with_flags(settings, &flags)?;
    let recipe = &settings.recipe;
    let dataset = load_data(recipe, &network, false, Cache::default().options())?;
    let lines = survey_lines(&dataset.survey, "unreadable, not shown");
    lines.iter().for_each(|line| eprintln!("{}: {line}", printable(spec)));
    let classes = dataset.classes.len();
    let Samples { images, classes: shown } = samples(&settings, dataset, SHEET_ROWS, SHEET_COLUMNS)?;
    let (augmentation, field) = match recipe.data.transforms.is_empty() {
        true => (recipe.data.augment.clone(), "data.augment"),
        false => (counted(recipe.data.transforms.0.len(), "transform"), "data.transforms"),
    };
    let origin = settings.origin(field);
    let title = format!("{spec} as {model} is trained on it");
    let shown_of = match classes > shown.len() {
        true => format!("the first {} of {}", shown.len(), counted(classes, "class")),
        false => counted(classes, "class"),
    };
    let (mixup, cutmix) = (recipe.data.mixup, recipe.data.cutmix);
    let mixing = [("mixup", mixup), ("cutmix", cutmix)].into_iter().filter(|(_, alpha)| *alpha > 0.0);
    let mixing: String = mixing.map(|(name, alpha)| format!(", {name} {alpha}")).collect();
    let images_of = counted(images, "training image");
    let details = format!("augmentation {augmentation}{mixing}; {images_of}, {shown_of}");
    let sheet = contact_sheet(&title, &details, &shown.into_iter().map(row).collect::<Vec<_>>());
    write_file(&args.picture, &encode_png(&sheet)?)?;
    if args.json {
        return Ok(json::print(&json!({
            "picture": json::path(&args.picture),
            "augmentation": augmentation,
            "origin": origin.to_string(),
            "mixup": mixup,
            "cutmix": cutmix,
            "images": images,
            "classes": classes,
        }))?);
    }
    println!("{details} (augmentation: {origin})");
    println!("picture {}", argument(&args.picture.to_string_lossy()));
    Ok(())
}

fn row(ClassSamples { class, count, samples }: ClassSamples) -> ClassRow {
    let (samples, mixtures) = samples.into_iter().map(|sample| (sample.image, sample.mixture)).unzip();
    ClassRow { name: class, count, samples, mixtures }
}
