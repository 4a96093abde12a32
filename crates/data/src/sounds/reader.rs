//! Reads the sounds of a part, all in the same encoding.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use striate_sound::{Encoder, LONGEST_SECONDS, SoundEncoding, decode};
use striate_tensor::text::counted;
use striate_tensor::{Result, zeroed};

use super::check_cache;
use crate::images::{Collection, FoundPart, ImageFile, digest, refuse_unreadable};
use crate::{Files, LoadOptions, PartSurvey, Pixels, Split, Survey, Unreadable, Watch};

/// Reads one part after another.
pub(super) struct Reader {
    encoder: Encoder,
    unreadable: Unreadable,
    watch: Watch,
    survey: Survey,
    /// Number of sounds read so far, and of all sounds.
    done: AtomicUsize,
    total: usize,
    /// Number of sounds that are longer than what is decoded.
    cut: usize,
}

/// What is known of a sound that was read.
struct ReadSound {
    digest: u64,
    is_cut: bool,
}

impl Reader {
    /// Starts to read `found`.
    pub fn start(found: &mut Collection, encoding: &SoundEncoding, options: &LoadOptions) -> Result<Reader> {
        let total = found.parts.iter().map(|part| part.listing.files.len()).sum();
        check_cache(total, encoding, options)?;
        Ok(Reader {
            encoder: Encoder::new(encoding.clone())?,
            unreadable: options.unreadable,
            watch: options.watch.clone(),
            survey: std::mem::take(&mut found.survey),
            done: AtomicUsize::new(0),
            total,
            cut: 0,
        })
    }

    /// Reads all sounds of a part on all cores; unreadable ones are skipped and listed.
    pub fn read(&mut self, found: FoundPart, classes: &[String]) -> Result<Split> {
        let name = found.name();
        let FoundPart { place, listing, .. } = found;
        let shape = self.encoder.encoding().output_shape();
        let (size, count) = (shape.iter().product::<usize>(), listing.files.len());
        let mut numbers = zeroed(size.saturating_mul(count)).map_err(|e| e.at(counted(count, "sound")))?;
        let one = |(file, to): (&ImageFile, &mut [f32])| self.sound(file, to);
        let sounds: Vec<Result<ReadSound>> =
            listing.files.par_iter().zip(numbers.par_chunks_exact_mut(size)).map(one).collect();
        let (mut list, mut digests, mut labels) = (vec![], vec![], vec![]);
        for (index, (file, sound)) in listing.files.into_iter().zip(sounds).enumerate() {
            match sound {
                Ok(ReadSound { digest, is_cut }) => {
                    let kept = labels.len();
                    if kept < index {
                        numbers.copy_within(index * size..(index + 1) * size, kept * size);
                    }
                    labels.push(listing.labels[index]);
                    list.push(file);
                    digests.push(digest);
                    self.cut += usize::from(is_cut);
                }
                Err(error) => self.survey.unreadable.push((file, error.to_string())),
            }
        }
        numbers.truncate(labels.len() * size);
        let files = Some(Files::of_encoded(list, digests));
        let split = Split { shape, pixels: Pixels::Numbers(numbers), labels, files };
        let missing = classes.iter().zip(split.counts(classes.len())).filter(|(_, count)| *count == 0);
        let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
        self.survey.parts.push(PartSurvey { name, folder: Some(place), count: split.len(), missing });
        Ok(split)
    }

    /// Reads one sound into `to`.
    fn sound(&self, file: &ImageFile, to: &mut [f32]) -> Result<ReadSound> {
        let decoded = file.read().and_then(|bytes| Ok((digest(&bytes), decode(&bytes)?)));
        self.watch.call(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.total);
        let (digest, sound) = decoded?;
        self.encoder.write(&sound, to);
        Ok(ReadSound { digest, is_cut: sound.seconds() >= f64::from(LONGEST_SECONDS) })
    }

    /// Refuses unreadable sounds, unless they are to be skipped.
    pub fn refuse_unreadable(&self) -> Result<()> {
        match self.unreadable {
            Unreadable::Skip => Ok(()),
            Unreadable::Refuse => refuse_unreadable(&self.survey, self.total, "sound"),
        }
    }

    /// Returns what was found.
    pub fn finish(mut self) -> Survey {
        if self.cut > 0 {
            let count = counted(self.cut, "sound");
            self.survey.notes.push(format!("of {count}, only the first {LONGEST_SECONDS} s are read"));
        }
        self.survey
    }
}
