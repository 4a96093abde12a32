//! Data sets as NumPy files: `images.npy` `[N, C, H, W]` f32, used unchanged, and `labels.npy` `[N]`, with
//! `val_images.npy` and `val_labels.npy` for validation.

use std::path::Path;

use striate_tensor::{DType, Error, Result, npy};

use crate::evaluation::Measured;
use crate::{Dataset, LoadOptions, PartSurvey, Pixels, Split, Survey};

/// Limit of classes; more are taken for a mistake in the labels.
const MOST_CLASSES: i64 = 1 << 20;

/// Loads the data set in `folder`. Every class up to the largest label must have a training image.
pub(crate) fn load(folder: &Path, options: &LoadOptions) -> Result<Dataset> {
    let parts = Parts::read(folder, options)?;
    let classes = class_count(&parts.train);
    let counts = parts.train.counts(classes);
    refuse_empty_classes(&counts).map_err(|e| e.at(folder.join("labels.npy").display()))?;
    let mut survey = Survey::default();
    let missing = counts_missing(&parts.train, classes);
    survey.parts.push(PartSurvey { name: "train", folder: None, count: parts.train.len(), missing });
    if let Some(validation) = &parts.validation {
        let file = folder.join("val_labels.npy");
        refuse_untrained(validation, classes).map_err(|e| e.at(file.display()))?;
        let missing = counts_missing(validation, classes);
        survey.parts.push(PartSurvey { name: "validation", folder: None, count: validation.len(), missing });
    }
    Ok(Dataset {
        name: format!("npy:{}", folder.display()),
        classes: numbered(classes),
        train: parts.train,
        validation: parts.validation,
        test: None,
        preprocessing: None,
        predict: None,
        encoding: None,
        survey,
    })
}

/// Loads the part in `folder` that a model is evaluated on: the validation part, or else all of it. Classes
/// without images are allowed.
pub(crate) fn load_measured(folder: &Path, options: &LoadOptions) -> Result<Measured> {
    let parts = Parts::read(folder, options)?;
    let (part, split) = match parts.validation {
        Some(validation) => ("validation", validation),
        None => ("all", parts.train),
    };
    let classes = numbered(class_count(&split));
    let own = PartSurvey { name: part, folder: None, count: split.len(), missing: vec![] };
    let survey = Survey { parts: vec![own], ..Survey::default() };
    Ok(Measured { part, split, classes, preprocessing: None, survey })
}

struct Parts {
    train: Split,
    validation: Option<Split>,
}

impl Parts {
    fn read(folder: &Path, options: &LoadOptions) -> Result<Parts> {
        if !folder.is_dir() {
            return Err(Error::input(format!(
                "{}: not a folder; npy: expects a folder with images.npy and labels.npy",
                folder.display()
            )));
        }
        let train = split(folder, "images.npy", "labels.npy")?;
        let has_validation = folder.join("val_images.npy").exists();
        let validation =
            if has_validation { Some(split(folder, "val_images.npy", "val_labels.npy")?) } else { None };
        if let Some(other) = validation.as_ref().filter(|split| split.shape != train.shape) {
            let what = format!("images are {:?}, but validation images {:?}", train.shape, other.shape);
            return Err(Error::input(what).at(folder.display()));
        }
        let [c, h, w] = train.shape;
        let fits =
            options.size.is_none_or(|size| size == [h, w]) && options.channels.is_none_or(|own| own == c);
        if !fits {
            let [height, width] = options.size.unwrap_or([h, w]);
            let channels = options.channels.unwrap_or(c);
            return Err(Error::input(format!(
                "{}: images are {c}x{h}x{w} where {channels}x{height}x{width} is needed; arrays are used \
                 unchanged, so save them in that size",
                folder.join("images.npy").display()
            )));
        }
        Ok(Parts { train, validation })
    }
}

fn class_count(split: &Split) -> usize {
    split.labels.iter().max().map_or(0, |label| *label as usize + 1)
}

fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

fn counts_missing(split: &Split, classes: usize) -> Vec<String> {
    let counts = split.counts(classes);
    (0..classes).filter(|class| counts[*class] == 0).map(|class| class.to_string()).collect()
}

/// Refuses training labels that leave classes without images.
fn refuse_empty_classes(counts: &[usize]) -> Result<()> {
    if counts.len() == 1 {
        return Err(Error::input("all labels are 0; training needs 2 or more classes"));
    }
    let Some(first) = counts.iter().position(|count| *count == 0) else { return Ok(()) };
    let empty = counts.iter().filter(|count| **count == 0).count();
    let used = counts.len() - empty;
    let last = counts.len() - 1;
    let what = match first {
        0 if counts[empty..].iter().all(|count| *count > 0) => {
            format!("labels run from {empty} to {last}, but must start at 0; save labels - {empty}")
        }
        _ if counts[..used - 1].iter().all(|count| *count > 0) && last == 255 => format!(
            "{used} classes occur, one of them labeled 255, which often marks images to be ignored; remove \
             these images or label them {}",
            used - 1
        ),
        _ => format!(
            "{empty} of {} classes have no images, first class {first}; number the classes from 0 without \
             gaps, for instance with numpy.unique(labels, return_inverse=True)",
            counts.len()
        ),
    };
    Err(Error::input(what))
}

