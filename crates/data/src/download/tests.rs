//! Downloads from loopback servers that break connections, send wrong data, and redirect.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use striate_tensor::file::Disk;
use striate_testkit::server::{Reply, Request, Server, gzip, nobody};

use super::*;
use crate::scratch::Scratch;

const NAME: &str = "some-ubyte";

/// A file to download: its content, plain and packed, and its checksum.
struct Subject {
    plain: Vec<u8>,
    packed: Vec<u8>,
    sum: String,
}

impl Subject {
    /// Creates incompressible content.
    fn new(seed: u8, len: usize) -> Subject {
        let mut state = u32::from(seed) + 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        let plain: Vec<u8> = (0..len).map(|_| next()).collect();
        let sum = Md5::digest(&plain).iter().map(|byte| format!("{byte:02x}")).collect();
        Subject { packed: gzip(&plain), plain, sum }
    }

    fn listed(&self) -> Listed<'_> {
        (NAME, &self.sum)
    }
}

/// A data folder, with checks of the results of downloads into it.
struct Target(Scratch);

impl Target {
    fn new() -> Target {
        Target(Scratch::new())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(NAME)
    }

    fn part(&self) -> PathBuf {
        self.0.path().join(format!("{NAME}.gz.part"))
    }

    fn fetch(&self, subject: &Subject, mirrors: &[String]) -> Result<Vec<FetchedFile>> {
        self.fetch_to(subject, mirrors, &Disk)
    }

    fn fetch_to(
        &self,
        subject: &Subject,
        mirrors: &[String],
        storage: &dyn Storage,
    ) -> Result<Vec<FetchedFile>> {
        let [answer, idle, pause] = [10_000, 1_000, 1].map(Duration::from_millis);
        let mut progress = ();
        let mut fetcher = Fetcher::new(Timeouts { answer, idle, pause }, storage, &mut progress);
        fetcher.fetch_missing(&[subject.listed()], mirrors.to_vec(), self.0.path())
    }

    /// Checks that the folder holds only the complete file, downloaded from the mirror `url`.
    #[track_caller]
    fn assert_stored(&self, subject: &Subject, got: Result<Vec<FetchedFile>>, url: &str) {
        let file = FetchedFile {
            name: NAME.into(),
            bytes: subject.plain.len() as u64,
            source: Source::Web(format!("{url}{NAME}.gz")),
        };
        assert_eq!(got.unwrap(), [file]);
        assert!(fs::read(self.file()).unwrap() == subject.plain);
        assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), 1);
    }

    /// Checks that the download failed in one line containing `reason`, and left no file under the final name.
    #[track_caller]
    fn assert_failed(&self, got: Result<Vec<FetchedFile>>, reason: &str) {
        let error = got.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_input() && text.contains(reason) && !text.contains('\n'), "{text}");
        assert!(!self.file().exists());
    }
}

fn ranges(server: &Server) -> Vec<Option<usize>> {
    server.requests().iter().map(|request| request.from).collect()
}

#[test]
fn files_are_downloaded_verified_and_stored_once() {
    let [first, second] = [Subject::new(1, 100_000), Subject::new(2, 10)];
    let files = [("a-ubyte", first.sum.as_str()), ("b-ubyte", &second.sum)];
    let (a, b) = (first.packed.clone(), second.packed.clone());
    let server = Server::new(move |request, _| match request.path.as_str() {
        "/set/a-ubyte.gz" => Reply::range(&a, request),
        "/set/b-ubyte.gz" => Reply::range(&b, request),
        _ => Reply::status(404),
    });
    let target = Target::new();
    let folder = target.0.path().join("new/folder");
    let fetch = || {
        let mirrors = vec![nobody(), format!("{}set/", server.url())];
        Fetcher::new(Timeouts::default(), &Disk, &mut ()).fetch_missing(&files, mirrors, &folder).unwrap()
    };
    let got = fetch();
    assert_eq!(got[1].source.to_string(), format!("{}set/b-ubyte.gz", server.url()));
    assert_eq!([got[0].bytes, got[1].bytes], [100_000, 10]);
    assert!(fs::read(folder.join("a-ubyte")).unwrap() == first.plain);
    assert!(fs::read(folder.join("b-ubyte")).unwrap() == second.plain);
    assert!(fetch().iter().all(|file| file.source == Source::Present));
    assert_eq!(server.requests().len(), 2);
    fs::write(folder.join("b-ubyte"), "damaged").unwrap();
    fetch();
    assert_eq!(server.requests().len(), 3, "damaged files are downloaded again");
    assert!(fs::read(folder.join("b-ubyte")).unwrap() == second.plain);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

/// A mirror that provided a file is tried first for the next.
#[test]
fn working_mirror_is_tried_first() {
    let subject = Subject::new(3, 1000);
    let bad = Server::new(|_, _| Reply::status(500));
    let good = Server::of(subject.packed.clone());
    let files = [("a", subject.sum.as_str()), ("b", &subject.sum), ("c", &subject.sum)];
    let target = Target::new();
    let mirrors = vec![bad.url(), good.url()];
    let mut progress = ();
    let mut fetcher = Fetcher::new(Timeouts::default(), &Disk, &mut progress);
    fetcher.fetch_missing(&files, mirrors, target.0.path()).unwrap();
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 3));
}

