//! Every invalid file is refused with the expected message, every valid one is accepted; truncating files or flipping
//! bits causes nothing worse than an error.

use std::collections::HashMap;
use std::panic::catch_unwind;

use striate_hostile::{Case, TARGETS, Target, cases};
use striate_testkit::each_of;

/// Smallest number of invalid files per target.
const MIN_CASES: usize = 30;
/// Largest size of files that are truncated and flipped at every byte.
const SMALL: usize = 1500;

#[test]
fn invalid_files_are_refused_and_valid_ones_accepted() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        for case in cases(target.name) {
            let Ok(refusal) = catch_unwind(|| target.refusal(&case.bytes)) else {
                wrong.push(format!("{}, {}: panicked", target.name, case.name));
                continue;
            };
            let fits = match (&refusal, case.refusal) {
                (Some(line), Some(message)) => line.contains(message),
                (None, None) => true,
                _ => false,
            };
            if !fits {
                wrong.push(format!(
                    "{}, {}: got {refusal:?}, expected {:?}",
                    target.name, case.name, case.refusal
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_target_has_enough_distinct_cases() {
    for target in TARGETS {
        let mut names = HashMap::new();
        let cases = cases(target.name);
        let refused = cases.iter().filter(|case| case.refusal.is_some()).count();
        assert!(refused >= MIN_CASES, "{}: {refused}", target.name);
        assert!(small(&target).next().is_some(), "{} has no small valid file", target.name);
        for case in &cases {
            let other = names.insert(case.name.clone(), ());
            assert!(other.is_none(), "{}: two cases are called {}", target.name, case.name);
        }
    }
}

/// Returns the small valid files of `target`.
fn small(target: &Target) -> impl Iterator<Item = Case> {
    let valid = cases(target.name).into_iter().filter(|case| case.refusal.is_none());
    valid.filter(|case| case.bytes.len() <= SMALL)
}

/// Reads `bytes` with `target`, reporting the position of the damage if it panics.
fn attack(target: &Target, bytes: &[u8], damage: impl Fn() -> String) {
    assert!(catch_unwind(|| target.refusal(bytes)).is_ok(), "{}, {}: panicked", target.name, damage());
}

#[test]
fn truncation_anywhere_does_no_harm() {
    for target in TARGETS {
        for Case { name, bytes, .. } in small(&target) {
            for end in 0..bytes.len() {
                attack(&target, &bytes[..end], || format!("{name}, truncated at {end}"));
            }
        }
    }
}

#[test]
fn flipped_bit_anywhere_does_no_harm() {
    let all: Vec<_> =
        TARGETS.iter().flat_map(|target| small(target).map(move |case| (target, case))).collect();
    each_of(&all, 2, |(target, Case { name, bytes, .. })| {
        let mut bytes = bytes.clone();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                bytes[index] ^= 1 << bit;
                attack(target, &bytes, || format!("{name}, bit {bit} of byte {index} flipped"));
                bytes[index] ^= 1 << bit;
            }
        }
    });
}
