//! Tests of checkpoints: bit-exact, found after any crash, refused if a single bit is wrong.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::Folder;
use striate_formats::{Checkpoint, Checkpoints, Position, Weights};
use striate_tensor::Shape;
use striate_tensor::file::{Disk, Storage};
use striate_tensor::random::{Random, Stream};

mod common;

const FILES: [&str; 2] = ["state.safetensors", "manifest.json"];

fn checkpoint(step: u64) -> Checkpoint {
    let values = (0..6).map(|i| i as f32 + step as f32).collect();
    Checkpoint {
        position: Position { seed: u64::MAX, epoch: 2, batch: 3, step },
        arithmetic: "cpu avx2 f32".into(),
        extra: serde_json::json!({"best": 1e-9, "loss": 0.1, "text": "a\nä", "count": i64::MIN}),
        state: Weights::from([
            ("a".into(), (Shape::from([2, 3]), values)),
            ("a.momentum".into(), (Shape::from([0, 3]), vec![])),
        ]),
    }
}

fn step(run: &Folder, step: u64) -> PathBuf {
    run.path().join(format!("checkpoints/step-{step:09}"))
}

fn kept(run: &Folder) -> Vec<String> {
    let entries = fs::read_dir(run.path().join("checkpoints")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn latest_checkpoint_is_found_and_older_ones_removed() {
    let run = Folder::new("keep");
    let checkpoints = Checkpoints::new(run.path(), 2);
    assert_eq!(checkpoints.latest().unwrap(), None);
    for step in [1, 2, 10] {
        checkpoints.save(&checkpoint(step)).unwrap();
    }
    assert_eq!(checkpoints.latest().unwrap(), Some(checkpoint(10)));
    assert_eq!(kept(&run), ["step-000000002", "step-000000010"]);
    fs::remove_file(step(&run, 10).join("manifest.json")).unwrap();
    assert_eq!(
        checkpoints.latest().unwrap(),
        Some(checkpoint(2)),
        "a checkpoint without a manifest is ignored"
    );
}

#[test]
fn incomplete_checkpoints_are_removed_and_do_not_displace_complete_ones() {
    let run = Folder::new("unfinished");
    let checkpoints = Checkpoints::new(run.path(), 2);
    for step in [1, 2, 9] {
        checkpoints.save(&checkpoint(step)).unwrap();
        if step != 1 {
            fs::remove_file(self::step(&run, step).join("manifest.json")).unwrap();
        }
    }
    fs::write(run.path().join("checkpoints/step-notes"), "of the user").unwrap();
    checkpoints.save(&checkpoint(3)).unwrap();
    assert_eq!(kept(&run), ["step-000000001", "step-000000003", "step-notes"]);
}

#[test]
fn steps_are_ordered_by_number() {
    let run = Folder::new("order");
    let checkpoints = Checkpoints::new(run.path(), 2);
    for step in [99_999_999, 999_999_999, 1_000_000_000] {
        checkpoints.save(&checkpoint(step)).unwrap();
    }
    assert_eq!(checkpoints.latest().unwrap(), Some(checkpoint(1_000_000_000)));
    assert_eq!(kept(&run), ["step-1000000000", "step-999999999"]);
}

#[test]
fn saving_and_loading_preserves_every_bit() {
    let run = Folder::new("bits");
    let bits = [0, 1, 0x8000_0000, 0x7f80_0000, 0x7f80_0001, 0x7fc0_1234, 0xffff_ffff, 0x0000_0001];
    let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
    let extra = serde_json::json!({"i": i64::MIN, "u": u64::MAX, "f": [0.1, 1.0 / 3.0, -0.0, 5e-324]});
    let position = Position { seed: u64::MAX, epoch: u64::MAX, batch: (1 << 53) + 1, step: u64::MAX };
    let state = Weights::from([("a".into(), (Shape::from([8]), values))]);
    let saved = Checkpoint { position, arithmetic: "ä\"".into(), extra, state };
    let checkpoints = Checkpoints::new(run.path(), 1);
    checkpoints.save(&saved).unwrap();
    let found = checkpoints.latest().unwrap().unwrap();
    assert_eq!((found.position, &found.arithmetic), (saved.position, &saved.arithmetic));
    assert_eq!(found.extra.to_string(), saved.extra.to_string());
    assert_eq!(found.state["a"].1.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), bits);
    let empty = Checkpoint { state: Weights::new(), ..checkpoint(1) };
    let run = Folder::new("empty");
    let checkpoints = Checkpoints::new(run.path(), 1);
    checkpoints.save(&empty).unwrap();
    assert_eq!(checkpoints.latest().unwrap(), Some(empty));
}

/// Calls `check` with `good` truncated at every length, and with two bits of each byte flipped, one at a time:
/// the one that changes the case of a letter, and one whose position varies from byte to byte.
fn damages(good: &[u8], mut check: impl FnMut(&[u8], &str)) {
    for index in 0..good.len() {
        for bit in [5, index % 8] {
            let mut bad = good.to_vec();
            bad[index] ^= 1 << bit;
            check(&bad, &format!("bit {bit} of byte {index}"));
        }
    }
    (0..good.len()).for_each(|cut| check(&good[..cut], &format!("cut at {cut}")));
    check(&[good, b"\n"].concat(), "longer");
}

#[test]
fn truncation_and_flipped_bit_anywhere_are_refused() {
    let run = Folder::new("flip");
    let checkpoints = Checkpoints::new(run.path(), 3);
    checkpoints.save(&checkpoint(1)).unwrap();
    checkpoints.save(&checkpoint(2)).unwrap();
    for name in FILES {
        let path = step(&run, 2).join(name);
        let good = fs::read(&path).unwrap();
        damages(&good, |bad, how| {
            fs::write(&path, bad).unwrap();
            let error = checkpoints.latest().expect_err(how);
            let line = error.to_string();
            let named = ["step-000000002", name, "step-000000001"].iter().all(|part| line.contains(part));
            assert!(error.is_input() && named && !line.contains('\n'), "{how}: {line}");
        });
        fs::write(&path, good).unwrap();
    }
    assert_eq!(checkpoints.latest().unwrap(), Some(checkpoint(2)));
    fs::remove_file(step(&run, 2).join("state.safetensors")).unwrap();
    assert!(checkpoints.latest().unwrap_err().is_input());
}

/// The state has the size of that of LeNet-5 with its momenta.
#[test]
fn thousand_random_flipped_bits_are_refused() {
    let run = Folder::new("thousand");
    let values: Vec<f32> = (0..61_706).map(|i| (i as f32).sin()).collect();
    let tensor = (Shape::from([61_706]), values);
    let state = Weights::from([("fc".into(), tensor.clone()), ("fc.momentum".into(), tensor)]);
    let checkpoints = Checkpoints::new(run.path(), 1);
    checkpoints.save(&Checkpoint { state, ..checkpoint(1) }).unwrap();
    let paths = FILES.map(|name| step(&run, 1).join(name));
    let good = paths.clone().map(|path| fs::read(path).unwrap());
    let bits: usize = good.iter().map(|bytes| bytes.len() * 8).sum();
    let mut random = Random::new(5, Stream::Other, 0);
    for flip in 0..1000 {
        // Every tenth flip is in the manifest, which is far smaller than the state.
        let manifest = good[1].len() * 8;
        let bit = if flip % 10 == 0 { bits - 1 - random.below(manifest) } else { random.below(bits) };
        let (file, bit) = if bit < good[0].len() * 8 { (0, bit) } else { (1, bit - good[0].len() * 8) };
        let mut bad = good[file].clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&paths[file], &bad).unwrap();
        assert!(
            checkpoints.latest().expect_err("a flipped bit is noticed").is_input(),
            "bit {bit} of {file}"
        );
        fs::write(&paths[file], &good[file]).unwrap();
    }
    assert!(checkpoints.latest().unwrap().is_some());
}

