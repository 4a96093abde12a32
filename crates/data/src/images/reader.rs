//! Reads the images of a part, all at one size.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, zeroed};
use striate_vision::{Filter, Preprocessing, Step, decode_limited, dimensions, preprocess};

use super::{Files, ImageFile, Listing};
use crate::split::write_planar;
use crate::{LoadOptions, Pixels, Split, Survey, Unreadable, Watch};

/// Largest side up to which images keep their own size.
const LARGEST_OWN_SIDE: usize = 256;
/// The side to which larger images are resized: shorter side to 8/7 of it, then center crop.
const USUAL_SIDE: usize = 224;

/// Reads parts of a data set, all in the same form.
pub(super) struct Reader {
    form: Preprocessing,
    max_pixels: u64,
    unreadable: Unreadable,
    /// The number of channels, if it was requested.
    channels: Option<usize>,
    /// Number of gray and of color images so far.
    gray: AtomicUsize,
    color: AtomicUsize,
    watch: Watch,
    /// Number of images read so far, and of all images.
    done: AtomicUsize,
    all: AtomicUsize,
}

/// What is known of an image that was read.
pub(super) struct ReadImage {
    /// Its original height and width.
    pub size: [usize; 2],
    /// The digest of its file.
    pub digest: u64,
}

/// A part that was read, with the findings.
pub(super) struct ReadPart {
    pub split: Split,
    pub sizes: Option<[[usize; 2]; 2]>,
    pub unreadable: Vec<(ImageFile, String)>,
    /// Mean and standard deviation of each channel, if they were computed.
    pub moments: Option<(Vec<f32>, Vec<f32>)>,
}

impl Reader {
    /// Creates a reader as specified by `options`; without a size there, the size of `files` decides.
    pub fn new(files: &[&ImageFile], options: &LoadOptions) -> Result<Reader> {
        let steps = match &options.steps {
            Some(steps) => steps.clone(),
            None => steps(options.size.or_else(|| own_size(files))),
        };
        let channels = options.channels.unwrap_or(3);
        let form = Preprocessing {
            channels,
            steps,
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
            features: None,
        };
        form.check()?;
        if form.output_shape().is_none() {
            let what = "preprocessing: the last step must give all images one size, as center_crop does";
            return Err(Error::input(what));
        }
        let (max_pixels, unreadable) = (options.max_pixels, options.unreadable);
        Ok(Reader {
            form,
            max_pixels,
            unreadable,
            channels: options.channels,
            gray: AtomicUsize::new(0),
            color: AtomicUsize::new(0),
            watch: options.watch.clone(),
            done: AtomicUsize::new(0),
            all: AtomicUsize::new(0),
        })
    }

    /// The steps that resize an image to the size of the set.
    pub fn steps(&self) -> Vec<Step> {
        self.form.steps.clone()
    }

    /// Sets the number of images that will be read.
    pub fn expect(&self, images: usize) {
        self.all.store(images, Ordering::Relaxed);
    }

    /// Channels, height and width of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.form.output_shape().expect("the last step fixes the size")
    }

    /// The files of a part whose images become bytes of this shape.
    pub fn files(&self, list: Vec<ImageFile>, digests: Vec<u64>) -> Files {
        Files { list, digests, form: self.form.clone(), max_pixels: self.max_pixels }
    }

    /// Whether all images so far are gray, and color was not requested.
    pub fn is_gray(&self) -> bool {
        self.channels != Some(3) && self.color.load(Ordering::Relaxed) == 0
    }

    /// The note that images get another number of channels than they have, if any do.
    pub fn channel_note(&self) -> Option<String> {
        let [gray, color] = [&self.gray, &self.color].map(|count| count.load(Ordering::Relaxed));
        match self.channels {
            Some(1) if color > 0 => Some(format!("converted to gray: {}", counted(color, "color image"))),
            None if color == 0 => None,
            None | Some(3) if gray > 0 => {
                Some(format!("converted to three channels: {}", counted(gray, "gray image")))
            }
            _ => None,
        }
    }

    /// Reads all images of a part; unreadable ones are skipped and listed.
    pub fn read(&self, listing: Listing) -> Result<ReadPart> {
        let [c, h, w] = self.shape();
        let (area, count) = (c * h * w, listing.files.len());
        let total = area.saturating_mul(count);
        let mut bytes = zeroed(total).map_err(|e| e.at(format!("{count} images of {h}x{w} pixels")))?;
        let one = |(file, to): (&ImageFile, &mut [u8])| self.image(file, to);
        let images: Vec<Result<ReadImage>> =
            listing.files.par_iter().zip(bytes.par_chunks_exact_mut(area)).map(one).collect();
        let mut part = ReadPart {
            split: Split { shape: [c, h, w], pixels: Pixels::Bytes(vec![]), labels: vec![], files: None },
            sizes: None,
            unreadable: vec![],
            moments: None,
        };
        let mut list = Vec::with_capacity(count);
        let mut digests = Vec::with_capacity(count);
        for (index, (file, image)) in listing.files.into_iter().zip(images).enumerate() {
            match image {
                Ok(ReadImage { size, digest }) => {
                    let kept = part.split.labels.len();
                    if kept < index {
                        bytes.copy_within(index * area..(index + 1) * area, kept * area);
                    }
                    part.split.labels.push(listing.labels[index]);
                    list.push(file);
                    digests.push(digest);
                    part.sizes = Some(joined(part.sizes, [size, size]));
                }
                Err(error) => part.unreadable.push((file, error.to_string())),
            }
        }
        bytes.truncate(part.split.labels.len() * area);
        part.split.pixels = Pixels::Bytes(bytes);
        part.split.files = Some(self.files(list, digests));
        Ok(part)
    }

    /// Reads one image into `to`.
    pub fn image(&self, file: &ImageFile, to: &mut [u8]) -> Result<ReadImage> {
        let decoded = |bytes: Vec<u8>| Ok((digest(&bytes), decode_limited(&bytes, self.max_pixels)?));
        let image = file.read().and_then(decoded);
        self.watch.call(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.all.load(Ordering::Relaxed));
        let (digest, image) = image?;
        let count = if image.channels() > 1 { &self.color } else { &self.gray };
        count.fetch_add(1, Ordering::Relaxed);
        write_planar(&preprocess(&self.form, &image), to);
        Ok(ReadImage { size: [image.height(), image.width()], digest })
    }

    /// Refuses unreadable images among `total` images, unless they are to be skipped.
    ///
    /// # Errors
    /// If there are any; the error names the first, and its notes list all of them if there are several.
    pub fn refuse_unreadable(&self, survey: &Survey, total: usize) -> Result<()> {
        match self.unreadable {
            Unreadable::Skip => Ok(()),
            Unreadable::Refuse => refuse_unreadable(survey, total, "image"),
        }
    }
}

