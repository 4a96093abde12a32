//! Chooses the dictionary of tensors to use from a checkpoint.
//!
//! For a network, it is the one that fits best: the one with the most tensors of the network's names and shapes, then
//! of its names alone. Without a network, it is the largest. Ties are resolved in favor of trained weights over
//! averaged ones, and of these over an optimizer's state; then by the usual names of state dicts in the order of
//! [`USUAL`], then by position in the file. `--key` selects another.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use striate_graph::Network;
use striate_tensor::{Error, Result, Shape};

use super::dictionaries::{Dictionaries, Dictionary};
use super::unpickler::Pickle;
use super::value::{Id, Value};
use crate::fit::{Difference, Known, is_averaged};
use crate::keys;
use crate::message::shown;

/// Names under which checkpoints store their state dict, the most likely first.
const USUAL: [&str; 8] =
    ["state_dict", "model_state_dict", "model_state", "model", "params", "net", "network", "weights"];
/// Prefixes of the keys under which trainers store their own state.
const OF_TRAINERS: [&str; 4] = ["optim", "scal", "sched", "lr_sched"];

/// The entries of a dictionary by name: tensors and others.
pub(super) type Entries<'a> = Vec<(Cow<'a, str>, Id)>;

/// The chosen dictionary, and notes on it for the user.
pub(super) struct Choice<'a> {
    pub entries: Entries<'a>,
    pub notes: Vec<String>,
    /// Whether there are other dictionaries, which might fit another network.
    pub is_open: bool,
}

/// A dictionary of tensors that may be chosen. Its path is computed on demand, because many paths could be long.
struct Candidate {
    dictionary: Dictionary,
    rank: Rank,
}

/// The ranking of a candidate; the lowest is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    exact: Reverse<usize>,
    named: Reverse<usize>,
    /// Whether it has less than half as many tensors as the largest.
    is_small: bool,
    kind: Kind,
    unexpected: usize,
    tensors: Reverse<usize>,
    usual: usize,
    order: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Trained,
    Averaged,
    OfTrainer,
}

/// Chooses the dictionary under `key`, else the best for `network`.
///
/// # Errors
/// If there is none, none under `key`, or one under another key fits `network` better.
pub(super) fn choose<'a>(
    pickle: &'a Pickle,
    key: Option<&str>,
    network: Option<&Network>,
) -> Result<Choice<'a>> {
    let all = Dictionaries::find(pickle)?;
    let ranked = ranked(pickle, &all, network)?;
    let Some(best) = ranked.first() else { return Err(nothing(pickle)) };
    let is_open = ranked.len() > 1;
    if let Some(key) = key {
        let entries = under(&all, &ranked, key)?;
        if let Some(network) = network {
            check_beside(pickle, &entries, &best.rank, network).map_err(|e| {
                e.advising(format!(
                    "the file's state dict is under \"{0}\": use --key {0}",
                    key_of(&all, best)
                ))
            })?;
        }
        return Ok(Choice { entries, notes: vec![], is_open });
    }
    let mut notes = Vec::new();
    let path = all.path(&best.dictionary);
    if !path.is_empty() {
        notes.push(format!("using the state dict \"{}\"", shown(&path)));
    }
    notes.extend(rivals(&all, &ranked));
    Ok(Choice { entries: all.entries(&best.dictionary)?, notes, is_open })
}

/// Returns all dictionaries, best first.
fn ranked(pickle: &Pickle, all: &Dictionaries, network: Option<&Network>) -> Result<Vec<Candidate>> {
    let known = network.map(Known::of).transpose()?;
    let mut candidates = Vec::new();
    for (order, dictionary) in all.found.iter().enumerate() {
        let entries = all.entries(dictionary)?;
        let tensors = dictionary.count(&entries);
        if tensors == 0 {
            continue;
        }
        let path = all.path(dictionary);
        let placement = known.as_ref().map(|known| known.place(shapes(pickle, &entries))).unwrap_or_default();
        let (exact, named) = (Reverse(placement.exact), Reverse(placement.matched.len()));
        let unexpected = placement.unexpected.len();
        let (kind, usual) = (kind(&path), usual(&path));
        let rank =
            Rank { exact, named, is_small: false, kind, unexpected, tensors: Reverse(tensors), usual, order };
        candidates.push(Candidate { dictionary: *dictionary, rank });
    }
    let largest = candidates.iter().map(|one| one.rank.tensors.0).max().unwrap_or(0);
    for candidate in &mut candidates {
        candidate.rank.is_small = 2 * candidate.rank.tensors.0 < largest;
    }
    candidates.sort_by_key(|candidate| candidate.rank);
    Ok(candidates)
}

fn kind(path: &str) -> Kind {
    let path = path.to_ascii_lowercase();
    match OF_TRAINERS.iter().any(|word| path.starts_with(word)) {
        true => Kind::OfTrainer,
        false if is_averaged(&path) => Kind::Averaged,
        false => Kind::Trained,
    }
}