#[test]
fn damage_to_the_only_checkpoint_is_reported_as_such() {
    let run = Folder::new("only");
    let checkpoints = Checkpoints::new(run.path(), 3);
    checkpoints.save(&checkpoint(1)).unwrap();
    fs::write(step(&run, 1).join("manifest.json"), "{}").unwrap();
    assert!(checkpoints.latest().unwrap_err().to_string().contains("it is the only one"));
}

/// How a [`Faulty`] disk fails.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    /// All later operations fail, as in a power failure.
    Crash,
    /// One operation fails, the next ones succeed.
    Once,
}

/// A disk that fails after `left` operations and records those that succeeded.
struct Faulty {
    left: RefCell<usize>,
    fault: Fault,
    done: Rc<RefCell<Vec<String>>>,
}

impl Faulty {
    fn new(left: usize, fault: Fault) -> (Faulty, Rc<RefCell<Vec<String>>>) {
        let done = Rc::default();
        (Faulty { left: RefCell::new(left), fault, done: Rc::clone(&done) }, done)
    }

    fn attempt(
        &self,
        what: &str,
        path: &Path,
        fails: impl FnOnce(),
        works: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut left = self.left.borrow_mut();
        if *left == 0 {
            if self.fault == Fault::Once {
                *left = usize::MAX;
            }
            fails();
            return Err(io::ErrorKind::StorageFull.into());
        }
        *left -= 1;
        let name = path.file_name().unwrap().to_string_lossy();
        self.done.borrow_mut().push(format!("{what} {name}"));
        works()
    }
}

