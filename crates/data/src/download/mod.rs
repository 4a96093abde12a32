//! Downloads known files over HTTP(S) from the first mirror that provides them, resuming after broken connections.

mod http;
mod mirrors;
mod part;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use striate_tensor::file::{Storage, create_folder, create_new_folder, open, remove_empty_folder};
use striate_tensor::{Error, Result};

use self::http::{Answer, Client};
use self::part::Part;
use crate::get::{FetchedFile, Listed, MAX_BYTES, Source, advised, mismatch, store, unpacked};

pub(crate) use self::http::Timeouts;
pub(crate) use self::mirrors::mirrors;

/// Broken connections to one mirror, per file, before the next mirror is tried.
const MAX_RETRIES: u32 = 8;
/// Longest pause before a mirror is retried.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Receives the progress of downloads.
pub trait DownloadProgress {
    /// Called when the download of a file starts, with the bytes already present and the total size, if known.
    fn begin(&mut self, name: &str, have: u64, total: Option<u64>);
    /// Called as data arrive, with the bytes present so far.
    fn received(&mut self, have: u64);
    /// Called with a message to show: a mirror failed.
    fn note(&mut self, text: &str);
}

/// Ignores all progress.
impl DownloadProgress for () {
    fn begin(&mut self, _: &str, _: u64, _: Option<u64>) {}
    fn received(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
}

/// The reason why a mirror did not provide a file.
enum Failure {
    /// The connection failed or ended; another attempt may resume there.
    Broken(String),
    /// The part file and the data from the mirror do not form the expected file.
    Mismatch(String),
    /// The mirror does not have the file.
    Refused(String),
    /// A failure on this machine; other mirrors would not help.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Local(error)
    }
}

/// Downloads files into a folder.
pub(crate) struct Fetcher<'a> {
    client: Client,
    pause: Duration,
    storage: &'a dyn Storage,
    progress: &'a mut dyn DownloadProgress,
}

