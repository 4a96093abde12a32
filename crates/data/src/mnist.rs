//! MNIST and Fashion-MNIST: four IDX files, verified by checksum.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Centre, Filter, Preprocessing, Step};

use crate::idx::{self, open_unpacked};
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

/// Rows and columns of an image.
const SIDE: usize = 28;
/// Files above this size, unpacked, are not these; the largest has 47,040,016 bytes.
const MOST_BYTES: u64 = 64 << 20;

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
            MnistKind::Mnist => {
                vec![Step::Digit { ink: 20, height: SIDE, width: SIDE, centre: Centre::Mass }, pad.clone()]
            }
            // As the set was made: edges off, the longer side to 28 pixels (Xiao et al., section 2). Its
            // own images stay whole.
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
        let bytes = unpacked(&source)?;
        verify(&bytes, listed).map_err(|e| e.at(source.display()))?;
        verified.push((listed.0, bytes));
    }
    fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
    for (name, bytes) in verified {
        let path = folder.join(name);
        store(&path, &bytes).map_err(|e| Error::write(&path, e))?;
    }
    // The names are safe once their folder is; systems that cannot sync a folder do without.
    if let Ok(entries) = File::open(&folder) {
        let _ = entries.sync_all();
    }
    Ok(folder)
}

/// Writes a file whole or not at all: beside its place, onto the disk, then under its name.
fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The error that matters is the one before.
        let _ = fs::remove_file(&temporary);
    })
}

fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (file, _) = open_unpacked(path)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|e| Error::read(path, e))?;
    Ok(bytes)
}

/// The file called `name` in `folder`: also with a dot for the last dash but one, also compressed.
fn find_file(folder: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let candidates = [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let found = candidates.iter().map(|candidate| folder.join(candidate)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let folder = folder.display();
        Error::input(format!("{folder} has no {name} (or {name}.gz); it needs all four IDX files"))
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
    load_from(kind, &data_folder()?.join(kind.name()))
}

fn load_from(kind: MnistKind, folder: &Path) -> Result<Dataset> {
    let files = kind.files().map(|(name, _)| folder.join(name));
    if let Some(missing) = files.iter().find(|path| !path.is_file()) {
        let name = kind.name();
        return Err(Error::input(format!(
            "{name} is not here ({} is missing); get it with: striate data get {name} --from FOLDER",
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
    })
}

fn split(images: &Path, labels: &Path) -> Result<Split> {
    let (x, y) = (idx::read_idx(images)?, idx::read_idx(labels)?);
    let wanted = |shape: &Shape, what: &str, path: &Path| {
        Error::input(format!("{}: has shape {shape}, {what} are needed", path.display()))
    };
    if x.shape.len() != 3 || x.shape[0] == 0 || x.shape[1..] != [SIDE, SIDE] {
        return Err(wanted(&x.shape, "images of 28x28", images));
    }
    if y.shape.len() != 1 {
        return Err(wanted(&y.shape, "labels", labels));
    }
    let labels: Vec<i64> = y.bytes.iter().map(|label| i64::from(*label)).collect();
    let split = Split { shape: [1, SIDE, SIDE], pixels: Pixels::Bytes(x.bytes), labels };
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
    fn files_are_read_and_held_against_each_other() {
        let folder = Scratch::new();
        write(&folder, "train", &[3, 28, 28], &[1, 2, 9]);
        assert!(failure(&folder).contains("striate data get mnist --from FOLDER"));
        write(&folder, "t10k", &[1, 28, 28], &[0]);
        let set = load_from(MnistKind::Mnist, folder.path()).unwrap();
        assert_eq!((set.train.len(), set.evaluation().1.len()), (3, 1));
        write(&folder, "t10k", &[1, 28, 28], &[10]);
        assert!(failure(&folder).contains("label 10"));
        write(&folder, "t10k", &[2, 28, 28], &[1]);
        assert!(failure(&folder).contains("2 images but 1 labels"));
        write(&folder, "t10k", &[2, 28, 27], &[1, 2]);
        assert!(failure(&folder).contains("28x28"));
        write(&folder, "t10k", &[0, 28, 28], &[]);
        assert!(failure(&folder).contains("28x28"));
    }

    #[test]
    fn files_have_several_names_and_one_checksum() {
        let folder = Scratch::new();
        let name = "train-images-idx3-ubyte";
        assert!(find_file(folder.path(), name).unwrap_err().to_string().contains(name));
        for other in
            ["train-images.idx3-ubyte.gz", "train-images.idx3-ubyte", "train-images-idx3-ubyte.gz", name]
        {
            let path = folder.file(other, b"abc");
            assert_eq!(find_file(folder.path(), name).unwrap(), path);
        }
        verify(b"abc", (name, "900150983cd24fb0d6963f7d28e17f72")).unwrap();
        assert!(verify(b"abd", (name, "900150983cd24fb0d6963f7d28e17f72")).unwrap_err().is_input());
    }

    #[test]
    fn a_file_is_stored_whole_and_leaves_nothing_beside_it() {
        let folder = Scratch::new();
        let path = folder.path().join("x-ubyte");
        for bytes in [&b"first"[..], b"second"] {
            store(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let blocked = folder.file("blocked/inside", b"").parent().unwrap().to_owned();
        assert!(store(&blocked, b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
