//! Downloads from servers on loopback that break connections, lie, and redirect.

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use md5::{Digest, Md5};
use striate_testkit::server::{Reply, Request, Server, gzip, nobody};

use super::*;
use crate::get::RealDisk;
use crate::scratch::Scratch;

const NAME: &str = "some-ubyte";

/// A file to fetch: its content, packed and not, and its checksum.
struct Subject {
    plain: Vec<u8>,
    packed: Vec<u8>,
    sum: String,
}

impl Subject {
    /// Bytes that packing does not make fewer.
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

/// A folder for data, and what a fetch into it did.
struct Place(Scratch);

impl Place {
    fn new() -> Place {
        Place(Scratch::new())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(NAME)
    }

    fn part(&self) -> PathBuf {
        self.0.path().join(format!("{NAME}.gz.part"))
    }

    fn fetch(&self, subject: &Subject, mirrors: &[String]) -> Result<Vec<GotFile>> {
        self.fetch_to(subject, mirrors, &RealDisk)
    }

    fn fetch_to(&self, subject: &Subject, mirrors: &[String], disk: &dyn Disk) -> Result<Vec<GotFile>> {
        let [answer, idle, pause] = [10_000, 1_000, 1].map(Duration::from_millis);
        let mut watch = ();
        let mut fetcher = Fetcher::new(Patience { answer, idle, pause }, disk, &mut watch);
        fetcher.fetch_missing(&[subject.listed()], mirrors.to_vec(), self.0.path())
    }

    /// The file is here, whole, from the mirror `url`, and nothing beside it.
    #[track_caller]
    fn holds(&self, subject: &Subject, got: Result<Vec<GotFile>>, url: &str) {
        let file = GotFile {
            name: NAME.into(),
            bytes: subject.plain.len() as u64,
            source: Source::Web(format!("{url}{NAME}.gz")),
        };
        assert_eq!(got.unwrap(), [file]);
        assert!(fs::read(self.file()).unwrap() == subject.plain);
        assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), 1);
    }

    /// The fetch failed, as a job does, in one line with `reason`; there is no file under the final name.
    #[track_caller]
    fn lacks(&self, got: Result<Vec<GotFile>>, reason: &str) {
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
fn files_are_fetched_verified_and_stored_once() {
    let [first, second] = [Subject::new(1, 100_000), Subject::new(2, 10)];
    let files = [("a-ubyte", first.sum.as_str()), ("b-ubyte", &second.sum)];
    let (a, b) = (first.packed.clone(), second.packed.clone());
    let server = Server::new(move |request, _| match request.path.as_str() {
        "/set/a-ubyte.gz" => Reply::range(&a, request),
        "/set/b-ubyte.gz" => Reply::range(&b, request),
        _ => Reply::status(404),
    });
    let place = Place::new();
    let folder = place.0.path().join("new/folder");
    let fetch = || {
        let mirrors = vec![nobody(), format!("{}set/", server.url())];
        Fetcher::new(Patience::default(), &RealDisk, &mut ()).fetch_missing(&files, mirrors, &folder).unwrap()
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
    assert_eq!(server.requests().len(), 3, "what is damaged is fetched again");
    assert!(fs::read(folder.join("b-ubyte")).unwrap() == second.plain);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

/// The mirror that gave the last file comes first.
#[test]
fn the_mirror_that_works_is_asked_first() {
    let subject = Subject::new(3, 1000);
    let bad = Server::new(|_, _| Reply::status(500));
    let good = Server::of(subject.packed.clone());
    let files = [("a", subject.sum.as_str()), ("b", &subject.sum), ("c", &subject.sum)];
    let place = Place::new();
    let mirrors = vec![bad.url(), good.url()];
    let mut watch = ();
    let mut fetcher = Fetcher::new(Patience::default(), &RealDisk, &mut watch);
    fetcher.fetch_missing(&files, mirrors, place.0.path()).unwrap();
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 3));
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    for chunked in [false, true] {
        let subject = Subject::new(4, 200_000);
        let packed = subject.packed.clone();
        let server = Server::new(move |request, before| {
            let reply = Reply::range(&packed, request);
            let reply = if chunked { reply.chunked() } else { reply };
            if before < 3 { reply.cut_after(50_000) } else { reply }
        });
        let place = Place::new();
        place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
        assert_eq!(ranges(&server), [None, Some(50_000), Some(100_000), Some(150_000)]);
        let sent: usize = server.requests().iter().map(|request| request.sent).sum();
        assert_eq!(sent, subject.packed.len(), "nothing is sent twice");
    }
}

#[test]
fn a_later_call_and_another_mirror_go_on_too() {
    let subject = Subject::new(5, 100_000);
    let packed = subject.packed.clone();
    let breaking = Server::new(move |request, _| match request.from {
        None => Reply::whole(&packed).cut_after(30_000),
        Some(_) => Reply::range(&packed, request).cut_after(0),
    });
    let place = Place::new();
    place.lacks(place.fetch(&subject, &[breaking.url()]), "breaks off");
    assert_eq!(fs::metadata(place.part()).unwrap().len(), 30_000);
    assert_eq!(ranges(&breaking), [None, Some(30_000)]);
    let good = Server::of(subject.packed.clone());
    let mirrors = [breaking.url(), good.url()];
    place.holds(&subject, place.fetch(&subject, &mirrors), &good.url());
    assert_eq!(ranges(&good), [Some(30_000)]);
    assert_eq!(good.requests()[0].sent, subject.packed.len() - 30_000);
}

/// A server that sends a byte and breaks, for ever, is left at some time.
#[test]
fn breaks_without_end_come_to_an_end() {
    let subject = Subject::new(6, 10_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |request, _| Reply::range(&packed, request).cut_after(1));
    let place = Place::new();
    place.lacks(place.fetch(&subject, &[server.url()]), "breaks off");
    assert_eq!(server.requests().len(), 1 + MOST_BREAKS as usize);
    assert_eq!(fs::metadata(place.part()).unwrap().len(), 1 + u64::from(MOST_BREAKS));
}

#[test]
fn a_server_that_knows_no_ranges_begins_anew() {
    let subject = Subject::new(7, 100_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |_, before| {
        let reply = Reply::whole(&packed);
        if before == 0 { reply.cut_after(70_000) } else { reply }
    });
    let place = Place::new();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [None, Some(70_000)]);
}

