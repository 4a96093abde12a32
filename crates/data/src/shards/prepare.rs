//! Writes the images of a data set into shards.

use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use striate_tensor::file::{
    create_new_folder, list_folder, read_text_limited, remove_file, write_atomically,
};
use striate_tensor::names::check_class_names;
use striate_tensor::{Error, Result};
use striate_vision::{
    Filter, ImageKind, MAX_PIXELS, Preprocessing, Readable, Step, decode_limited, encode_jpeg, encode_png,
    preprocess,
};

use super::sample::{Member, Sample};
use super::{CLASSES, EXTENSION, SUMS, UNFINISHED, index};
use crate::dataset::hexadecimal;
use crate::images::{FoundPart, ImageFile, Purpose};
use crate::part::Part;
use crate::{Spec, Unreadable, Watch};

/// A shard ends with the sample that makes it at least this long, in bytes.
const SHARD_BYTES: usize = 128 << 20;
/// The content of [`UNFINISHED`].
const MARK: &str = "`striate data prepare` is writing this folder or was interrupted.\n";
/// What the names of shards start with, by part; the last for a set without parts.
const STEMS: [&str; 4] = ["train", "val", "test", "images"];
/// The unit of an archive in bytes.
const BLOCK: usize = 512;
/// Images encoded at once.
const AT_ONCE: usize = 64;
/// Quality of resized JPEG images, from 1 to 100.
const QUALITY: u8 = 95;

/// Options of [`prepare`].
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// Images whose shorter side is longer than this many pixels are resized to it, bilinearly; JPEG images are encoded
    /// as JPEG again, others as PNG. All others are copied byte for byte.
    pub size: Option<usize>,
    /// How to handle images that cannot be read.
    pub unreadable: Unreadable,
    /// Largest number of pixels per image; larger images count as unreadable.
    pub max_pixels: u64,
    /// What watches the writing of images.
    pub watch: Watch,
}

impl Default for PrepareOptions {
    fn default() -> PrepareOptions {
        let (unreadable, watch) = (Unreadable::Refuse, Watch::default());
        PrepareOptions { size: None, unreadable, max_pixels: MAX_PIXELS, watch }
    }
}

/// The shards that [`prepare`] wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shards {
    /// Class names.
    pub classes: Vec<String>,
    /// The parts with their numbers of images and of shards; `all` for a set without parts.
    pub parts: Vec<(&'static str, usize, usize)>,
    /// Number of images that were resized; the others were copied.
    pub resized: usize,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Skipped unreadable images, with the reason.
    pub unreadable: Vec<(ImageFile, String)>,
    /// Notes on the images that were found, one line each.
    pub notes: Vec<String>,
}

/// Writes the image files of the data set that `spec` names to shards in the folder `out`, in the order of the set,
/// each with its index, with the names of the classes, and with the checksums of all of it. Training on the shards
/// gives the bits that training on the set gives, unless images are resized.
///
/// # Errors
/// If the set has no image files, if images cannot be read (unless they are to be skipped), if `out` contains anything
/// but the rest of an interrupted call, or if writing fails.
pub fn prepare(spec: &Spec, out: &Path, options: &PrepareOptions) -> Result<Shards> {
    let found = spec.find(Purpose::Description, &[])?;
    let found = found.ok_or_else(|| Error::input(format!("{spec}: is not a set of image files")))?;
    // One that contains a line break would shift the others.
    check_class_names(found.classes.iter().map(String::as_str)).map_err(|e| e.at(&found.name))?;
    start(out)?;
    let total = found.parts.iter().map(|part| part.listing.files.len()).sum();
    let mut shards = Shards { notes: found.survey.notes, ..Shards::default() };
    let mut writer = Writer { out, sums: String::new(), bytes: 0 };
    for part in found.parts {
        write_part(part, options, total, &mut writer, &mut shards)?;
    }
    if let (Unreadable::Refuse, Some((first, reason))) = (options.unreadable, shards.unreadable.first()) {
        let count = shards.unreadable.len();
        return Err(Error::input(format!(
            "{count} of {total} images cannot be read, first {first}: {reason}; --skip-unreadable skips them"
        )));
    }
    let names: String = found.classes.iter().map(|name| format!("{name}\n")).collect();
    writer.write(CLASSES, names.as_bytes())?;
    write_atomically(&out.join(SUMS), writer.sums.as_bytes())?;
    remove_file(&out.join(UNFINISHED))?;
    Ok(Shards { classes: found.classes, bytes: writer.bytes, ..shards })
}

/// Makes the folder `out`, or empties it if it is the rest of an interrupted call.
fn start(out: &Path) -> Result<()> {
    if !create_new_folder(out)? {
        let entries = list_folder(out)?;
        let is_rest = read_text_limited(&out.join(UNFINISHED), 4096).is_ok_and(|text| text == MARK);
        let may_be_replaced = is_rest && entries.iter().all(|path| is_own(path));
        if !may_be_replaced && !entries.is_empty() {
            return Err(Error::input("is not empty; give a new folder").at(out.display()));
        }
        let mut others = entries.iter().filter(|path| !path.ends_with(UNFINISHED));
        others.try_for_each(|path| remove_file(path))?;
    }
    write_atomically(&out.join(UNFINISHED), MARK.as_bytes())
}

