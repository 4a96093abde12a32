//! Image folders: `train/CLASS/…`, `val|valid|validation/CLASS/…` and `test/CLASS/…`, or `CLASS/…` alone.
//!
//! Classes are the folders' names, sorted as strings; what begins with a dot is ignored, and so are files
//! that no image's name has. All images are read and brought to one size at once, so that training
//! waits for no disk.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use striate_tensor::{Error, Result};
use striate_vision::{Filter, Image, Preprocessing, Step, decode, dimensions};

use crate::dataset::listed;
use crate::split::write_planar;
use crate::{Dataset, LoadOptions, Pixels, Split, Survey};

/// Names of the folder for validation.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];
/// Endings of images; files of a kind that cannot be read are named in an error, not passed over.
const ENDINGS: [&str; 11] =
    ["png", "jpg", "jpeg", "webp", "jpe", "jfif", "gif", "bmp", "tif", "tiff", "heic"];
/// Images are kept at their own size up to this side.
const LARGEST_OWN_SIDE: usize = 256;
/// The side that larger images are brought to; their shorter side to 8/7 of it, then the middle.
const USUAL_SIDE: usize = 224;
/// Files above this size are no images of a data set.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes that all images may take.
const MOST_MEMORY: usize = 1 << 35;
/// Folders within folders.
const DEEPEST: usize = 16;

/// The files of one part with their classes.
struct Listing {
    files: Vec<PathBuf>,
    labels: Vec<i64>,
}

/// The data set in the folder `root`.
pub(crate) fn load(root: &Path, options: &LoadOptions) -> Result<Dataset> {
    let train_folder = root.join("train");
    let has_parts = train_folder.is_dir();
    let base = if has_parts { &train_folder } else { root };
    let classes = class_names(base)?;
    if classes.len() < 2 {
        let found = listed(&classes);
        return Err(Error::input(format!(
            "{}: has {} class folders {found}; it needs two or more, each with images",
            base.display(),
            classes.len()
        )));
    }
    let train = list(base, &classes)?;
    let part = |names: &[&str]| -> Result<Option<Listing>> {
        let folder = names.iter().map(|name| root.join(name)).find(|path| has_parts && path.is_dir());
        folder.map(|folder| aligned(&folder, &classes)).transpose()
    };
    let (validation, test) = (part(&VALIDATION)?, part(&["test"])?);
    let steps = steps(&train.files, options.size)?;
    let gray = AllGray::default();
    let read = |listing: Listing| read(listing, &steps, &gray);
    let mut train = read(train)?;
    let mut validation = validation.map(read).transpose()?;
    let mut test = test.map(read).transpose()?;
    if gray.holds() {
        let parts = [Some(&mut train), validation.as_mut(), test.as_mut()];
        parts.into_iter().flatten().for_each(keep_one_channel);
    }
    let (mean, mut std) = train.moments();
    // A channel that never changes has nothing to be divided by.
    std.iter_mut().filter(|x| **x < 1e-3).for_each(|x| *x = 1.0);
    let form =
        |steps| Preprocessing { channels: train.shape[0], steps, mean: mean.clone(), std: std.clone() };
    let (preprocessing, predict) = (form(vec![]), form(steps));
    Ok(Dataset {
        name: root.display().to_string(),
        classes,
        train,
        validation,
        test,
        preprocessing: Some(preprocessing),
        predict: Some(predict),
        survey: Survey::default(),
    })
}

/// The entries of a folder that are not hidden, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().map_err(|e| Error::read(folder, e))?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths)
}

/// The names of the folders in a folder, sorted as strings.
fn class_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let unreadable = || Error::input(format!("{}: the name is no Unicode; rename it", path.display()));
        names.push(name.ok_or_else(unreadable)?.to_owned());
    }
    names.sort();
    Ok(names)
}

/// The files of a part whose classes must be those of the training part.
fn aligned(folder: &Path, classes: &[String]) -> Result<Listing> {
    let found = class_names(folder)?;
    if found != classes {
        return Err(Error::input(format!(
            "{}: has the classes {}, but training has {}; both need the same",
            folder.display(),
            listed(&found),
            listed(classes)
        )));
    }
    list(folder, classes)
}