#[test]
fn broken_connection_resumes_where_it_broke() {
    for chunked in [false, true] {
        let subject = Subject::new(4, 200_000);
        let packed = subject.packed.clone();
        let server = Server::new(move |request, before| {
            let reply = Reply::range(&packed, request);
            let reply = if chunked { reply.chunked() } else { reply };
            if before < 3 { reply.cut_after(50_000) } else { reply }
        });
        let target = Target::new();
        target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
        assert_eq!(ranges(&server), [None, Some(50_000), Some(100_000), Some(150_000)]);
        let sent: usize = server.requests().iter().map(|request| request.sent).sum();
        assert_eq!(sent, subject.packed.len(), "nothing is sent twice");
    }
}

#[test]
fn later_call_and_another_mirror_resume_too() {
    let subject = Subject::new(5, 100_000);
    let packed = subject.packed.clone();
    let breaking = Server::new(move |request, _| match request.from {
        None => Reply::whole(&packed).cut_after(30_000),
        Some(_) => Reply::range(&packed, request).cut_after(0),
    });
    let target = Target::new();
    target.assert_failed(target.fetch(&subject, &[breaking.url()]), "closed the connection early");
    assert_eq!(fs::metadata(target.part()).unwrap().len(), 30_000);
    assert_eq!(ranges(&breaking), [None, Some(30_000)]);
    let good = Server::of(subject.packed.clone());
    let mirrors = [breaking.url(), good.url()];
    target.assert_stored(&subject, target.fetch(&subject, &mirrors), &good.url());
    assert_eq!(ranges(&good), [Some(30_000)]);
    assert_eq!(good.requests()[0].sent, subject.packed.len() - 30_000);
}

/// A server that keeps sending one byte per connection is eventually abandoned.
#[test]
fn endless_broken_connections_are_abandoned() {
    let subject = Subject::new(6, 10_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |request, _| Reply::range(&packed, request).cut_after(1));
    let target = Target::new();
    target.assert_failed(target.fetch(&subject, &[server.url()]), "closed the connection early");
    assert_eq!(server.requests().len(), 1 + MAX_RETRIES as usize);
    assert_eq!(fs::metadata(target.part()).unwrap().len(), 1 + u64::from(MAX_RETRIES));
}

#[test]
fn server_without_ranges_starts_over() {
    let subject = Subject::new(7, 100_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |_, before| {
        let reply = Reply::whole(&packed);
        if before == 0 { reply.cut_after(70_000) } else { reply }
    });
    let target = Target::new();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [None, Some(70_000)]);
}

#[test]
fn wrong_range_starts_over_once() {
    let subject = Subject::new(8, 100_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |request, _| match request.from {
        None => Reply::whole(&packed),
        Some(from) => Reply::piece(&packed, from + 1),
    });
    let target = Target::new();
    fs::write(target.part(), &subject.packed[..500]).unwrap();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [Some(500), None]);

    let unasked = Server::new(|_, _| Reply::status(206));
    let target = Target::new();
    target.assert_failed(target.fetch(&subject, &[unasked.url()]), "a different range");
    assert_eq!(unasked.requests().len(), 2);
}