/// Refuses unreadable files among `total` files, which contain what `name` says.
///
/// # Errors
/// As [`Reader::refuse_unreadable`].
pub(crate) fn refuse_unreadable(survey: &Survey, total: usize, name: &str) -> Result<()> {
    let Some((file, reason)) = survey.unreadable.first() else { return Ok(()) };
    let count = survey.unreadable.len();
    let what = format!(
        "{count} of {total} {name}s cannot be read, first {file}: {reason}; --skip-unreadable skips them"
    );
    let each = survey.unreadable.iter().map(|(file, reason)| format!("{file}: {reason}"));
    // A single one is named in the error itself.
    Err(Error::input(what).with_notes(each.filter(|_| count > 1)))
}

/// The first bytes of the SHA-256 of a file, which tell whether it has changed.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    u64::from_le_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
}

/// The smallest and largest of two pairs of sizes.
pub(super) fn joined(all: Option<[[usize; 2]; 2]>, [low, high]: [[usize; 2]; 2]) -> [[usize; 2]; 2] {
    let Some([least, most]) = all else { return [low, high] };
    let side =
        |pick: fn(usize, usize) -> usize, a: [usize; 2], b: [usize; 2]| [pick(a[0], b[0]), pick(a[1], b[1])];
    [side(usize::min, least, low), side(usize::max, most, high)]
}

/// The steps that resize every image to `size`, or else to the default size.
pub(crate) fn steps(size: Option<[usize; 2]>) -> Vec<Step> {
    let filter = Filter::Bilinear;
    match size {
        Some([height, width]) if height == width => {
            vec![Step::ResizeShorter { size: height, filter }, Step::CenterCrop { height, width }]
        }
        Some([height, width]) => vec![Step::Resize { height, width, filter }],
        None => vec![
            Step::ResizeShorter { size: USUAL_SIDE * 8 / 7, filter },
            Step::CenterCrop { height: USUAL_SIDE, width: USUAL_SIDE },
        ],
    }
}

/// The size of all readable images, if they have the same size and it is small.
fn own_size(files: &[&ImageFile]) -> Option<[usize; 2]> {
    let size = |file: &&ImageFile| dimensions(&file.read().ok()?).ok();
    let first = files.iter().find_map(size)?;
    let is_small = first.iter().all(|side| *side <= LARGEST_OWN_SIDE);
    (is_small && files.par_iter().all(|file| size(file).is_none_or(|size| size == first))).then_some(first)
}

/// Keeps the first of three equal channels.
pub(super) fn keep_one_channel(split: &mut Split) {
    let [c, h, w] = split.shape;
    if let Pixels::Bytes(bytes) = &mut split.pixels {
        *bytes = bytes.chunks_exact(h * w).step_by(c).flatten().copied().collect();
    }
    split.files.iter_mut().for_each(Files::make_gray);
    split.shape = [1, h, w];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_joined_side_by_side() {
        let sizes = joined(joined(None, [[3, 9], [3, 9]]).into(), [[7, 2], [7, 2]]);
        assert_eq!(sizes, [[3, 2], [7, 9]]);
    }
}
