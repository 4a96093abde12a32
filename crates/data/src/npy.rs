//! Data sets of one's own as NumPy files: `images.npy` `[N, C, H, W]` f32, used as they are, and
//! `labels.npy` `[N]`; with `val_images.npy` and `val_labels.npy` for validation.

use std::path::Path;

use striate_tensor::{Error, Result, npy};

use crate::{Dataset, Pixels, Split, Survey};

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
        survey: Survey::default(),
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
        let what = format!("has the label {bad}; labels lie between 0 and {}", MOST_CLASSES - 1);
        return Err(Error::input(what).at(labels.display()));
    }
    let split = Split { shape: [c, h, w], pixels, labels: values };
    split.check(MOST_CLASSES as usize).map_err(|e| e.at(folder.display()))?;
    Ok(split)
}

#[cfg(test)]
mod tests {
    use striate_tensor::Shape;

    use super::*;
    use crate::scratch::Scratch;

    fn images(folder: &Scratch, name: &str, shape: &[usize]) {
        let shape = Shape::from(shape);
        npy::write(&folder.path().join(name), &shape, &vec![0.5f32; shape.numel()]).unwrap();
    }

    fn labels(folder: &Scratch, name: &str, values: &[i64]) {
        npy::write(&folder.path().join(name), &Shape::from([values.len()]), values).unwrap();
    }

    fn failure(folder: &Scratch) -> String {
        let error = load(folder.path()).unwrap_err();
        assert!(error.is_input());
        error.to_string()
    }

    #[test]
    fn arrays_are_used_as_they_are() {
        let folder = Scratch::new();
        images(&folder, "images.npy", &[3, 2, 4, 5]);
        labels(&folder, "labels.npy", &[0, 3, 1]);
        let set = load(folder.path()).unwrap();
        assert_eq!((set.train.len(), set.train.shape, set.classes.len()), (3, [2, 4, 5], 4));
        assert!(set.validation.is_none() && set.preprocessing.is_none());
        images(&folder, "val_images.npy", &[1, 2, 4, 5]);
        labels(&folder, "val_labels.npy", &[6]);
        let set = load(folder.path()).unwrap();
        assert_eq!((set.evaluation().0, set.classes.last().unwrap().as_str()), ("validation", "6"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let folder = Scratch::new();
        assert!(failure(&folder).contains("images.npy"));
        images(&folder, "images.npy", &[3, 2, 4, 5]);
        assert!(failure(&folder).contains("labels.npy"));
        for (values, why) in [
            (&[0, 1][..], "3 images but 2 labels"),
            (&[0, 1, -1], "label -1"),
            (&[0, 1, 1 << 20], "has the label 1048576; labels lie between 0 and 1048575"),
            (&[0, 1, i64::MAX], "between 0 and"),
        ] {
            labels(&folder, "labels.npy", values);
            let text = failure(&folder);
            assert!(text.contains(why), "{text}");
        }
        labels(&folder, "labels.npy", &[0, 1, 2]);
        for (shape, why) in
            [(&[3, 40][..], "[N, C, H, W]"), (&[0, 2, 4, 5], "no images"), (&[3, 0, 4, 5], "no images")]
        {
            images(&folder, "images.npy", shape);
            assert!(failure(&folder).contains(why), "{shape:?}");
        }
        images(&folder, "images.npy", &[3, 2, 4, 5]);
        images(&folder, "val_images.npy", &[3, 2, 4, 6]);
        labels(&folder, "val_labels.npy", &[0, 1, 2]);
        assert!(failure(&folder).contains("[2, 4, 6]"));
        folder.file("images.npy", b"\x93NUMPY\x01\x00");
        assert!(failure(&folder).contains("cut off"));
    }
}