#[test]
fn another_range_than_asked_for_begins_anew_once() {
    let subject = Subject::new(8, 100_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |request, _| match request.from {
        None => Reply::whole(&packed),
        Some(from) => Reply::piece(&packed, from + 1),
    });
    let place = Place::new();
    fs::write(place.part(), &subject.packed[..500]).unwrap();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [Some(500), None]);

    let unasked = Server::new(|_, _| Reply::status(206));
    let place = Place::new();
    place.lacks(place.fetch(&subject, &[unasked.url()]), "another range");
    assert_eq!(unasked.requests().len(), 2);
}

/// The part is the whole file, or more than that: the server has nothing beyond it.
#[test]
fn a_part_that_is_whole_is_used_and_one_that_is_too_long_dropped() {
    let subject = Subject::new(9, 10_000);
    let server = Server::of(subject.packed.clone());
    let place = Place::new();
    fs::write(place.part(), &subject.packed).unwrap();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [Some(subject.packed.len())]);

    let (server, place) = (Server::of(subject.packed.clone()), Place::new());
    fs::write(place.part(), vec![7; subject.packed.len() + 1]).unwrap();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [Some(subject.packed.len() + 1), None]);

    let (server, place) = (Server::new(|_, _| Reply::status(416)), Place::new());
    place.lacks(place.fetch(&subject, &[server.url()]), "status 416");
}

#[test]
fn a_part_of_something_else_is_dropped() {
    let subject = Subject::new(10, 10_000);
    for garbage in [vec![7; 500], Subject::new(11, 10_000).packed[..600].to_vec()] {
        let (server, place) = (Server::of(subject.packed.clone()), Place::new());
        fs::write(place.part(), &garbage).unwrap();
        place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
        assert_eq!(ranges(&server), [Some(garbage.len()), None]);
    }
    let (server, place) = (Server::of(subject.packed.clone()), Place::new());
    fs::File::create(place.part()).unwrap().set_len(MOST_BYTES + 1).unwrap();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
    assert_eq!(ranges(&server), [None]);
}

#[test]
fn a_wrong_checksum_leads_to_the_next_mirror() {
    let subject = Subject::new(12, 10_000);
    let other = Server::of(Subject::new(13, 10_000).packed);
    let damaged = Server::of(b"<html>no data set</html>".to_vec());
    let cut = Server::of(subject.packed[..5_000].to_vec());
    let bomb = Server::of(gzip(&vec![0; MOST_BYTES as usize + 10]));
    let bad = [other.url(), damaged.url(), cut.url(), bomb.url()];
    let good = Server::of(subject.packed.clone());
    let place = Place::new();
    let mirrors = [&bad[..], &[good.url()]].concat();
    place.holds(&subject, place.fetch(&subject, &mirrors), &good.url());
    assert!([&other, &damaged, &cut, &bomb, &good].iter().all(|server| ranges(server) == [None]));

    let place = Place::new();
    let got = place.fetch(&subject, &bad);
    let text = got.as_ref().unwrap_err().to_string();
    assert!(bad.iter().all(|url| text.contains(url.as_str())), "{text}");
    assert!(
        text.contains("damaged file") && text.contains("STRIATE_MIRROR") && text.contains("--from"),
        "{text}"
    );
    place.lacks(got, &format!("not {}", subject.sum));
    assert!(!place.0.path().exists(), "nothing good has come, and no empty folder stays");
}