/// The part is as long as the file, or longer, so that the server has no bytes beyond it.
#[test]
fn complete_part_is_used_and_overlong_part_discarded() {
    let subject = Subject::new(9, 10_000);
    let server = Server::of(subject.packed.clone());
    let target = Target::new();
    fs::write(target.part(), &subject.packed).unwrap();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [Some(subject.packed.len())]);

    let (server, target) = (Server::of(subject.packed.clone()), Target::new());
    fs::write(target.part(), vec![7; subject.packed.len() + 1]).unwrap();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [Some(subject.packed.len() + 1), None]);

    let (server, target) = (Server::new(|_, _| Reply::status(416)), Target::new());
    target.assert_failed(target.fetch(&subject, &[server.url()]), "status 416");
}

#[test]
fn part_of_another_file_is_discarded() {
    let subject = Subject::new(10, 10_000);
    for garbage in [vec![7; 500], Subject::new(11, 10_000).packed[..600].to_vec()] {
        let (server, target) = (Server::of(subject.packed.clone()), Target::new());
        fs::write(target.part(), &garbage).unwrap();
        target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
        assert_eq!(ranges(&server), [Some(garbage.len()), None]);
    }
    let (server, target) = (Server::of(subject.packed.clone()), Target::new());
    fs::File::create(target.part()).unwrap().set_len(MAX_BYTES + 1).unwrap();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [None]);
}

#[test]
fn wrong_checksum_falls_back_to_the_next_mirror() {
    let subject = Subject::new(12, 10_000);
    let other = Server::of(Subject::new(13, 10_000).packed);
    let damaged = Server::of(b"<html>no data set</html>".to_vec());
    let cut = Server::of(subject.packed[..5_000].to_vec());
    let bomb = Server::of(gzip(&vec![0; MAX_BYTES as usize + 10]));
    let bad = [other.url(), damaged.url(), cut.url(), bomb.url()];
    let good = Server::of(subject.packed.clone());
    let target = Target::new();
    let mirrors = [&bad[..], &[good.url()]].concat();
    target.assert_stored(&subject, target.fetch(&subject, &mirrors), &good.url());
    assert!([&other, &damaged, &cut, &bomb, &good].iter().all(|server| ranges(server) == [None]));

    let target = Target::new();
    let got = target.fetch(&subject, &bad);
    let text = got.as_ref().unwrap_err().to_string();
    assert!(bad.iter().all(|url| text.contains(url.as_str())), "{text}");
    assert!(
        text.contains("damaged file") && text.contains("STRIATE_MIRROR") && text.contains("--from"),
        "{text}"
    );
    target.assert_failed(got, &format!("not {}", subject.sum));
    assert!(target.0.path().is_dir(), "a folder that was there stays");
    let new = target.0.path().join("new");
    let mut progress = ();
    let mut fetcher = Fetcher::new(Timeouts::default(), &Disk, &mut progress);
    fetcher.fetch_missing(&[subject.listed()], bad.to_vec(), &new).unwrap_err();
    assert!(!new.exists(), "no empty folder is left behind");
}

#[test]
fn mirrors_may_serve_unpacked_content() {
    let subject = Subject::new(14, 10_000);
    let (server, target) = (Server::of(subject.plain.clone()), Target::new());
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
}

#[test]
fn redirects_are_followed_and_keep_the_range() {
    let subject = Subject::new(15, 10_000);
    let home = Server::of(subject.packed.clone());
    let target = format!("{}elsewhere/file", home.url());
    let server = Server::new(move |request, _| match request.path.as_str() {
        "/some-ubyte.gz" => Reply::redirect(301, "/b/c"),
        "/b/c" => Reply::redirect(302, "d"),
        "/b/d" => Reply::redirect(303, "/e"),
        "/e" => Reply::redirect(307, "/f"),
        _ => Reply::redirect(308, &target),
    });
    let target = Target::new();
    fs::write(target.part(), &subject.packed[..100]).unwrap();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/some-ubyte.gz", "/b/c", "/b/d", "/e", "/f"]);
    let last = Request { path: "/elsewhere/file".into(), from: Some(100), sent: subject.packed.len() - 100 };
    assert_eq!(home.requests(), [last]);
}

#[test]
fn endless_and_invalid_redirects_are_refused() {
    let subject = Subject::new(16, 10);
    let circular = Server::new(|_, _| Reply::redirect(302, "/round"));
    let target = Target::new();
    target.assert_failed(target.fetch(&subject, &[circular.url()]), "redirects more than 5 times");
    assert_eq!(circular.requests().len(), 6);
    let endless = Server::new(|_, _| Reply::redirect(302, "/round").stalled_after(1).with_length(u64::MAX));
    target.assert_failed(target.fetch(&subject, &[endless.url()]), "redirects more than 5 times");
    for invalid in [Reply::status(302), Reply::redirect(302, "file:///etc/passwd"), Reply::redirect(301, "")]
    {
        let server =
            Server::new(move |_, before| if before < 9 { invalid.clone() } else { Reply::status(500) });
        target.assert_failed(target.fetch(&subject, &[server.url()]), "redirects");
    }
}

