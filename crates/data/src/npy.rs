//! Data sets of one's own as NumPy files: `images.npy` `[N, C, H, W]` f32, used as they are, and
//! `labels.npy` `[N]`; with `val_images.npy` and `val_labels.npy` for validation.

use std::path::Path;

use striate_tensor::{Error, Result, npy};

use crate::{Dataset, Pixels, Split};

pub(crate) fn load(folder: &Path) -> Result<Dataset> {
    if !folder.is_dir() {
        let what =
            format!("{} is no folder; npy: takes one with images.npy and labels.npy", folder.display());
        return Err(Error::input(what));
    }
    let train = split(folder, "images.npy", "labels.npy")?;
    let has_validation = folder.join("val_images.npy").exists();
    let validation =
        if has_validation { Some(split(folder, "val_images.npy", "val_labels.npy")?) } else { None };
    let labels = train.labels.iter().chain(validation.iter().flat_map(|split| &split.labels));
    let classes = labels.max().map_or(0, |label| *label as usize + 1);
    if let Some(other) = validation.as_ref().filter(|split| split.shape != train.shape) {
        let what = format!("images are {:?} but validation images {:?}", train.shape, other.shape);
        return Err(Error::input(what).at(folder.display()));
    }
    Ok(Dataset {
        name: format!("npy:{}", folder.display()),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        train,
        validation,
        test: None,
        preprocessing: None,
        predict: None,
    })
}

/// More classes than this are a mistake in the labels.
const MOST_CLASSES: i64 = 1 << 20;

fn split(folder: &Path, images: &str, labels: &str) -> Result<Split> {
    let (images, labels) = (folder.join(images), folder.join(labels));
    let (x, y) = (npy::read(&images)?, npy::read(&labels)?);
    let &[n, c, h, w] = &x.shape[..] else {
        let what = format!("has shape {}; images are [N, C, H, W]", x.shape);
        return Err(Error::input(what).at(images.display()));
    };
    if n == 0 || c * h * w == 0 {
        return Err(Error::input("has no images").at(images.display()));
    }
    let pixels = Pixels::Numbers(x.to_f32().map_err(|e| e.at(images.display()))?);
    let values = y.to_i64().map_err(|e| e.at(labels.display()))?;
    if let Some(bad) = values.iter().find(|label| !(0..MOST_CLASSES).contains(*label)) {
        return Err(Error::input(format!("has the label {bad}; labels count from 0")).at(labels.display()));
    }
    let split = Split { shape: [c, h, w], pixels, labels: values };
    split.check(MOST_CLASSES as usize).map_err(|e| e.at(folder.display()))?;
    Ok(split)
}
