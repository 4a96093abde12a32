//! IDX files, the format of MNIST: big-endian, unsigned bytes, plain or compressed with gzip.
//!
//! Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use striate_tensor::file::open;
use striate_tensor::{Error, Result, Shape, with_capacity};
use striate_vision::Preprocessing;

use crate::images::steps;
use crate::{Dataset, Pixels, Split, Survey};

/// Largest size of the data.
const MAX_BYTES: u64 = 4 << 30;
/// Packed files that unpack to less than this are not subject to [`MAX_EXPANSION`].
const SMALL: u64 = 64 << 20;
/// Largest ratio of unpacked to packed size. Images reach about 5; gzip allows about 1000.
const MAX_EXPANSION: u64 = 100;

/// An array of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxArray {
    /// Its shape, with the number of images first.
    pub shape: Shape,
    /// Its elements.
    pub bytes: Vec<u8>,
}

/// Reads the IDX file at `path`; compression is detected from its content.
///
/// # Errors
/// If the file cannot be read, is not an IDX file of bytes, or its size does not match its header.
pub fn read_idx(path: &Path) -> Result<IdxArray> {
    let (file, _) = open(path)?;
    parse(unpacking(file).map_err(|e| Error::read(path, e))?).map_err(|e| e.at(path.display()))
}

/// Reads the IDX file in `bytes`, like [`read_idx`].
///
/// # Errors
/// Like [`read_idx`].
pub fn read_idx_bytes(bytes: &[u8]) -> Result<IdxArray> {
    parse(unpacking(Cursor::new(bytes)).map_err(unreadable)?)
}

/// Reads images, `[N, H, W]` or `[N, C, H, W]`, and their labels.
///
/// # Errors
/// If a file cannot be read, has another number of axes, or contains no images.
pub(crate) fn read_split(images: &Path, labels: &Path) -> Result<Split> {
    let (x, y) = (read_idx(images)?, read_idx(labels)?);
    let shape = match x.shape[..] {
        [count, h, w] if count > 0 && h * w > 0 => [1, h, w],
        [count, c @ (1 | 3), h, w] if count > 0 && h * w > 0 => [c, h, w],
        _ => {
            let what = format!("has shape {}; expected images, [N, H, W] or [N, C, H, W]", x.shape);
            return Err(Error::input(what).at(images.display()));
        }
    };
    if y.shape.len() != 1 {
        let what = format!("has shape {}; expected labels, [N]", y.shape);
        return Err(Error::input(what).at(labels.display()));
    }
    let labels = y.bytes.iter().map(|label| i64::from(*label)).collect();
    Ok(Split { shape, pixels: Pixels::Bytes(x.bytes), labels, files: None })
}

/// Loads the IDX files in `folder`, which are named as those of MNIST, plain or with the extension `gz`. Classes are
/// numbers.
///
/// # Errors
/// If a file is missing, cannot be read, or does not match the others.
pub(crate) fn load(folder: &Path) -> Result<Dataset> {
    if !folder.is_dir() {
        return Err(Error::input(format!("idx:{}: is not a folder of IDX files", folder.display())));
    }
    let part = |name: &str| {
        let paths = ["images-idx3-ubyte", "labels-idx1-ubyte"].map(|kind| found(folder, name, kind));
        match paths {
            [Some(images), Some(labels)] => read_split(&images, &labels).map(Some),
            [None, None] => Ok(None),
            _ => Err(Error::input(format!("{}: has only one of the two {name} files", folder.display()))),
        }
    };
    let (train, test) = (part("train")?, part("t10k")?);
    let train = train.ok_or_else(|| {
        let what = "has no train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or .gz";
        Error::input(what).at(folder.display())
    })?;
    if let Some(test) = test.as_ref().filter(|test| test.shape != train.shape) {
        let (a, b) = (train.shape, test.shape);
        let what = format!("training images have shape {a:?}, but test images {b:?}");
        return Err(Error::input(what).at(folder.display()));
    }
    let parts = [Some(&train), test.as_ref()];
    let most = parts.into_iter().flatten().flat_map(|split| &split.labels).max();
    let classes: Vec<String> = (0..=most.copied().unwrap_or(0)).map(|class| class.to_string()).collect();
    for split in [Some(&train), test.as_ref()].into_iter().flatten() {
        split.check(classes.len()).map_err(|e| e.at(folder.display()))?;
    }
    if let Some(class) = train.counts(classes.len()).iter().position(|count| *count == 0) {
        let what = format!("the class {class} has no images for training, but there are higher labels");
        return Err(Error::input(what).at(folder.display()));
    }
    let [channels, h, w] = train.shape;
    let (mean, std) = train.moments()?;
    let form = Preprocessing { channels, steps: vec![], mean, std, features: None };
    let predict = Preprocessing { steps: steps(Some([h, w])), ..form.clone() };
    Ok(Dataset {
        name: format!("idx:{}", folder.display()),
        classes,
        train,
        validation: None,
        test,
        preprocessing: Some(form),
        predict: Some(predict),
        encoding: None,
        survey: Survey::default(),
    })
}