#[test]
fn failed_mirrors_are_reported_and_skipped() {
    let subject = Subject::new(17, 10_000);
    let statuses = [404, 403, 500, 503, 204];
    let servers = statuses.map(|status| Server::new(move |_, _| Reply::status(status)));
    let mut mirrors: Vec<String> = servers.iter().map(Server::url).collect();
    mirrors.push(nobody());
    let target = Target::new();
    fs::write(target.part(), &subject.packed[..100]).unwrap();
    let got = target.fetch(&subject, &mirrors);
    let text = got.as_ref().unwrap_err().to_string();
    for status in statuses {
        assert!(text.contains(&format!("answers with status {status};")), "{text}");
    }
    target.assert_failed(got, "cannot be reached (");
    assert_eq!(fs::read(target.part()).unwrap(), subject.packed[..100], "the part is kept");
    assert!(servers.iter().all(|server| server.requests().len() == 1));
    let good = Server::of(subject.packed.clone());
    mirrors.push(good.url());
    target.assert_stored(&subject, target.fetch(&subject, &mirrors), &good.url());
    assert_eq!(ranges(&good), [Some(100)]);
}

/// An HTTPS address whose server does not use TLS.
#[test]
fn server_without_tls_is_reported() {
    let subject = Subject::new(27, 10_000);
    let (server, target) = (Server::of(subject.packed.clone()), Target::new());
    let secure = server.url().replace("http:", "https:");
    target.assert_failed(target.fetch(&subject, std::slice::from_ref(&secure)), &secure);
    assert_eq!(server.requests(), []);
}

#[test]
fn chunked_answers_without_length_are_read() {
    let subject = Subject::new(18, 100_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |request, _| Reply::range(&packed, request).chunked());
    let target = Target::new();
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
}

#[test]
fn oversized_files_are_refused_before_or_during_download() {
    let subject = Subject::new(19, 10_000);
    let target = Target::new();
    for (length, reason) in [(MAX_BYTES + 1, "more than the limit of"), (u64::MAX, "more than the limit of")]
    {
        let packed = subject.packed.clone();
        let server = Server::new(move |_, _| Reply::whole(&packed).with_length(length));
        target.assert_failed(target.fetch(&subject, &[server.url()]), reason);
        assert!(!target.part().exists());
    }
    let flood = Server::new(|_, _| Reply::whole(&vec![1; MAX_BYTES as usize + 1]).chunked());
    target.assert_failed(target.fetch(&subject, &[flood.url()]), "sends more than");
    assert!(!target.part().exists());
    // An announced length that is too small truncates the file; one that is too large ends early.
    let packed = subject.packed.clone();
    let short = Server::new(move |_, _| Reply::whole(&packed).with_length(100));
    target.assert_failed(target.fetch(&subject, &[short.url()]), "damaged file");
    let packed = subject.packed.clone();
    let long = Server::new(move |_, _| Reply::whole(&packed).with_length(1_000_000));
    let good = Server::of(subject.packed.clone());
    target.assert_stored(&subject, target.fetch(&subject, &[long.url(), good.url()]), &good.url());
}

#[test]
fn silent_server_is_abandoned() {
    let subject = Subject::new(20, 10_000);
    let packed = subject.packed.clone();
    let silent = Server::new(move |request, _| match request.from {
        None => Reply::whole(&packed).stalled_after(4_000),
        Some(_) => Reply::range(&packed, request).stalled_after(0),
    });
    let target = Target::new();
    target.assert_failed(target.fetch(&subject, &[silent.url()]), "sent nothing for 1s");
    assert_eq!(ranges(&silent), [None, Some(4_000)]);
    let good = Server::of(subject.packed.clone());
    target.assert_stored(&subject, target.fetch(&subject, &[good.url()]), &good.url());
    assert_eq!(ranges(&good), [Some(4_000)]);
}

/// A disk with this many bytes of free space.
struct SmallDisk(Cell<usize>);

