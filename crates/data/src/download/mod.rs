//! Fetches listed files over HTTP(S): from the first mirror that gives them, in pieces where connections
//! break.

mod http;
mod mirrors;
mod part;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use striate_tensor::{Error, Result};

use self::http::{Answer, Client};
use self::part::Part;
use crate::get::{Disk, GotFile, Listed, MOST_BYTES, Source, create_folder, mismatch, store, unpacked};

pub(crate) use self::http::Patience;
pub(crate) use self::mirrors::mirrors;

/// Broken connections to a mirror, for one file, after which the next mirror has its turn.
const MOST_BREAKS: u32 = 8;
/// The pause before a mirror is asked again grows up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Is told while files come.
pub trait Watch {
    /// A file begins to come; `have` bytes of it are here already, `total` it has if that is known.
    fn begin(&mut self, name: &str, have: u64, total: Option<u64>);
    /// So many bytes of the file are here.
    fn received(&mut self, have: u64);
    /// Something worth a line: a mirror failed.
    fn note(&mut self, text: &str);
}

/// Tells nobody.
impl Watch for () {
    fn begin(&mut self, _: &str, _: u64, _: Option<u64>) {}
    fn received(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
}

/// Why a mirror did not give a file.
enum Trouble {
    /// The connection failed or ended; another attempt may go on from there.
    Broken(String),
    /// What lies here and what the mirror sends are not pieces of the listed file.
    Misfit(String),
    /// The mirror does not have the file.
    Refused(String),
    /// This machine's fault: no other mirror helps.
    Here(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Here(error)
    }
}

/// Fetches files into a folder.
pub(crate) struct Fetcher<'a> {
    client: Client,
    pause: Duration,
    disk: &'a dyn Disk,
    watch: &'a mut dyn Watch,
}

impl<'a> Fetcher<'a> {
    pub fn new(patience: Patience, disk: &'a dyn Disk, watch: &'a mut dyn Watch) -> Fetcher<'a> {
        Fetcher { client: Client::new(patience), pause: patience.pause, disk, watch }
    }

    /// Fetches those of `files` that do not lie in `folder` with the right checksum. Each is stored as soon
    /// as it is verified. The mirror that gave the last file is asked first for the next.
    pub fn fetch_missing(
        &mut self,
        files: &[Listed<'_>],
        mut mirrors: Vec<String>,
        folder: &Path,
    ) -> Result<Vec<GotFile>> {
        create_folder(folder)?;
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
            got.push(GotFile { name: listed.0.into(), bytes, source });
        }
        Ok(got)
    }

    /// Fetches a file and stores it at `path`; its length, and which mirror gave it.
    fn fetch(&mut self, listed: Listed<'_>, mirrors: &[String], path: &Path) -> Result<(u64, usize)> {
        let packed = format!("{}.gz", listed.0);
        let mut part = Part::open(path.with_file_name(format!("{packed}.part")), self.disk)?;
        if part.len() > MOST_BYTES {
            part.clear()?;
        }
        let mut reasons = Vec::new();
        for (index, mirror) in mirrors.iter().enumerate() {
            let reason = match self.fetch_from(&format!("{mirror}{packed}"), listed, &mut part) {
                Ok(content) => {
                    store(self.disk, path, &content)?;
                    part.remove();
                    return Ok((content.len() as u64, index));
                }
                Err(Trouble::Here(error)) => return Err(error),
                Err(Trouble::Broken(reason) | Trouble::Misfit(reason) | Trouble::Refused(reason)) => reason,
            };
            let reason = format!("{} {reason}", mirrors::shown(mirror));
            self.watch.note(&format!("{packed}: {reason}"));
            reasons.push(reason);
        }
        if part.len() == 0 {
            part.remove();
            // No empty folder shall stand for a data set; one that is not empty stays.
            let _ = path.parent().map(std::fs::remove_dir);
        }
        Err(Error::failed(format!(
            "{packed} cannot be fetched: {}; try again later (what has come is kept), name other mirrors in STRIATE_MIRROR, or give the files with --from FOLDER",
            reasons.join("; ")
        )))
    }

    /// Fetches a file from one mirror: goes on where a connection broke, as long as something comes, and
    /// once begins anew if the pieces do not fit together.
    fn fetch_from(&mut self, url: &str, listed: Listed<'_>, part: &mut Part<'_>) -> Result<Vec<u8>, Trouble> {
        let (mut breaks, mut begun_anew, mut pause) = (0, false, self.pause);
        loop {
            let before = part.received();
            match self.attempt(url, listed, part) {
                Err(Trouble::Broken(_)) if part.received() > before && breaks < MOST_BREAKS => {
                    std::thread::sleep(pause);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                    breaks += 1;
                }
                Err(Trouble::Misfit(_)) if !begun_anew => {
                    part.clear()?;
                    begun_anew = true;
                }
                Err(Trouble::Misfit(reason)) => {
                    part.clear()?;
                    return Err(Trouble::Misfit(reason));
                }
                done => return done,
            }
        }
    }

    /// Asks once for what is missing of the file; its content if it is whole then.
    fn attempt(&mut self, url: &str, listed: Listed<'_>, part: &mut Part<'_>) -> Result<Vec<u8>, Trouble> {
        let have = part.len();
        let answer = self.client.get(url, have)?;
        if let Some(total) = answer.total.filter(|total| *total > MOST_BYTES) {
            return Err(Trouble::Refused(format!("claims {total} bytes, too many for this file")));
        }
        match answer.status {
            200 => part.clear()?,
            206 if answer.start == Some(have) => {}
            206 => return Err(Trouble::Misfit("answers with another range than was asked for".into())),
            // Nothing lies beyond what is here.
            416 if have > 0 => return verified(part, listed, true),
            status => return Err(Trouble::Refused(format!("answers with status {status}"))),
        }
        let resumed = part.len() > 0;
        self.receive(answer, listed, part)?;
        verified(part, listed, resumed)
    }

    /// Adds the answer's content to the part.
    fn receive(
        &mut self,
        mut answer: Answer,
        listed: Listed<'_>,
        part: &mut Part<'_>,
    ) -> Result<(), Trouble> {
        self.watch.begin(listed.0, part.len(), answer.total);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = match answer.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(self.client.broken(&error.into())),
            };
            if part.len() + count as u64 > MOST_BYTES {
                part.clear()?;
                return Err(Trouble::Refused(format!("sends more than {MOST_BYTES} bytes")));
            }
            part.append(&buffer[..count])?;
            self.watch.received(part.len());
        }
        match answer.total {
            Some(total) if part.len() < total => Err(Trouble::Broken("breaks off".into())),
            _ => Ok(()),
        }
    }
}

/// The length of the file at `path`, if it is there and its checksum is the listed one.
fn present(path: &Path, listed: Listed<'_>) -> Option<u64> {
    let content = File::open(path).and_then(unpacked).ok()?;
    mismatch(&content, listed).is_none().then_some(content.len() as u64)
}

/// The unpacked content of the whole part. If it is not the listed file, the part is dropped; in that case,
/// a file that was put together from pieces is worth another attempt.
fn verified(part: &mut Part<'_>, listed: Listed<'_>, in_pieces: bool) -> Result<Vec<u8>, Trouble> {
    let reason = match unpacked(part.content()?) {
        Ok(content) => match mismatch(&content, listed) {
            None => return Ok(content),
            Some(sums) => format!("has a wrong checksum ({sums})"),
        },
        Err(error) => format!("has a damaged file ({error})"),
    };
    part.clear()?;
    Err(if in_pieces { Trouble::Misfit(reason) } else { Trouble::Refused(reason) })
}