#[test]
fn mirrors_may_serve_unpacked_content() {
    let subject = Subject::new(14, 10_000);
    let (server, place) = (Server::of(subject.plain.clone()), Place::new());
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
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
    let place = Place::new();
    fs::write(place.part(), &subject.packed[..100]).unwrap();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/some-ubyte.gz", "/b/c", "/b/d", "/e", "/f"]);
    let last = Request { path: "/elsewhere/file".into(), from: Some(100), sent: subject.packed.len() - 100 };
    assert_eq!(home.requests(), [last]);
}

#[test]
fn redirects_without_end_or_aim_are_refused() {
    let subject = Subject::new(16, 10);
    let round = Server::new(|_, _| Reply::redirect(302, "/round"));
    let place = Place::new();
    place.lacks(place.fetch(&subject, &[round.url()]), "redirects more than 5 times");
    assert_eq!(round.requests().len(), 6);
    let endless = Server::new(|_, _| Reply::redirect(302, "/round").stalled_after(1).with_length(u64::MAX));
    place.lacks(place.fetch(&subject, &[endless.url()]), "redirects more than 5 times");
    for aimless in [Reply::status(302), Reply::redirect(302, "file:///etc/passwd"), Reply::redirect(301, "")]
    {
        let server =
            Server::new(move |_, before| if before < 9 { aimless.clone() } else { Reply::status(500) });
        place.lacks(place.fetch(&subject, &[server.url()]), "redirects");
    }
}

#[test]
fn refusals_and_absence_are_said_and_lead_on() {
    let subject = Subject::new(17, 10_000);
    let statuses = [404, 403, 500, 503, 204];
    let servers = statuses.map(|status| Server::new(move |_, _| Reply::status(status)));
    let mut mirrors: Vec<String> = servers.iter().map(Server::url).collect();
    mirrors.push(nobody());
    let place = Place::new();
    fs::write(place.part(), &subject.packed[..100]).unwrap();
    let got = place.fetch(&subject, &mirrors);
    let text = got.as_ref().unwrap_err().to_string();
    for status in statuses {
        assert!(text.contains(&format!("answers with status {status};")), "{text}");
    }
    place.lacks(got, "cannot be reached (");
    assert_eq!(fs::read(place.part()).unwrap(), subject.packed[..100], "what was here stays");
    assert!(servers.iter().all(|server| server.requests().len() == 1));
    let good = Server::of(subject.packed.clone());
    mirrors.push(good.url());
    place.holds(&subject, place.fetch(&subject, &mirrors), &good.url());
    assert_eq!(ranges(&good), [Some(100)]);
}

/// A secure connection is asked for, and what answers is not one.
#[test]
fn what_does_not_speak_tls_is_said() {
    let subject = Subject::new(27, 10_000);
    let (server, place) = (Server::of(subject.packed.clone()), Place::new());
    let secure = server.url().replace("http:", "https:");
    place.lacks(place.fetch(&subject, std::slice::from_ref(&secure)), &secure);
    assert_eq!(server.requests(), []);
}

#[test]
fn chunks_and_lengths_unsaid_are_read() {
    let subject = Subject::new(18, 100_000);
    let packed = subject.packed.clone();
    let server = Server::new(move |request, _| Reply::range(&packed, request).chunked());
    let place = Place::new();
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
}

#[test]
fn too_much_is_refused_before_or_while_it_comes() {
    let subject = Subject::new(19, 10_000);
    let place = Place::new();
    for (length, reason) in [(MOST_BYTES + 1, "too many for this file"), (u64::MAX, "too many for this file")]
    {
        let packed = subject.packed.clone();
        let server = Server::new(move |_, _| Reply::whole(&packed).with_length(length));
        place.lacks(place.fetch(&subject, &[server.url()]), reason);
        assert!(!place.part().exists());
    }
    let flood = Server::new(|_, _| Reply::whole(&vec![1; MOST_BYTES as usize + 1]).chunked());
    place.lacks(place.fetch(&subject, &[flood.url()]), "sends more than");
    assert!(!place.part().exists());
    // Lengths that are too small cut the file; one that is too large breaks it off.
    let packed = subject.packed.clone();
    let short = Server::new(move |_, _| Reply::whole(&packed).with_length(100));
    place.lacks(place.fetch(&subject, &[short.url()]), "damaged file");
    let packed = subject.packed.clone();
    let long = Server::new(move |_, _| Reply::whole(&packed).with_length(1_000_000));
    let good = Server::of(subject.packed.clone());
    place.holds(&subject, place.fetch(&subject, &[long.url(), good.url()]), &good.url());
}

