//! `striate data get` against loopback servers.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{Folder, text};
use serde_json::Value;
use striate_testkit::server::{Reply, Server, gzip, nobody};

const GET: [&str; 4] = ["data", "get", "mnist", "--json"];
const FIRST: &str = "train-images-idx3-ubyte";

/// Runs `data get` with `mirrors` into the folder's `data`. The proxy variables name an unreachable proxy, so that
/// using it would fail.
fn get(folder: &Folder, mirrors: &str) -> Output {
    let data = folder.path("data");
    let proxy = nobody();
    let variables = [
        ("STRIATE_DATA", text(&data)),
        ("STRIATE_MIRROR", mirrors),
        ("ALL_PROXY", &proxy),
        ("HTTP_PROXY", &proxy),
        ("NO_PROXY", ""),
    ];
    folder.run_with(&GET, &variables)
}

fn part(folder: &Folder) -> PathBuf {
    folder.path(&format!("data/mnist/{FIRST}.gz.part"))
}

/// Returns the single line that a failed job prints.
fn failure(output: &Output) -> String {
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(output.stdout.is_empty() && line.trim_end().lines().count() == 1, "{line}");
    line
}

fn result(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the folder of the real files; prints that the test is skipped if they are missing.
fn real_files(test: &str) -> Option<PathBuf> {
    let folder = striate_data::data_folder().unwrap().join("mnist");
    // This file is stored last.
    if folder.join("t10k-labels-idx1-ubyte").is_file() {
        return Some(folder);
    }
    striate_testkit::missing_data(test, "mnist is missing; run scripts/fetch-data.sh");
    None
}

/// A server sends the real files, breaking the connection once. A second call downloads nothing.
#[test]
fn real_files_are_downloaded_once() {
    let Some(source) = real_files("real_files_are_downloaded_once") else { return };
    let packed = |path: &str| gzip(&fs::read(source.join(Path::new(path).file_stem().unwrap())).unwrap());
    let server = {
        let files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
            .map(|name| format!("/{name}-ubyte.gz"))
            .map(|path| (packed(&path[1..]), path));
        Server::new(move |request, before| {
            let (bytes, _) = files.iter().find(|(_, path)| *path == request.path).unwrap();
            let reply = Reply::range(bytes, request);
            if before == 0 { reply.cut_after(bytes.len() / 2) } else { reply }
        })
    };
    let folder = Folder::new("download");
    let mirrors = format!("{}, {}", nobody(), server.url());
    let got = result(&get(&folder, &mirrors));
    assert_eq!((&got["name"], &got["folder"]), (&"mnist".into(), &text(&folder.path("data/mnist")).into()));
    let files = got["files"].as_array().unwrap();
    assert_eq!(files.len(), 4);
    assert_eq!(files[0]["name"], FIRST);
    assert_eq!(files[0]["bytes"], 47_040_016);
    assert_eq!(files[0]["source"], format!("{}{FIRST}.gz", server.url()));
    let requests = server.requests();
    assert_eq!((requests.len(), requests[1].from), (5, Some(requests[0].sent)));
    for file in files {
        let name = file["name"].as_str().unwrap();
        assert!(
            fs::read(folder.path("data/mnist").join(name)).unwrap() == fs::read(source.join(name)).unwrap()
        );
    }
    assert_eq!(fs::read_dir(folder.path("data/mnist")).unwrap().count(), 4);

    let again = result(&get(&folder, &mirrors));
    assert!(again["files"].as_array().unwrap().iter().all(|file| file["source"] == "present"));
    assert_eq!(server.requests().len(), 5, "the second call downloads nothing");
    let data = folder.path("data");
    let output = folder.run_with(&["data", "get", "mnist"], &[("STRIATE_DATA", text(&data))]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("mnist is already in "));

    let other = folder.path("other");
    let from = [&GET[..], &["--from", "data/mnist"]].concat();
    let copied = result(&folder.run_with(&from, &[("STRIATE_DATA", text(&other))]));
    assert_eq!(copied["files"][3]["source"], format!("data/mnist/{}", files[3]["name"].as_str().unwrap()));
}

#[test]
fn all_failed_mirrors_are_listed_with_alternatives() {
    let folder = Folder::new("all-fail");
    let missing = Server::new(|_, _| Reply::status(404));
    let wrong = Server::of(gzip(b"something else"));
    let mirrors = [missing.url(), nobody(), wrong.url()];
    let line = failure(&get(&folder, &mirrors.join("\n")));
    assert!(mirrors.iter().all(|mirror| line.contains(mirror)), "{line}");
    for reason in ["status 404", "cannot be reached", "wrong checksum", "--from FOLDER", "STRIATE_MIRROR"] {
        assert!(line.contains(reason), "{line}");
    }
    assert!(!folder.path("data/mnist").exists(), "no empty data folder is left behind");
}

/// A limit on file sizes stands in for a full disk.
#[cfg(unix)]
#[test]
fn full_disk_is_reported_and_partial_download_kept() {
    let folder = Folder::new("full-download");
    let server = Server::of(vec![7; 1_000_000]);
    let command = format!("ulimit -f 100; exec {} data get mnist", env!("CARGO_BIN_EXE_striate"));
    let output = std::process::Command::new("bash")
        .args(["-c", &command])
        .env("STRIATE_DATA", folder.path("data"))
        .env("STRIATE_MIRROR", server.url())
        .output()
        .unwrap();
    let line = failure(&output);
    assert!(line.contains("cannot write") && line.contains(FIRST) && line.contains("free space"), "{line}");
    let kept = fs::metadata(part(&folder)).unwrap().len() as usize;
    assert!(kept > 0 && kept < 1_000_000);
    assert_eq!(fs::read_dir(folder.path("data/mnist")).unwrap().count(), 1);
    assert!(failure(&get(&folder, &server.url())).contains("wrong checksum"));
    let ranges: Vec<_> = server.requests().iter().map(|request| request.from).collect();
    assert_eq!(ranges, [None, Some(kept), None]);
}

/// The same limit while files are copied from a folder.
#[cfg(unix)]
#[test]
fn full_disk_is_reported_while_copying_from_a_folder() {
    let Some(source) = real_files("full_disk_is_reported_while_copying_from_a_folder") else { return };
    let folder = Folder::new("full-from");
    let (program, from) = (env!("CARGO_BIN_EXE_striate"), text(&source));
    let command = format!("ulimit -f 100; exec '{program}' data get mnist --from '{from}'");
    let mut shell = std::process::Command::new("bash");
    let line =
        failure(&shell.args(["-c", &command]).env("STRIATE_DATA", folder.path("data")).output().unwrap());
    assert!(line.contains("cannot write") && line.contains("free space"), "{line}");
    assert_eq!(fs::read_dir(folder.path("data/mnist")).unwrap().count(), 0);
}

/// A signal takes effect even while a server is silent.
#[cfg(unix)]
#[test]
fn signal_keeps_partial_download() {
    use std::process::{Command, Stdio};
    for signal in ["-INT", "-TERM"] {
        let folder = Folder::new(&format!("download{signal}"));
        let server = Server::new(|request, _| match request.from {
            None => Reply::whole(&[7; 10_000]).stalled_after(5_000),
            Some(_) => Reply::status(404),
        });
        let child = Command::new(env!("CARGO_BIN_EXE_striate"))
            .args(GET)
            .env("STRIATE_DATA", folder.path("data"))
            .env("STRIATE_MIRROR", server.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while fs::metadata(part(&folder)).map_or(0, |file| file.len()) < 5_000 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let line = failure(&child.wait_with_output().unwrap());
        assert!(line.contains("stopped by a signal") && line.contains("striate data get mnist"), "{line}");
        assert!(failure(&get(&folder, &server.url())).contains("status 404"));
        assert_eq!(server.requests()[1].from, Some(5_000), "the next call resumes the download");
    }
}