/// The file of a part, plain or compressed.
fn found(folder: &Path, part: &str, kind: &str) -> Option<PathBuf> {
    let names = [format!("{part}-{kind}"), format!("{part}-{kind}.gz")];
    names.into_iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The content of a file.
pub(crate) struct Content<'a> {
    /// The bytes from the start, unpacked if the file is compressed with gzip.
    pub bytes: Box<dyn Read + 'a>,
    /// Length of the file itself.
    length: u64,
    is_packed: bool,
}

/// Returns the content of `file`; compression is detected from its first bytes.
pub(crate) fn unpacking<'a>(mut file: impl Read + Seek + 'a) -> std::io::Result<Content<'a>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    file.rewind()?;
    let (file, is_packed) = (BufReader::new(file), magic == [0x1f, 0x8b]);
    let bytes: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(Content { bytes, length, is_packed })
}

/// Parses the array in a file. Sizes are checked against the length of the file before memory is allocated; for a
/// packed file, memory grows as data are unpacked.
fn parse(mut content: Content) -> Result<IdxArray> {
    let file = &mut content.bytes;
    let mut start = [0; 4];
    fill(file, &mut start)?;
    let [0, 0, kind, dimensions] = start else {
        return Err(Error::input("not an IDX file, which starts with two zero bytes"));
    };
    if kind != 8 {
        return Err(Error::input(format!(
            "has elements of IDX type {kind:#04x}; only bytes (0x08) are supported"
        )));
    }
    let mut extents = vec![0; 4 * usize::from(dimensions)];
    fill(file, &mut extents)?;
    let extent = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
    let shape = Shape::new(extents.chunks_exact(4).map(extent).collect::<Vec<_>>());
    let needed = shape.checked_len()?;
    let mismatch = |present: &str| {
        Error::input(format!(
            "declares {needed} bytes of data (shape {shape}) but has {present}; download it again"
        ))
    };
    let header = (4 + extents.len()) as u64;
    if !content.is_packed && content.length != header + needed as u64 {
        return Err(mismatch(&content.length.saturating_sub(header).to_string()));
    }
    let packed = content.length.saturating_mul(MAX_EXPANSION).max(SMALL);
    if needed as u64 > if content.is_packed { packed.min(MAX_BYTES) } else { MAX_BYTES } {
        let length = content.length;
        let what = format!(
            "declares {needed} bytes of data (shape {shape}) in {length} bytes, which exceeds the limit"
        );
        return Err(Error::input(what));
    }
    let mut bytes = if content.is_packed { Vec::new() } else { with_capacity(needed + 1)? };
    file.take(needed as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() {
        present if present == needed => Ok(IdxArray { shape, bytes }),
        present if present > needed => Err(mismatch("more")),
        present => Err(mismatch(&present.to_string())),
    }
}

fn fill(file: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    file.read_exact(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::input("ends within its header; download it again"),
        _ => unreadable(e),
    })
}

fn unreadable(cause: std::io::Error) -> Error {
    Error::input(format!("cannot be read ({cause}); download it again"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::scratch::Scratch;

    fn good() -> Vec<u8> {
        vec![0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<IdxArray> {
        read_idx(&Scratch::new().file("some", bytes))
    }

    #[test]
    fn plain_and_packed_files_are_read() {
        let array = IdxArray { shape: Shape::from([2, 3]), bytes: vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(read(&good()).unwrap(), array);
        assert_eq!(read(&packed(&good())).unwrap(), array);
    }

    #[test]
    fn damaged_files_are_refused() {
        let (plain, gz) = (good(), packed(&good()));
        for whole in [&plain, &gz] {
            for cut in 0..whole.len() {
                assert!(read(&whole[..cut]).unwrap_err().is_input(), "cut at {cut}");
            }
        }
        let longer = [&plain[..], &[7]].concat();
        assert!(read(&longer).unwrap_err().to_string().contains("has 7"));
        assert!(read(&packed(&longer)).unwrap_err().to_string().contains("has more"));
        assert!(read(&[0, 0, 13, 1, 0, 0, 0, 0]).unwrap_err().to_string().contains("0x0d"));
        assert!(read_idx(Path::new("/nowhere/at/all")).unwrap_err().is_input());
        assert!(
            read_idx(&std::env::temp_dir()).unwrap_err().to_string().contains("it is a folder, not a file")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let header = [&[0u8, 0, 8][..], &bytes].concat();
            for file in [&bytes, &header] {
                if let Ok(array) = read_idx_bytes(file) {
                    prop_assert_eq!(array.bytes.len(), array.shape.numel());
                }
            }
        }
    }
}