/// Refuses validation labels of classes that training does not have.
fn refuse_untrained(validation: &Split, classes: usize) -> Result<()> {
    match validation.labels.iter().position(|label| *label >= classes as i64) {
        None => Ok(()),
        Some(at) => Err(Error::input(format!(
            "image {at} has the label {}, but training has only classes 0 to {}",
            validation.labels[at],
            classes.saturating_sub(1)
        ))),
    }
}

fn split(folder: &Path, images: &str, labels: &str) -> Result<Split> {
    let (images, labels) = (folder.join(images), folder.join(labels));
    let (x, y) = (npy::read(&images)?, npy::read(&labels)?);
    let at_images = |e: Error| e.at(images.display());
    let shape = image_shape(&x.shape).map_err(at_images)?;
    if x.dtype != DType::F32 {
        let what = format!("contains {}, but images must be float32; save x.astype(numpy.float32)", x.dtype);
        return Err(at_images(Error::input(what)));
    }
    let pixels = x.to_f32().map_err(at_images)?;
    refuse_non_finite(&pixels, &x.shape).map_err(at_images)?;
    let values = label_values(&y).map_err(|e| e.at(labels.display()))?;
    let split = Split { shape, pixels: Pixels::Numbers(pixels), labels: values, files: None };
    split.check(MOST_CLASSES as usize).map_err(|e| e.at(folder.display()))?;
    Ok(split)
}

/// Channels, height and width of images of `shape`.
fn image_shape(shape: &[usize]) -> Result<[usize; 3]> {
    let &[n, c, h, w] = shape else {
        let shape = striate_tensor::Shape::from(shape);
        return Err(Error::input(format!("has the shape {shape}, but images are [N, C, H, W]")));
    };
    if n == 0 || c * h * w == 0 {
        return Err(Error::input("has no images"));
    }
    if c > 4 && w <= 4 {
        return Err(Error::input(format!(
            "has the shape [{n}, {c}, {h}, {w}], which looks like channels last; images are [N, C, H, W]: save \
             numpy.ascontiguousarray(x.transpose(0, 3, 1, 2))"
        )));
    }
    Ok([c, h, w])
}

/// Refuses NaN and infinity, naming the first.
fn refuse_non_finite(values: &[f32], shape: &[usize]) -> Result<()> {
    let Some(first) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let count = values.iter().filter(|value| !value.is_finite()).count();
    let &[_, c, h, w] = shape else { return Err(Error::input("has values that are not finite")) };
    let place = [first / (c * h * w), first / (h * w) % c, first / w % h, first % w];
    Err(Error::input(format!(
        "{} NaN or infinite, the first ({}) at index {place:?}; replace them, for instance with \
         numpy.nan_to_num, or remove these images",
        if count == 1 { "1 value is".to_owned() } else { format!("{count} values are") },
        values[first]
    )))
}