impl Storage for SmallDisk {
    fn write(&self, file: &mut File, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.0.get());
        Disk.write(file, target, &bytes[..fits])?;
        self.0.set(self.0.get() - fits);
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn sync(&self, file: &File, target: &Path) -> io::Result<()> {
        Disk.sync(file, target)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.sync_folder(folder)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
}

#[test]
fn full_disk_is_reported_and_part_is_kept() {
    let subject = Subject::new(21, 200_000);
    let packed = subject.packed.len();
    // The disk fills up while the part is written, or while the file is stored.
    for room in [0, 1, 100_000, packed, packed + 100_000] {
        let (server, spare) = (Server::of(subject.packed.clone()), Server::of(subject.packed.clone()));
        let target = Target::new();
        let got = target.fetch_to(&subject, &[server.url(), spare.url()], &SmallDisk(Cell::new(room)));
        let text = got.as_ref().unwrap_err().to_string();
        assert!(
            text.contains(NAME) && text.contains("free space there") && text.contains("STRIATE_DATA"),
            "{text}"
        );
        target.assert_failed(got, "cannot write");
        assert_eq!(spare.requests(), [], "other mirrors are not tried");
        assert_eq!(fs::read_dir(target.0.path()).unwrap().count(), 1, "only the part is left");
        let kept = room.min(packed);
        assert_eq!(fs::metadata(target.part()).unwrap().len(), kept as u64);
        target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
        assert_eq!(ranges(&server)[1], (kept > 0).then_some(kept), "with free space it resumes");
    }
}

#[test]
fn full_disk_keeps_files_already_stored() {
    let [first, second] = [Subject::new(22, 1_000), Subject::new(23, 100_000)];
    let (a, b) = (first.packed.clone(), second.packed.clone());
    let server =
        Server::new(move |request, _| Reply::range(if request.path == "/a.gz" { &a } else { &b }, request));
    let target = Target::new();
    let disk = SmallDisk(Cell::new(20_000));
    let mut progress = ();
    let mut fetcher = Fetcher::new(Timeouts::default(), &disk, &mut progress);
    let files = [("a", first.sum.as_str()), ("b", &second.sum)];
    assert!(fetcher.fetch_missing(&files, vec![server.url()], target.0.path()).is_err());
    assert_eq!(fs::read(target.0.path().join("a")).unwrap(), first.plain);
    assert!(!target.0.path().join("b").exists());
}

#[test]
fn concurrent_downloads_are_refused() {
    let subject = Subject::new(24, 1_000);
    let (server, target) = (Server::of(subject.packed.clone()), Target::new());
    let other = Part::open(target.part(), &Disk).unwrap();
    target.assert_failed(target.fetch(&subject, &[server.url()]), "downloaded by another process");
    drop(other);
    target.assert_stored(&subject, target.fetch(&subject, &[server.url()]), &server.url());
}

#[test]
fn folder_in_place_of_the_part_is_reported() {
    let subject = Subject::new(25, 1_000);
    let target = Target::new();
    fs::create_dir(target.part()).unwrap();
    let error = target.fetch(&subject, &[nobody()]).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("cannot write"), "{error}");
}

/// The progress reports bytes present, total size, and failed mirrors.
#[test]
fn progress_is_reported() {
    #[derive(Default)]
    struct Recorder(Vec<String>);
    impl DownloadProgress for Recorder {
        fn begin(&mut self, name: &str, have: u64, total: Option<u64>) {
            self.0.push(format!("{name} {have} {total:?}"));
        }
        fn received(&mut self, have: u64) {
            self.0.push(have.to_string());
        }
        fn note(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }
    let subject = Subject::new(26, 1_000);
    let len = subject.packed.len();
    let (bad, good) = (Server::new(|_, _| Reply::status(404)), Server::of(subject.packed.clone()));
    let target = Target::new();
    fs::write(target.part(), &subject.packed[..100]).unwrap();
    let mut recorder = Recorder::default();
    let mut fetcher = Fetcher::new(Timeouts::default(), &Disk, &mut recorder);
    fetcher.fetch_missing(&[subject.listed()], vec![bad.url(), good.url()], target.0.path()).unwrap();
    assert_eq!(recorder.0[0], format!("{NAME}.gz: {} answers with status 404", bad.url()));
    assert_eq!(recorder.0[1], format!("{NAME} 100 Some({len})"));
    assert_eq!(recorder.0.last(), Some(&len.to_string()));
}
