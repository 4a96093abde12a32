//! `striate look --data`: the patches of a data set's images that excite units most.

use anyhow::Result;
use striate_data::{LoadOptions, Prepared, Spec, Unreadable, load_for_evaluation};
use striate_insight::{ExcitingPatches, exciting_patches};
use striate_predict::Classifier;
use striate_tensor::text::{counted, printable, printable_path};
use striate_vision::{ClassRow, contact_sheet, encode_png};

use super::Written;
use crate::arguments::Look;
use crate::measured::{of_model, remaining_form};
use crate::output::survey_lines;
use crate::progress::job_bar;

/// What was searched, and what was found.
pub struct Searched {
    pub data: String,
    pub part: &'static str,
    pub images: usize,
    pub layer: String,
    pub units: Vec<ExcitingPatches>,
}

/// Searches the data set; the picture is added to `files`.
pub fn search(
    classifier: &Classifier,
    data: &str,
    layer: &str,
    args: &Look,
    files: &mut Vec<Written>,
) -> Result<Searched> {
    let spec = Spec::parse(data)?;
    let max_pixels = args.images.max_pixels();
    let options = LoadOptions { max_pixels, unreadable: Unreadable::Skip, ..args.cache.options() };
    let options = of_model(&spec, classifier, &args.model, options)?;
    // Labels are not needed, so the classes may be any.
    let any = |_: &[String], classes: &[String]| Ok(vec![0; classes.len()]);
    let loaded = load_for_evaluation(&spec, classifier.classes(), &options, any)?;
    let form = remaining_form(classifier, &spec, args.images.preprocessing.is_some());
    let prepared =
        Prepared::new(loaded.split, form.map_err(|e| e.at(printable_path(&args.model)))?.as_ref())?;
    let bar = job_bar(prepared.len(), "searching for patches");
    let units =
        exciting_patches(classifier, &prepared, layer, args.unit, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let units = units?;
    let lines = survey_lines(&loaded.survey, "unreadable, skipped");
    lines.iter().for_each(|line| eprintln!("{}: {line}", printable(data)));
    let rows: Vec<ClassRow> = units.iter().map(row).collect();
    let title = format!("patches that excite units of {layer} most");
    let details = format!("{}, strongest first, from {}", counted(units.len(), "unit"), printable(data));
    let what = format!("{title}: {details}");
    files.push(("patches.png".into(), what, encode_png(&contact_sheet(&title, &details, &rows))?));
    Ok(Searched {
        data: data.to_owned(),
        part: loaded.part,
        images: prepared.len(),
        layer: layer.to_owned(),
        units,
    })
}

fn row(unit: &ExcitingPatches) -> ClassRow {
    let samples = unit.patches.iter().map(|patch| patch.picture.clone()).collect();
    ClassRow { name: format!("unit {}", unit.unit), count: unit.patches.len(), samples, mixtures: vec![] }
}