impl<'a> Fetcher<'a> {
    pub fn new(
        timeouts: Timeouts,
        storage: &'a dyn Storage,
        progress: &'a mut dyn DownloadProgress,
    ) -> Fetcher<'a> {
        Fetcher { client: Client::new(timeouts), pause: timeouts.pause, storage, progress }
    }

    /// Downloads those of `files` that are not in `folder` with the correct checksum, and stores each as soon as it is
    /// verified. The mirror that provided a file is tried first for the next.
    pub fn fetch_missing(
        &mut self,
        files: &[Listed<'_>],
        mirrors: Vec<String>,
        folder: &Path,
    ) -> Result<Vec<FetchedFile>> {
        let is_new = create_new_folder(folder).map_err(advised)?;
        create_folder(folder).map_err(advised)?;
        let fetched = self.fetch_all(files, mirrors, folder);
        if is_new && fetched.is_err() {
            // A folder that holds a part of a file is not empty and stays.
            remove_empty_folder(folder);
        }
        fetched
    }

    fn fetch_all(
        &mut self,
        files: &[Listed<'_>],
        mut mirrors: Vec<String>,
        folder: &Path,
    ) -> Result<Vec<FetchedFile>> {
        let mut got = Vec::new();
        for listed in files {
            let path = folder.join(listed.0);
            let (bytes, source) = match present(&path, *listed) {
                Some(bytes) => (bytes, Source::Present),
                None => {
                    let (bytes, from) = self.fetch(*listed, &mirrors, &path)?;
                    let mirror = mirrors.remove(from);
                    let address = mirrors::shown(&format!("{mirror}{}.gz", listed.0));
                    mirrors.insert(0, mirror);
                    (bytes, Source::Web(address))
                }
            };
            got.push(FetchedFile { name: listed.0.into(), bytes, source });
        }
        Ok(got)
    }

    /// Downloads a file and stores it at `path`; returns its length and the index of the mirror that provided it.
    fn fetch(&mut self, listed: Listed<'_>, mirrors: &[String], path: &Path) -> Result<(u64, usize)> {
        let packed = format!("{}.gz", listed.0);
        let mut part = Part::open(path.with_file_name(format!("{packed}.part")), self.storage)?;
        if part.len() > MAX_BYTES {
            part.clear()?;
        }
        let mut reasons = Vec::new();
        for (index, mirror) in mirrors.iter().enumerate() {
            let reason = match self.fetch_from(&format!("{mirror}{packed}"), listed, &mut part) {
                Ok(content) => {
                    store(self.storage, path, &content)?;
                    part.remove();
                    return Ok((content.len() as u64, index));
                }
                Err(Failure::Local(error)) => return Err(error),
                Err(Failure::Broken(reason) | Failure::Mismatch(reason) | Failure::Refused(reason)) => reason,
            };
            let reason = format!("{} {reason}", mirrors::shown(mirror));
            self.progress.note(&format!("{packed}: {reason}"));
            reasons.push(reason);
        }
        if part.len() == 0 {
            part.remove();
        }
        Err(Error::failed(format!(
            "{packed} could not be downloaded: {}; try again later (partial downloads are kept), set STRIATE_MIRROR to other mirrors, or copy the files with --from FOLDER",
            reasons.join("; ")
        )))
    }

    /// Downloads a file from one mirror. Resumes after broken connections as long as data arrive, and starts over once
    /// if the pieces do not form the expected file.
    fn fetch_from(&mut self, url: &str, listed: Listed<'_>, part: &mut Part<'_>) -> Result<Vec<u8>, Failure> {
        let (mut retries, mut restarted, mut pause) = (0, false, self.pause);
        loop {
            let before = part.received();
            match self.attempt(url, listed, part) {
                Err(Failure::Broken(_)) if part.received() > before && retries < MAX_RETRIES => {
                    std::thread::sleep(pause);
                    pause = (2 * pause).min(MAX_PAUSE);
                    retries += 1;
                }
                Err(Failure::Mismatch(_)) if !restarted => {
                    part.clear()?;
                    restarted = true;
                }
                Err(Failure::Mismatch(reason)) => {
                    part.clear()?;
                    return Err(Failure::Mismatch(reason));
                }
                result => return result,
            }
        }
    }

    /// Requests the missing rest of the file once; returns the content if the file is then complete.
    fn attempt(&mut self, url: &str, listed: Listed<'_>, part: &mut Part<'_>) -> Result<Vec<u8>, Failure> {
        let have = part.len();
        let answer = self.client.get(url, have)?;
        if let Some(total) = answer.total.filter(|total| *total > MAX_BYTES) {
            return Err(Failure::Refused(format!(
                "announces {total} bytes, more than the limit of {MAX_BYTES}"
            )));
        }
        match answer.status {
            200 => part.clear()?,
            206 if answer.start == Some(have) => {}
            206 => return Err(Failure::Mismatch("answers with a different range than requested".into())),
            // The file has no bytes beyond those present.
            416 if have > 0 => return verified(part, listed, true),
            status => return Err(Failure::Refused(format!("answers with status {status}"))),
        }
        let resumed = part.len() > 0;
        self.receive(answer, listed, part)?;
        verified(part, listed, resumed)
    }

    /// Appends the body of the answer to the part file.
    fn receive(
        &mut self,
        mut answer: Answer,
        listed: Listed<'_>,
        part: &mut Part<'_>,
    ) -> Result<(), Failure> {
        self.progress.begin(listed.0, part.len(), answer.total);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = match answer.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(self.client.broken(&error.into())),
            };
            if part.len() + count as u64 > MAX_BYTES {
                part.clear()?;
                return Err(Failure::Refused(format!("sends more than {MAX_BYTES} bytes")));
            }
            part.append(&buffer[..count])?;
            self.progress.received(part.len());
        }
        match answer.total {
            Some(total) if part.len() < total => Err(Failure::Broken("closed the connection early".into())),
            _ => Ok(()),
        }
    }
}

/// Returns the unpacked length of the file at `path` if it exists and has the expected checksum.
fn present(path: &Path, listed: Listed<'_>) -> Option<u64> {
    let content = unpacked(open(path).ok()?.0).ok()?;
    mismatch(&content, listed).is_none().then_some(content.len() as u64)
}

/// Returns the unpacked content of the complete part file. If it is not the expected file, the part is discarded;
/// a file assembled from pieces is then worth another attempt.
fn verified(part: &mut Part<'_>, listed: Listed<'_>, in_pieces: bool) -> Result<Vec<u8>, Failure> {
    let reason = match unpacked(part.content()?) {
        Ok(content) => match mismatch(&content, listed) {
            None => return Ok(content),
            Some(sums) => format!("sent a file with a wrong checksum ({sums})"),
        },
        Err(error) => format!("sent a damaged file ({error})"),
    };
    part.clear()?;
    Err(if in_pieces { Failure::Mismatch(reason) } else { Failure::Refused(reason) })
}
