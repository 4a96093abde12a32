//! Every crafted file is refused with its own words, every whole one is read; and whatever is cut off or
//! flipped, nothing comes of it but an error.

use std::collections::HashMap;
use std::panic::catch_unwind;

use striate_hostile::{Case, TARGETS, Target, cases};

/// Crafted files that a target has at least.
const ENOUGH: usize = 30;
/// Files above this size are not damaged at every byte.
const SMALL: usize = 1500;

#[test]
fn crafted_files_are_refused_and_whole_ones_are_read() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        for case in cases(target.name) {
            let Ok(refusal) = catch_unwind(|| target.refusal(&case.bytes)) else {
                wrong.push(format!("{}, {}: a panic", target.name, case.name));
                continue;
            };
            let fits = match (&refusal, case.refusal) {
                (Some(line), Some(words)) => line.contains(words),
                (None, None) => true,
                _ => false,
            };
            if !fits {
                wrong.push(format!(
                    "{}, {}: {refusal:?} instead of {:?}",
                    target.name, case.name, case.refusal
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn there_are_many_of_each_and_each_once() {
    for target in TARGETS {
        let mut names = HashMap::new();
        let cases = cases(target.name);
        let refused = cases.iter().filter(|case| case.refusal.is_some()).count();
        assert!(refused >= ENOUGH, "{}: {refused}", target.name);
        assert!(small(&target).next().is_some(), "{} has no small whole file", target.name);
        for case in &cases {
            let other = names.insert(case.name.clone(), ());
            assert!(other.is_none(), "{}: two files are called {}", target.name, case.name);
        }
    }
}

/// The whole files of `target` that are small.
fn small(target: &Target) -> impl Iterator<Item = Case> {
    let whole = cases(target.name).into_iter().filter(|case| case.refusal.is_none());
    whole.filter(|case| case.bytes.len() <= SMALL)
}

/// Gives `bytes` to `target`; a panic is passed on with the place of the damage.
fn attack(target: &Target, bytes: &[u8], place: impl Fn() -> String) {
    assert!(catch_unwind(|| target.refusal(bytes)).is_ok(), "{}, {}: a panic", target.name, place());
}

#[test]
fn what_is_cut_off_anywhere_does_no_harm() {
    for target in TARGETS {
        for Case { name, bytes, .. } in small(&target) {
            for end in 0..bytes.len() {
                attack(&target, &bytes[..end], || format!("{name}, cut off at {end}"));
            }
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_does_no_harm() {
    for target in TARGETS {
        for Case { name, mut bytes, .. } in small(&target) {
            for place in 0..bytes.len() {
                for bit in 0..8 {
                    bytes[place] ^= 1 << bit;
                    attack(&target, &bytes, || format!("{name}, bit {bit} of byte {place} flipped"));
                    bytes[place] ^= 1 << bit;
                }
            }
        }
    }
}