fn usual(path: &str) -> usize {
    let last = path.rsplit('.').next().unwrap_or_default();
    USUAL.iter().position(|usual| *usual == last).unwrap_or(USUAL.len())
}

/// Names and shapes of the tensors in `entries`.
fn shapes<'a>(
    pickle: &'a Pickle,
    entries: &'a Entries,
) -> impl Iterator<Item = (&'a str, &'a Shape)> + Clone {
    entries.iter().filter_map(|(name, id)| match &pickle[*id] {
        Value::Tensor(tensor) => Some((&**name, &tensor.shape)),
        _ => None,
    })
}

/// Returns the note on dictionaries that rank as high as the first.
fn rivals(all: &Dictionaries, ranked: &[Candidate]) -> Option<String> {
    let best = &ranked[0].rank;
    let does_as_well = |other: &&Candidate| {
        let Rank { exact, named, is_small, kind, .. } = other.rank;
        let fits = (exact, named) == (best.exact, best.named);
        fits && (exact.0 > 0 || !is_small && kind != Kind::OfTrainer)
    };
    let others: Vec<&Candidate> = ranked[1..].iter().filter(does_as_well).collect();
    let first = keys::listed(others.iter().take(1).map(|other| key_of(all, other)));
    let advice = match (best.exact.0 > 0, others.len()) {
        (_, 0) => return None,
        (true, 1) => format!("also fits: --key {first} selects it"),
        (true, _) => format!("also fit: --key {first}, for example, selects one"),
        (false, 1) => format!("also has tensors: --key {first} selects it"),
        (false, _) => format!("also have tensors: --key {first}, for example, selects one"),
    };
    Some(format!("{} {advice}", keys::listed(others.into_iter().map(|other| key_of(all, other)))))
}

/// The key that selects `candidate`.
fn key_of(all: &Dictionaries, candidate: &Candidate) -> String {
    let path = all.path(&candidate.dictionary);
    if path.is_empty() { keys::ROOT.to_owned() } else { path }
}

/// Returns the entries under `wanted`: a dictionary, or the entries of one whose names start with the rest of the key.
fn under<'a>(all: &Dictionaries<'a>, ranked: &[Candidate], wanted: &str) -> Result<Entries<'a>> {
    if let Some(found) = ranked.iter().find(|candidate| key_of(all, candidate) == wanted) {
        return all.entries(&found.dictionary);
    }
    for candidate in ranked {
        let rest = match all.path(&candidate.dictionary).as_str() {
            "" => Some(wanted),
            path => wanted.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')),
        };
        let Some(prefix) = rest.map(|rest| format!("{rest}.")) else { continue };
        let mut entries = all.entries(&candidate.dictionary)?;
        entries.retain(|(name, _)| name.starts_with(&prefix));
        if !entries.is_empty() {
            let shorter = |(name, id): (Cow<'a, str>, Id)| (Cow::Owned(name[prefix.len()..].to_owned()), id);
            return Ok(entries.into_iter().map(shorter).collect());
        }
    }
    let heads = match ranked {
        [only] => keys::heads(all.entries(&only.dictionary)?.iter().map(|(name, _)| &**name)),
        _ => vec![],
    };
    Err(keys::unknown(wanted, ranked.iter().map(|candidate| key_of(all, candidate)).chain(heads)))
}

/// Refuses `entries`, selected by key, if they lack parameters of `network` and the `best` ones fit it better.
fn check_beside(pickle: &Pickle, entries: &Entries, best: &Rank, network: &Network) -> Result<()> {
    let known = Known::of(network)?;
    let placement = known.place(shapes(pickle, entries));
    if (Reverse(placement.exact), Reverse(placement.matched.len())) <= (best.exact, best.named) {
        return Ok(());
    }
    let by_name: HashMap<&str, &Shape> = shapes(pickle, entries).collect();
    let matched = placement.matched.iter().map(|(from, to)| (*to, by_name[from]));
    let unexpected = placement.unexpected.iter().map(|name| (*name, by_name[name]));
    let difference = Difference::between(network, matched.chain(unexpected), &[])?;
    if difference.lacks_parameters() { Err(Error::input(difference.line())) } else { Ok(()) }
}

/// The error about a pickle without any tensors in a dictionary.
fn nothing(pickle: &Pickle) -> Error {
    let advice = "save one with torch.save(model.state_dict(), FILE)";
    match &pickle[pickle.root] {
        Value::Tensor(_) => Error::input("contains a single tensor, not a state dict").advising(advice),
        Value::Dict(items) => {
            let texts = items.iter().filter_map(|(key, _)| match &pickle[*key] {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            });
            let what = match crate::fit::listed(&texts.collect::<Vec<_>>()) {
                names if names.is_empty() => String::new(),
                names => format!(" (it has {names})"),
            };
            Error::input(format!("contains no tensors{what}")).advising(advice)
        }
        _ => Error::input("contains no state dict").advising(advice),
    }
}