#[test]
fn a_silent_server_is_given_up() {
    let subject = Subject::new(20, 10_000);
    let packed = subject.packed.clone();
    let silent = Server::new(move |request, _| match request.from {
        None => Reply::whole(&packed).stalled_after(4_000),
        Some(_) => Reply::range(&packed, request).stalled_after(0),
    });
    let place = Place::new();
    place.lacks(place.fetch(&subject, &[silent.url()]), "is silent for 1s");
    assert_eq!(ranges(&silent), [None, Some(4_000)]);
    let good = Server::of(subject.packed.clone());
    place.holds(&subject, place.fetch(&subject, &[good.url()]), &good.url());
    assert_eq!(ranges(&good), [Some(4_000)]);
}

/// A disk that has room for so many bytes more.
struct Small(Cell<usize>);

impl Disk for Small {
    fn write_all(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.0.get());
        file.write_all(&bytes[..fits])?;
        self.0.set(self.0.get() - fits);
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let subject = Subject::new(21, 200_000);
    let packed = subject.packed.len();
    // Full while the part is written, and while the file is stored.
    for room in [0, 1, 100_000, packed, packed + 100_000] {
        let (server, spare) = (Server::of(subject.packed.clone()), Server::of(subject.packed.clone()));
        let place = Place::new();
        let got = place.fetch_to(&subject, &[server.url(), spare.url()], &Small(Cell::new(room)));
        let text = got.as_ref().unwrap_err().to_string();
        assert!(
            text.contains(NAME) && text.contains("free space there") && text.contains("STRIATE_DATA"),
            "{text}"
        );
        place.lacks(got, "cannot write");
        assert_eq!(spare.requests(), [], "another mirror does not help");
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "the part alone");
        let kept = room.min(packed);
        assert_eq!(fs::metadata(place.part()).unwrap().len(), kept as u64);
        place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
        assert_eq!(ranges(&server)[1], (kept > 0).then_some(kept), "with room it goes on");
    }
}

#[test]
fn a_full_disk_leaves_files_that_are_stored() {
    let [first, second] = [Subject::new(22, 1_000), Subject::new(23, 100_000)];
    let (a, b) = (first.packed.clone(), second.packed.clone());
    let server =
        Server::new(move |request, _| Reply::range(if request.path == "/a.gz" { &a } else { &b }, request));
    let place = Place::new();
    let disk = Small(Cell::new(20_000));
    let mut watch = ();
    let mut fetcher = Fetcher::new(Patience::default(), &disk, &mut watch);
    let files = [("a", first.sum.as_str()), ("b", &second.sum)];
    assert!(fetcher.fetch_missing(&files, vec![server.url()], place.0.path()).is_err());
    assert_eq!(fs::read(place.0.path().join("a")).unwrap(), first.plain);
    assert!(!place.0.path().join("b").exists());
}

#[test]
fn two_at_a_time_do_not_mix() {
    let subject = Subject::new(24, 1_000);
    let (server, place) = (Server::of(subject.packed.clone()), Place::new());
    let other = Part::open(place.part(), &RealDisk).unwrap();
    place.lacks(place.fetch(&subject, &[server.url()]), "fetched by another process");
    drop(other);
    place.holds(&subject, place.fetch(&subject, &[server.url()]), &server.url());
}

#[test]
fn a_folder_in_the_place_of_the_part_is_said() {
    let subject = Subject::new(25, 1_000);
    let place = Place::new();
    fs::create_dir(place.part()).unwrap();
    place.lacks(place.fetch(&subject, &[nobody()]), "cannot write");
}

/// What is told while a file comes: what is here already, how much there is, and which mirrors failed.
#[test]
fn progress_is_told() {
    #[derive(Default)]
    struct Told(Vec<String>);
    impl Watch for Told {
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
    let place = Place::new();
    fs::write(place.part(), &subject.packed[..100]).unwrap();
    let mut told = Told::default();
    let mut fetcher = Fetcher::new(Patience::default(), &RealDisk, &mut told);
    fetcher.fetch_missing(&[subject.listed()], vec![bad.url(), good.url()], place.0.path()).unwrap();
    assert_eq!(told.0[0], format!("{NAME}.gz: {} answers with status 404", bad.url()));
    assert_eq!(told.0[1], format!("{NAME} 100 Some({len})"));
    assert_eq!(told.0.last(), Some(&len.to_string()));
}
