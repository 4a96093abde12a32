//! MNIST and Fashion-MNIST: four IDX files, verified by checksum.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use striate_tensor::{Error, Result};
use striate_vision::{Centre, Filter, Preprocessing, Step};

use crate::idx::{self, read_unpacked};
use crate::{Dataset, Pixels, Split};

/// One of the two data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MnistKind {
    /// Handwritten digits: LeCun, Cortes and Burges.
    Mnist,
    /// Clothes: Xiao, Rasul and Vollgraf, 2017.
    FashionMnist,
}

/// A file and the MD5 of its unpacked content.
type Listed = (&'static str, &'static str);

impl MnistKind {
    /// The name by which the set is asked for.
    pub fn name(self) -> &'static str {
        match self {
            MnistKind::Mnist => "mnist",
            MnistKind::FashionMnist => "fashion-mnist",
        }
    }

    /// The kind called `name`.
    pub fn find(name: &str) -> Option<MnistKind> {
        [MnistKind::Mnist, MnistKind::FashionMnist].into_iter().find(|kind| kind.name() == name)
    }

    /// Training images and labels, then test images and labels.
    fn files(self) -> [Listed; 4] {
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

    fn classes(self) -> Vec<String> {
        let clothes = [
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
            MnistKind::FashionMnist => clothes.iter().map(ToString::to_string).collect(),
        }
    }

    /// Images are padded from 28×28 to the 32×32 of LeNet-5; mean and deviation are those of the
    /// padded training images.
    fn preprocessing(self) -> [Preprocessing; 2] {
        let (mean, std) = match self {
            MnistKind::Mnist => (0.1000, 0.2752),
            MnistKind::FashionMnist => (0.2190, 0.3318),
        };
        let form = |steps| Preprocessing { channels: 1, steps, mean: vec![mean], std: vec![std] };
        let pad = Step::CentreCrop { height: 32, width: 32 };
        let foreign = match self {
            MnistKind::Mnist => vec![Step::Digit { ink: 20, height: 32, width: 32, centre: Centre::Mass }],
            MnistKind::FashionMnist => vec![
                Step::DarkBackground,
                Step::Resize { height: 28, width: 28, filter: Filter::Bilinear },
                pad.clone(),
            ],
        };
        [form(vec![pad]), form(foreign)]
    }
}

/// Where fetched data lies: `$STRIATE_DATA`, else the platform's cache folder.
///
/// # Errors
/// If neither is known.
pub fn data_folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("STRIATE_DATA") {
        return Ok(folder);
    }
    let cache = if cfg!(target_os = "windows") {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    cache
        .map(|cache| cache.join("striate"))
        .ok_or_else(|| Error::input("no cache folder is known; set STRIATE_DATA to a folder for data"))
}

/// Takes the four files of `kind`, plain or compressed, from the folder `from` into the data folder;
/// returns where they lie now. Files are verified first, and stored whole or not at all.
///
/// # Errors
/// If a file is missing, its checksum differs, or it cannot be stored.
pub fn get(kind: MnistKind, from: &Path) -> Result<PathBuf> {
    if !from.is_dir() {
        let what = format!("{} is no folder; give the one with the four IDX files", from.display());
        return Err(Error::input(what));
    }
    let folder = data_folder()?.join(kind.name());
    let mut verified = Vec::new();
    for listed in kind.files() {
        let source = find_file(from, listed.0)?;
        let bytes = read_unpacked(&source)?;
        verify(&bytes, listed).map_err(|e| e.at(source.display()))?;
        verified.push((listed.0, bytes));
    }
    fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
    for (name, bytes) in verified {
        let path = folder.join(name);
        let temporary = folder.join(format!("{name}.part"));
        let store = || -> std::io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        store().map_err(|e| Error::write(&path, e))?;
    }
    Ok(folder)
}

/// The file called `name` in `folder`: also with a dot for the last dash but one, also compressed.
fn find_file(folder: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let candidates = [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let found = candidates.iter().map(|candidate| folder.join(candidate)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::input(format!(
            "{} has no {name} (or {name}.gz); it needs all four IDX files",
            folder.display()
        ))
    })
}

fn verify(bytes: &[u8], (name, wanted): Listed) -> Result<()> {
    let sum: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if sum == wanted {
        return Ok(());
    }
    Err(Error::input(format!("is not the known {name} (MD5 {sum}, not {wanted}); fetch it again")))
}

/// The data set `kind` from the data folder.
pub(crate) fn load(kind: MnistKind) -> Result<Dataset> {
    let folder = data_folder()?.join(kind.name());
    let files = kind.files().map(|(name, _)| folder.join(name));
    if let Some(missing) = files.iter().find(|path| !path.is_file()) {
        let name = kind.name();
        return Err(Error::input(format!(
            "{name} is not here ({} is missing); get it with: striate data get {name} --from FOLDER",
            missing.display()
        )));
    }
    let split = |images: &Path, labels: &Path| -> Result<Split> {
        let (x, y) = (idx::read_idx(images)?, idx::read_idx(labels)?);
        let &[_, h, w] = &x.shape[..] else {
            return Err(Error::input(format!("{}: has shape {}, no images", images.display(), x.shape)));
        };
        let labels: Vec<i64> = y.bytes.iter().map(|label| i64::from(*label)).collect();
        let split = Split { shape: [1, h, w], pixels: Pixels::Bytes(x.bytes), labels };
        split.check(10).map_err(|e| e.at(images.display()))?;
        Ok(split)
    };
    let [preprocessing, predict] = kind.preprocessing();
    Ok(Dataset {
        name: kind.name().into(),
        classes: kind.classes(),
        train: split(&files[0], &files[1])?,
        validation: None,
        test: Some(split(&files[2], &files[3])?),
        preprocessing: Some(preprocessing),
        predict: Some(predict),
    })
}
