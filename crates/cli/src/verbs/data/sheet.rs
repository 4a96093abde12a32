//! The contact sheet of `striate data info --picture`.

use std::path::Path;

use striate_data::{Described, Medium, Pixels, Split};
use striate_tensor::text::{counted, grouped};
use striate_tensor::{Error, Result};
use striate_vision::{ClassRow, Image, SHEET_COLUMNS, SHEET_ROWS, contact_sheet, encode_png};

use crate::outputs::write_file;

/// Writes a picture of samples of each class in the first part of `dataset`, which was given as `spec`.
pub fn write(path: &Path, dataset: &Described, spec: &str) -> Result<()> {
    let (part, split) = &dataset.parts[0];
    let mut members: Vec<Vec<usize>> = vec![vec![]; dataset.classes.len()];
    split.labels.iter().enumerate().for_each(|(index, label)| members[*label as usize].push(index));
    let medium = Medium::of(spec);
    if medium != Medium::Image {
        let what = format!("{spec}: {}s are not drawn; omit --picture", medium.name());
        return Err(Error::input(what));
    }
    if let Pixels::Numbers(_) = split.pixels {
        return Err(Error::input(format!(
            "{spec}: its arrays contain values of any range, not bytes, so no picture can be drawn; omit --picture"
        )));
    }
    let classes = dataset.classes.iter().zip(&members).take(SHEET_ROWS);
    let rows: Vec<ClassRow> = classes.map(|(name, own)| row(split, name, own)).collect::<Result<_>>()?;
    let classes = dataset.classes.len();
    let shown = match classes > SHEET_ROWS {
        true => format!("the first {SHEET_ROWS} of {} classes", grouped(classes as u64)),
        false => counted(classes, "class"),
    };
    let details =
        format!("{part}: {}; {shown}, up to {SHEET_COLUMNS} samples of each", counted(split.len(), "image"));
    write_file(path, &encode_png(&contact_sheet(&dataset.name, &details, &rows))?)
}

/// Returns a class with samples from all of its images.
fn row(split: &Split, name: &str, members: &[usize]) -> Result<ClassRow> {
    let count = members.len().min(SHEET_COLUMNS);
    let samples = (0..count).map(|sample| split.image(members[sample * members.len() / count]));
    let samples: Vec<Image> = samples.collect::<Result<_>>()?;
    Ok(ClassRow { name: name.to_owned(), count: members.len(), samples, mixtures: vec![] })
}