impl Storage for Faulty {
    fn write(&self, file: &mut File, target: &Path, bytes: &[u8]) -> io::Result<()> {
        // Half of the file may have been written.
        let mut half = file.try_clone()?;
        let fails = || half.write_all(&bytes[..bytes.len() / 2]).unwrap();
        self.attempt("write", target, fails, || Disk.write(file, target, bytes))
    }

    fn sync(&self, file: &File, target: &Path) -> io::Result<()> {
        self.attempt("sync", target, || (), || Disk.sync(file, target))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.attempt("rename", to, || (), || Disk.rename(from, to))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.attempt("sync", folder, || (), || Disk.sync_folder(folder))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.attempt("remove", path, || (), || Disk.remove(path))
    }
}

/// Saves `next` after `before` on disks that fail later and later, until one does not fail. After each failure, the
/// old checkpoint or the new one is intact, and saving works again.
fn survive(before: &[Checkpoint], next: &Checkpoint, fault: Fault) {
    for good in 0.. {
        let run = Folder::new(&format!("fault-{fault:?}-{}-{}", before.len(), next.position.step));
        let checkpoints = Checkpoints::new(run.path(), 2);
        before.iter().for_each(|checkpoint| checkpoints.save(checkpoint).unwrap());
        let (storage, _) = Faulty::new(good, fault);
        let saved = Checkpoints::with_storage(run.path(), 2, storage).save(next);
        let found = checkpoints.latest().unwrap_or_else(|e| panic!("after {good} operations: {e}"));
        let known = found.as_ref().is_none_or(|found| found == next || before.contains(found));
        assert!(known && (found.is_some() || before.len() < 2), "after {good} operations");
        if let Err(error) = &saved {
            assert!(!error.is_input() && error.to_string().contains("step-"), "{error}");
        } else {
            assert_eq!(found.as_ref(), Some(next));
        }
        checkpoints.save(next).unwrap();
        assert_eq!(checkpoints.latest().unwrap().as_ref(), Some(next));
        // A crash between the last two removals leaves an empty folder.
        let full = kept(&run)
            .into_iter()
            .filter(|name| fs::read_dir(run.path().join("checkpoints").join(name)).unwrap().next().is_some());
        assert!(full.count() <= 2);
        let mut files: Vec<_> = fs::read_dir(step(&run, next.position.step))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(
            files,
            [".striate-folder", "manifest.json", "state.safetensors"],
            "after {good} operations"
        );
        if saved.is_ok() {
            assert!(good >= 11, "only {good} operations: folders are not synced");
            return;
        }
    }
}

#[test]
fn fault_at_any_operation_leaves_the_old_or_the_new_checkpoint() {
    let mut again = checkpoint(2);
    again.state.get_mut("a").unwrap().1[0] = -1.0;
    for fault in [Fault::Crash, Fault::Once] {
        survive(&[], &checkpoint(1), fault);
        survive(&[checkpoint(1)], &checkpoint(2), fault);
        survive(&[checkpoint(1), checkpoint(2)], &checkpoint(3), fault);
        // The same step with a different state.
        survive(&[checkpoint(1), checkpoint(2)], &again, fault);
    }
}