fn list(folder: &Path, classes: &[String]) -> Result<Listing> {
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        let folder = folder.join(class);
        let before = files.len();
        collect(&folder, 0, &mut files)?;
        if files.len() == before {
            let what = "has no images (png, jpg, jpeg, webp); add some or remove the folder";
            return Err(Error::input(format!("{}: {what}", folder.display())));
        }
        labels.resize(files.len(), label as i64);
    }
    Ok(Listing { files, labels })
}

/// The images in a folder and the folders in it.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEEPEST {
        let what = "folders lie too deep within each other; does a link lead back?";
        return Err(Error::input(format!("{}: {what}", folder.display())));
    }
    for path in entries(folder)? {
        if path.is_dir() {
            collect(&path, depth + 1, files)?;
        } else if is_image(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let length = fs::metadata(path).map_err(|e| Error::read(path, e))?.len();
    if length > MOST_BYTES {
        return Err(Error::input(format!("{}: {length} bytes are too many for an image", path.display())));
    }
    fs::read(path).map_err(|e| Error::read(path, e))
}

/// The steps that bring every image to one size.
fn steps(files: &[PathBuf], size: Option<[usize; 2]>) -> Result<Vec<Step>> {
    let size = match size {
        Some(size) => Some(size),
        None => own_size(files)?,
    };
    let filter = Filter::Bilinear;
    Ok(match size {
        Some([height, width]) if height == width => {
            vec![Step::ResizeShorter { size: height, filter }, Step::CenterCrop { height, width }]
        }
        Some([height, width]) => vec![Step::Resize { height, width, filter }],
        None => vec![
            Step::ResizeShorter { size: USUAL_SIDE * 8 / 7, filter },
            Step::CenterCrop { height: USUAL_SIDE, width: USUAL_SIDE },
        ],
    })
}

/// The size that all images have, if they have one and it is small.
fn own_size(files: &[PathBuf]) -> Result<Option<[usize; 2]>> {
    let size = |path: &PathBuf| dimensions(&read_file(path)?).map_err(|e| e.at(path.display()));
    let first = size(&files[0])?;
    if first.iter().any(|side| *side > LARGEST_OWN_SIDE) {
        return Ok(None);
    }
    let sizes: Vec<Result<bool>> = files.par_iter().map(|path| Ok(size(path)? == first)).collect();
    // A file that cannot be read is named with all others of its kind when all are read.
    let alike = sizes.into_iter().all(|alike| alike.unwrap_or(true));
    Ok(alike.then_some(first))
}

/// Whether all images so far had one channel.
#[derive(Default)]
struct AllGray(std::sync::atomic::AtomicBool);

impl AllGray {
    fn saw(&self, image: &Image) {
        if image.channels() > 1 {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn holds(&self) -> bool {
        !self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// All images of a part, in color.
fn read(listing: Listing, steps: &[Step], gray: &AllGray) -> Result<Split> {
    let form = Preprocessing { channels: 3, steps: steps.to_vec(), mean: vec![0.0; 3], std: vec![1.0; 3] };
    form.check()?;
    let [c, h, w] = form.output_shape().expect("the last step fixes the size");
    let total = (c * h * w).checked_mul(listing.files.len()).filter(|total| *total <= MOST_MEMORY);
    let count = listing.files.len();
    let total = total.ok_or_else(|| {
        Error::input(format!(
            "{count} images of {h}x{w} are more than fit into memory; choose a smaller size"
        ))
    })?;
    let mut bytes = vec![0; total];
    let one = |(path, to): (&PathBuf, &mut [u8])| {
        let image = decode(&read_file(path)?).map_err(|e| e.at(path.display()))?;
        gray.saw(&image);
        write_planar(&form.image(&image), to);
        Ok(())
    };
    let results: Vec<Result<()>> =
        listing.files.par_iter().zip(bytes.par_chunks_exact_mut(c * h * w)).map(one).collect();
    let mut failures = results.into_iter().filter_map(Result::err);
    if let Some(first) = failures.next() {
        return Err(match failures.count() {
            0 => first,
            more => first.at(format!("{} of {count} images cannot be read, the first of them", more + 1)),
        });
    }
    Ok(Split { shape: [c, h, w], pixels: Pixels::Bytes(bytes), labels: listing.labels })
}

/// Leaves the first of three equal channels.
fn keep_one_channel(split: &mut Split) {
    let [c, h, w] = split.shape;
    if let Pixels::Bytes(bytes) = &mut split.pixels {
        let first = bytes.chunks_exact(h * w).step_by(c).flatten().copied().collect();
        *bytes = first;
        split.shape = [1, h, w];
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::encode_png;

    use super::*;
    use crate::scratch::Scratch;
    use crate::{Prepared, Spec};

    fn png(width: usize, height: usize, color: [u8; 3]) -> Vec<u8> {
        encode_png(&Image::filled(width, height, color)).unwrap()
    }

    /// Two classes, sorted "10" before "9", with noise among the files.
    fn folder() -> Scratch {
        let folder = Scratch::new();
        for (part, class, count) in
            [("train", "9", 3), ("train", "10", 2), ("valid", "9", 1), ("valid", "10", 1)]
        {
            for i in 0..count {
                let name = format!("{part}/{class}/deep/{i}.PNG");
                folder.file(&name, &png(6, 4, [i as u8 * 40, 100, class.len() as u8 * 100]));
            }
        }
        folder.file("train/.hidden/x.png", b"no image");
        folder.file("train/9/.x.png", b"no image");
        folder.file("train/9/notes.txt", b"no image");
        folder.file("train/readme.md", b"no image");
        folder
    }

    fn failure(folder: &Scratch) -> String {
        let error = load(folder.path(), &LoadOptions::default()).unwrap_err();
        assert!(error.is_input() && !error.to_string().contains('\n'));
        error.to_string()
    }

    #[test]
    fn classes_are_sorted_as_strings_and_noise_is_ignored() {
        let folder = folder();
        let set = crate::load(&Spec::Folder(folder.path().into()), &LoadOptions::default()).unwrap();
        assert_eq!(set.classes, ["10", "9"]);
        assert_eq!((set.train.shape, &set.train.labels[..]), ([3, 4, 6], &[0, 0, 1, 1, 1][..]));
        assert_eq!(set.evaluation().0, "validation");
        assert_eq!(set.train.image(3).unwrap().pixel(0, 0), [40, 100, 100]);
        let own = Prepared::new(&set.train, set.preprocessing.as_ref()).unwrap();
        let mut values = vec![0.0; 72];
        own.write(4, &mut values);
        let outside = decode(&fs::read(folder.path().join("train/9/deep/2.PNG")).unwrap()).unwrap();
        assert_eq!(set.predict.unwrap().apply(&outside), ([3, 4, 6], values));
    }

    #[test]
    fn a_folder_of_classes_alone_is_all_for_training() {
        let folder = Scratch::new();
        for (class, side) in [("cat", 30), ("dog", 50)] {
            folder.file(
                &format!("{class}/a.png"),
                &encode_png(&Image::filled(side, 40, [90; 3]).to_gray()).unwrap(),
            );
        }
        let set =
            load(folder.path(), &LoadOptions { size: Some([16, 20]), ..LoadOptions::default() }).unwrap();
        assert_eq!((set.train.shape, set.classes), ([1, 16, 20], vec!["cat".to_owned(), "dog".into()]));
        assert!(set.validation.is_none() && set.test.is_none());
        // Of different sizes: the usual one.
        assert_eq!(load(folder.path(), &LoadOptions::default()).unwrap().train.shape, [1, 224, 224]);
    }

    #[test]
    fn bad_files_are_named_and_counted() {
        let folder = folder();
        folder.file("train/9/torn.png", &png(6, 4, [0; 3])[..40]);
        let text = failure(&folder);
        assert!(text.contains("torn.png") && text.contains("damaged"), "{text}");
        folder.file("train/9/zebra.gif", b"GIF89a and so on");
        let text = failure(&folder);
        assert!(text.contains("2 of 7 images") && text.contains("torn.png"), "{text}");
    }

    #[test]
    fn faulty_folders_are_refused() {
        let folder = folder();
        fs::create_dir(folder.path().join("valid/new")).unwrap();
        let text = failure(&folder);
        assert!(text.contains("[10, 9, new]") && text.contains("[10, 9]"), "{text}");
        fs::create_dir(folder.path().join("train/new")).unwrap();
        assert!(failure(&folder).contains("new: has no images"));
        let empty = Scratch::new();
        assert!(failure(&empty).contains("0 class folders"));
        fs::create_dir(empty.path().join("only")).unwrap();
        assert!(failure(&empty).contains("[only]"));
    }
}