/// The labels in an array `[N]` of integers.
fn label_values(array: &npy::Array) -> Result<Vec<i64>> {
    if array.shape.len() != 1 {
        return Err(Error::input(format!(
            "has the shape {}, but labels are [N], one number per image; for one-hot rows, save \
             labels.argmax(axis=1)",
            array.shape
        )));
    }
    let integer = matches!(array.dtype, DType::I64 | DType::I32 | DType::U8);
    if !integer {
        let what =
            format!("contains {}, but labels must be integers; save labels.astype(numpy.int64)", array.dtype);
        return Err(Error::input(what));
    }
    let values = array.to_i64()?;
    match values.iter().find(|label| !(0..MOST_CLASSES).contains(*label)) {
        None => Ok(values),
        Some(bad) => {
            Err(Error::input(format!("has the label {bad}; labels must be from 0 to {}", MOST_CLASSES - 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use striate_tensor::{Element, Shape};

    use super::*;
    use crate::scratch::Scratch;

    fn write<T: Element>(folder: &Scratch, name: &str, shape: &[usize], values: &[T]) {
        folder.file(name, &npy::bytes(&Shape::from(shape), values));
    }

    fn images(folder: &Scratch, name: &str, shape: &[usize]) {
        write(folder, name, shape, &vec![0.5f32; shape.iter().product()]);
    }

    fn labels(folder: &Scratch, name: &str, values: &[i64]) {
        write(folder, name, &[values.len()], values);
    }

    fn loaded(folder: &Scratch) -> Result<Dataset> {
        load(folder.path(), &LoadOptions::default())
    }

    fn failure(folder: &Scratch) -> String {
        let error = loaded(folder).unwrap_err();
        assert!(error.is_input() && !error.to_string().contains('\n'));
        error.to_string()
    }

    #[test]
    fn arrays_are_used_unchanged() {
        let folder = Scratch::new();
        images(&folder, "images.npy", &[3, 2, 4, 5]);
        labels(&folder, "labels.npy", &[0, 2, 1]);
        let set = loaded(&folder).unwrap();
        assert_eq!((set.train.len(), set.train.shape, set.classes.len()), (3, [2, 4, 5], 3));
        assert!(set.validation.is_none() && set.preprocessing.is_none());
        images(&folder, "val_images.npy", &[1, 2, 4, 5]);
        labels(&folder, "val_labels.npy", &[1]);
        let set = loaded(&folder).unwrap();
        assert_eq!((set.evaluation().0, set.classes.last().unwrap().as_str()), ("validation", "2"));
        assert_eq!(set.survey.parts[1].missing, ["0", "2"]);
    }

    #[test]
    fn labels_of_narrower_integers_are_read() {
        let folder = Scratch::new();
        images(&folder, "images.npy", &[3, 1, 4, 5]);
        write(&folder, "labels.npy", &[3], &[2u8, 0, 1]);
        assert_eq!(loaded(&folder).unwrap().train.labels, [2, 0, 1]);
        write(&folder, "labels.npy", &[3], &[1i32, 0, 2]);
        assert_eq!(loaded(&folder).unwrap().train.labels, [1, 0, 2]);
        write(&folder, "labels.npy", &[3], &[1f32, 0.0, 2.0]);
        assert!(failure(&folder).contains("labels.npy: contains f32, but labels must be integers"));
        write(&folder, "labels.npy", &[3, 2], &[0i64; 6]);
        assert!(failure(&folder).contains("one-hot rows"));
    }

    #[test]
    fn labels_that_leave_classes_empty_are_refused_for_training_only() {
        let folder = Scratch::new();
        images(&folder, "images.npy", &[3, 1, 4, 5]);
        for (values, why) in [
            ([0, 0, 0], "labels.npy: all labels are 0; training needs 2 or more classes"),
            ([1, 2, 3], "labels.npy: labels run from 1 to 3, but must start at 0; save labels - 1"),
            ([0, 255, 1], "3 classes occur, one of them labeled 255, which often marks images to be ignored"),
            ([0, 4, 0], "3 of 5 classes have no images, first class 1"),
        ] {
            labels(&folder, "labels.npy", &values);
            let text = failure(&folder);
            assert!(text.contains(why), "{text}");
            let measured = load_measured(folder.path(), &LoadOptions::default()).unwrap();
            assert_eq!(measured.split.labels, values);
        }
        labels(&folder, "labels.npy", &[0, 1, 0]);
        images(&folder, "val_images.npy", &[2, 1, 4, 5]);
        labels(&folder, "val_labels.npy", &[1, 2]);
        let text = failure(&folder);
        assert!(
            text.contains("val_labels.npy: image 1 has the label 2, but training has only classes 0 to 1"),
            "{text}"
        );
    }

    #[test]
    fn channels_last_and_non_finite_values_are_named() {
        let folder = Scratch::new();
        images(&folder, "images.npy", &[2, 32, 32, 3]);
        labels(&folder, "labels.npy", &[0, 1]);
        let text = failure(&folder);
        assert!(
            text.contains("images.npy: has the shape [2, 32, 32, 3], which looks like channels last"),
            "{text}"
        );
        assert!(text.contains("x.transpose(0, 3, 1, 2)"), "{text}");
        let mut values = vec![0.5f32; 2 * 3 * 4 * 5];
        (values[60 + 20 + 2 * 5 + 3], values[119]) = (f32::NAN, f32::INFINITY);
        write(&folder, "images.npy", &[2, 3, 4, 5], &values);
        let text = failure(&folder);
        assert!(
            text.contains("2 values are NaN or infinite, the first (NaN) at index [1, 1, 2, 3]"),
            "{text}"
        );
        values[119] = 0.5;
        write(&folder, "images.npy", &[2, 3, 4, 5], &values);
        assert!(failure(&folder).contains("images.npy: 1 value is NaN or infinite"));
        write(&folder, "images.npy", &[2, 3, 4, 5], &[7u8; 120]);
        assert!(failure(&folder).contains("images must be float32; save x.astype(numpy.float32)"));
    }

    #[test]
    fn arrays_of_a_size_other_than_requested_are_refused() {
        let folder = Scratch::new();
        images(&folder, "images.npy", &[2, 1, 8, 9]);
        labels(&folder, "labels.npy", &[0, 1]);
        let sized = |size| LoadOptions { size: Some(size), ..LoadOptions::default() };
        load(folder.path(), &sized([8, 9])).unwrap();
        let text = load(folder.path(), &sized([9, 9])).unwrap_err().to_string();
        assert!(text.contains("images are 1x8x9 where 1x9x9 is needed"), "{text}");
    }

    #[test]
    fn mismatched_files_are_refused() {
        let folder = Scratch::new();
        assert!(failure(&folder).contains("images.npy"));
        images(&folder, "images.npy", &[3, 2, 4, 5]);
        assert!(failure(&folder).contains("labels.npy"));
        for (values, why) in [
            (&[0, 1][..], "3 images but 2 labels"),
            (&[0, 1, -1], "label -1"),
            (&[0, 1, 1 << 20], "has the label 1048576; labels must be from 0 to 1048575"),
            (&[0, 1, i64::MAX], "labels must be from 0 to"),
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
        assert!(failure(&folder).contains("truncated"));
    }
}