#[test]
fn identical_checkpoint_is_not_written_again() {
    let run = Folder::new("identical");
    Checkpoints::new(run.path(), 2).save(&checkpoint(1)).unwrap();
    let (storage, done) = Faulty::new(usize::MAX, Fault::Crash);
    Checkpoints::with_storage(run.path(), 2, storage).save(&checkpoint(1)).unwrap();
    assert!(done.borrow().is_empty(), "{:?}", done.borrow());
}

#[test]
fn state_and_folders_are_synced_before_the_manifest() {
    let run = Folder::new("sequence");
    let (storage, done) = Faulty::new(usize::MAX, Fault::Crash);
    Checkpoints::with_storage(run.path(), 2, storage).save(&checkpoint(1)).unwrap();
    let run = run.path().file_name().unwrap().to_string_lossy().into_owned();
    let sync = |name: &str| format!("sync {name}");
    let written = |name| {
        ["write", "sync", "rename"]
            .map(|what| format!("{what} {name}"))
            .into_iter()
            .chain([sync("step-000000001")])
    };
    let mut expected: Vec<String> = written(".striate-folder").collect();
    expected.extend([&run, "checkpoints"].map(sync));
    expected.extend(["remove manifest.json".into(), sync("step-000000001")]);
    expected.extend(written("state.safetensors").chain(written("manifest.json")));
    assert_eq!(*done.borrow(), expected);
}

/// A folder named like a checkpoint but not created by Striate, with a file of the user.
fn foreign(run: &Folder, name: &str) -> PathBuf {
    let folder = run.path().join("checkpoints").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("thesis.txt"), "of the user").unwrap();
    folder.join("thesis.txt")
}

#[test]
fn foreign_folders_are_never_removed_or_written() {
    let run = Folder::new("foreign");
    let file = foreign(&run, "step-000000001");
    let checkpoints = Checkpoints::new(run.path(), 1);
    for step in [2, 3] {
        checkpoints.save(&checkpoint(step)).unwrap();
    }
    assert_eq!(kept(&run), ["step-000000001", "step-000000003"]);
    let error = checkpoints.save(&checkpoint(1)).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("step-000000001"), "{error}");
    assert_eq!(fs::read_to_string(file).unwrap(), "of the user");
}

#[test]
fn files_added_to_a_checkpoint_survive_its_removal() {
    let run = Folder::new("added");
    let checkpoints = Checkpoints::new(run.path(), 1);
    checkpoints.save(&checkpoint(1)).unwrap();
    let file = foreign(&run, "step-000000001");
    checkpoints.save(&checkpoint(2)).unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "of the user");
    assert!(!step(&run, 1).join("state.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn links_in_a_run_folder_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (run, elsewhere) = (Folder::new("links"), Folder::new("elsewhere"));
    let file = foreign(&elsewhere, "step-000000001");
    symlink(elsewhere.path().join("checkpoints"), run.path().join("checkpoints")).unwrap();
    let checkpoints = Checkpoints::new(run.path(), 1);
    for error in [checkpoints.save(&checkpoint(2)).unwrap_err(), checkpoints.latest().unwrap_err()] {
        assert!(error.is_input() && error.to_string().contains("link"), "{error}");
    }
    assert_eq!(kept(&elsewhere), ["step-000000001"]);
    fs::remove_file(run.path().join("checkpoints")).unwrap();

    // A link among the checkpoints, and one in place of a state.
    checkpoints.save(&checkpoint(2)).unwrap();
    symlink(file.parent().unwrap(), step(&run, 1)).unwrap();
    fs::remove_file(step(&run, 2).join("state.safetensors")).unwrap();
    symlink(&file, step(&run, 2).join("state.safetensors")).unwrap();
    for step in [2, 3] {
        checkpoints.save(&checkpoint(step)).unwrap();
    }
    assert!(checkpoints.save(&checkpoint(1)).unwrap_err().is_input());
    assert_eq!(kept(&run), ["step-000000001", "step-000000003"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "of the user");
}