/// Whether `prepare` writes files of this name.
fn is_own(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbered = |stem: &str| {
        let number = STEMS.iter().find_map(|own| stem.strip_prefix(own)?.strip_prefix('-'));
        number.is_some_and(|number| number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match name.split_once('.') {
        Some((stem, EXTENSION | "idx")) => numbered(stem),
        _ => [CLASSES, SUMS, UNFINISHED].contains(&&*name),
    }
}

fn write_part(
    found: FoundPart,
    options: &PrepareOptions,
    total: usize,
    writer: &mut Writer,
    shards: &mut Shards,
) -> Result<()> {
    let name = found.part.map_or("all", Part::name);
    let stem = STEMS[found.part.map_or(3, |part| part as usize)];
    let (mut shard, mut number, mut images) = (Shard::default(), 0, 0);
    let before: usize = shards.parts.iter().map(|(_, count, _)| count).sum();
    let before = before + shards.unreadable.len();
    let listing = found.listing;
    let chunks = listing.files.chunks(AT_ONCE).zip(listing.labels.chunks(AT_ONCE));
    let mut done = before;
    for (files, labels) in chunks {
        let encoded: Vec<Result<Encoded>> = files.par_iter().map(|file| encode(file, options)).collect();
        for ((file, label), encoded) in files.iter().zip(labels).zip(encoded) {
            match encoded {
                Ok(encoded) => {
                    shards.resized += usize::from(encoded.is_resized);
                    shard.add(images, &encoded, *label)?;
                    images += 1;
                }
                Err(error) => shards.unreadable.push((file.clone(), error.to_string())),
            }
            if shard.length() >= SHARD_BYTES {
                writer.shard(stem, number, std::mem::take(&mut shard))?;
                number += 1;
            }
        }
        done += files.len();
        options.watch.call(done, total);
    }
    if !shard.samples.is_empty() {
        writer.shard(stem, number, shard)?;
        number += 1;
    }
    shards.parts.push((name, images, number));
    Ok(())
}

/// An image as it is stored.
struct Encoded {
    bytes: Vec<u8>,
    extension: &'static str,
    is_resized: bool,
}

/// Reads an image, which must be intact, and resizes it if it is too large.
fn encode(file: &ImageFile, options: &PrepareOptions) -> Result<Encoded> {
    let bytes = file.read()?;
    let image = decode_limited(&bytes, options.max_pixels)?;
    let kind = ImageKind::of(&bytes);
    let shorter = image.height().min(image.width());
    let Some(size) = options.size.filter(|size| *size < shorter) else {
        let Some(ImageKind::Readable(kind)) = kind else { unreachable!("the image was decoded") };
        let extension = kind.extension();
        return Ok(Encoded { bytes, extension, is_resized: false });
    };
    let channels = image.channels();
    let steps = vec![Step::ResizeShorter { size, filter: Filter::Bilinear }];
    let form = Preprocessing {
        channels,
        steps,
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
        features: None,
    };
    let image = preprocess(&form, &image);
    let (bytes, extension) = match kind {
        Some(ImageKind::Readable(Readable::Jpeg)) => (encode_jpeg(&image, QUALITY)?, "jpg"),
        _ => (encode_png(&image)?, "png"),
    };
    Ok(Encoded { bytes, extension, is_resized: true })
}

/// A shard in memory.
#[derive(Default)]
struct Shard {
    archive: Vec<u8>,
    samples: Vec<Sample>,
}

impl Shard {
    fn length(&self) -> usize {
        self.archive.len()
    }

    /// Adds sample number `number`.
    fn add(&mut self, number: usize, image: &Encoded, label: i64) -> Result<()> {
        let key = format!("{number:08}");
        let members = vec![
            self.append(format!("{key}.{}", image.extension), &image.bytes)?,
            self.append(format!("{key}.cls"), label.to_string().as_bytes())?,
        ];
        self.samples.push(Sample { key, members });
        Ok(())
    }

    fn append(&mut self, name: String, content: &[u8]) -> Result<Member> {
        let mut header = tar::Header::new_ustar();
        header.set_path(&name).map_err(|e| Error::failed(format!("{name}: {e}")))?;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        self.archive.extend(header.as_bytes());
        let start = self.archive.len() as u64;
        self.archive.extend(content);
        self.archive.resize(self.archive.len().next_multiple_of(BLOCK), 0);
        Ok(Member { name, start, length: content.len() as u64 })
    }

    /// The archive with its end mark, two blocks of zeros.
    fn finished(mut self) -> Vec<u8> {
        self.archive.resize(self.archive.len() + 2 * BLOCK, 0);
        self.archive
    }
}

/// Writes files and collects their checksums.
struct Writer<'a> {
    out: &'a Path,
    sums: String,
    bytes: u64,
}

impl Writer<'_> {
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let sum = hexadecimal(Sha256::new_with_prefix(bytes));
        self.sums += &format!("{sum}  {name}\n");
        write_atomically(&self.out.join(name), bytes)
    }

    fn shard(&mut self, stem: &str, number: usize, shard: Shard) -> Result<()> {
        let index = index::written(&shard.samples);
        let archive = shard.finished();
        self.bytes += archive.len() as u64;
        let name = format!("{stem}-{number:06}");
        self.write(&format!("{name}.{EXTENSION}"), &archive)?;
        self.write(&format!("{name}.idx"), index.as_bytes())
    }
}
