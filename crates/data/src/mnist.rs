//! MNIST and Fashion-MNIST: their four IDX files, checksums, and preprocessing.

use std::path::Path;

use striate_tensor::{Error, Result};
use striate_vision::{Center, Filter, Preprocessing, Step};

use crate::get::{Listed, data_folder};
use crate::idx;
use crate::{Dataset, Split, Survey};

/// MNIST or Fashion-MNIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MnistKind {
    /// Handwritten digits: LeCun, Cortes and Burges.
    Mnist,
    /// Clothing: Xiao, Rasul and Vollgraf, 2017.
    FashionMnist,
}

/// Height and width of an image.
const SIDE: usize = 28;

impl MnistKind {
    /// Returns the name of the data set.
    pub fn name(self) -> &'static str {
        match self {
            MnistKind::Mnist => "mnist",
            MnistKind::FashionMnist => "fashion-mnist",
        }
    }

    /// Returns the data set called `name`.
    pub fn find(name: &str) -> Option<MnistKind> {
        [MnistKind::Mnist, MnistKind::FashionMnist].into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the files: training images and labels, then test images and labels.
    pub(crate) fn files(self) -> [Listed<'static>; 4] {
        let sums = match self {
            MnistKind::Mnist => [
                "6bbc9ace898e44ae57da46a324031adb",
                "a25bea736e30d166cdddb491f175f624",
                "2646ac647ad5339dbf082846283269ea",
                "27ae3e4e09519cfbb04c329615203637",
            ],
            MnistKind::FashionMnist => [
                "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "9018921c3c673c538a1fc5bad174d6f9",
                "8181f5470baa50b63fa0f6fddb340f0a",
                "15d484375f8d13e6eb1aabb0c3f46965",
            ],
        };
        let names = [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ];
        std::array::from_fn(|i| (names[i], sums[i]))
    }

    /// Returns the base URLs of the files, compressed with gzip. They are untested.
    #[cfg(feature = "download")]
    pub(crate) fn mirrors(self) -> &'static [&'static str] {
        match self {
            MnistKind::Mnist => &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ],
            MnistKind::FashionMnist => &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ],
        }
    }

    fn classes(self) -> Vec<String> {
        let clothing = [
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ];
        match self {
            MnistKind::Mnist => (0..10).map(|digit| digit.to_string()).collect(),
            MnistKind::FashionMnist => clothing.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns the preprocessing of the data set's own images, which pads them from 28×28 to the 32×32 of LeNet-5, and
    /// that of other images. Mean and standard deviation are those of the padded training images.
    fn preprocessing(self) -> [Preprocessing; 2] {
        let (mean, std) = match self {
            MnistKind::Mnist => (0.1000, 0.2752),
            MnistKind::FashionMnist => (0.2190, 0.3318),
        };
        let form =
            |steps| Preprocessing { channels: 1, steps, mean: vec![mean], std: vec![std], features: None };
        let pad = Step::CenterCrop { height: 32, width: 32 };
        let foreign = match self {
            MnistKind::Mnist => {
                vec![Step::Digit { ink: 20, height: SIDE, width: SIDE, center: Center::Mass }, pad.clone()]
            }
            // As the data set was made: margins trimmed, the longer side resized to 28 pixels (Xiao et al.,
            // section 2). Its own images are not trimmed.
            MnistKind::FashionMnist => vec![
                Step::DarkBackground,
                Step::Trim { tolerance: 12, above: SIDE },
                Step::Fit { height: SIDE, width: SIDE, filter: Filter::Bilinear },
                pad.clone(),
            ],
        };
        [form(vec![pad]), form(foreign)]
    }
}

/// Loads the data set `kind` from the data folder.
pub(crate) fn load(kind: MnistKind) -> Result<Dataset> {
    load_from(kind, &data_folder()?.join(kind.name()))
}

fn load_from(kind: MnistKind, folder: &Path) -> Result<Dataset> {
    let files = kind.files().map(|(name, _)| folder.join(name));
    if let Some(missing) = files.iter().find(|path| !path.is_file()) {
        let name = kind.name();
        return Err(Error::input(format!(
            "{name} has not been downloaded ({} is missing); run: striate data get {name}",
            missing.display()
        )));
    }
    let [preprocessing, predict] = kind.preprocessing();
    Ok(Dataset {
        name: kind.name().into(),
        classes: kind.classes(),
        train: split(&files[0], &files[1])?,
        validation: None,
        test: Some(split(&files[2], &files[3])?),
        preprocessing: Some(preprocessing),
        predict: Some(predict),
        encoding: None,
        survey: Survey::default(),
    })
}

fn split(images: &Path, labels: &Path) -> Result<Split> {
    let split = idx::read_split(images, labels)?;
    if split.shape != [1, SIDE, SIDE] {
        let [_, h, w] = split.shape;
        let what = format!("has images of {h}x{w}; expected images of 28x28");
        return Err(Error::input(what).at(images.display()));
    }
    split.check(10).map_err(|e| e.at(images.display()))?;
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn idx_file(extents: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, extents.len() as u8];
        extents.iter().for_each(|extent| file.extend(extent.to_be_bytes()));
        file.extend(bytes);
        file
    }

    fn write(folder: &Scratch, part: &str, images: &[u32], labels: &[u8]) {
        let pixels = vec![7; images.iter().product::<u32>() as usize];
        folder.file(&format!("{part}-images-idx3-ubyte"), &idx_file(images, &pixels));
        folder.file(&format!("{part}-labels-idx1-ubyte"), &idx_file(&[labels.len() as u32], labels));
    }

    fn failure(folder: &Scratch) -> String {
        let error = load_from(MnistKind::Mnist, folder.path()).unwrap_err();
        assert!(error.is_input());
        error.to_string()
    }

    #[test]
    fn files_are_read_and_checked_for_consistency() {
        let folder = Scratch::new();
        write(&folder, "train", &[3, 28, 28], &[1, 2, 9]);
        assert!(failure(&folder).contains("run: striate data get mnist"));
        write(&folder, "t10k", &[1, 28, 28], &[0]);
        let set = load_from(MnistKind::Mnist, folder.path()).unwrap();
        assert_eq!((set.train.len(), set.evaluation().1.len()), (3, 1));
        write(&folder, "t10k", &[1, 28, 28], &[10]);
        assert!(failure(&folder).contains("label 10"));
        write(&folder, "t10k", &[2, 28, 28], &[1]);
        assert!(failure(&folder).contains("2 images but 1 label"));
        write(&folder, "t10k", &[2, 28, 27], &[1, 2]);
        assert!(failure(&folder).contains("28x28"));
        write(&folder, "t10k", &[0, 28, 28], &[]);
        assert!(failure(&folder).contains("expected images"));
    }
}
