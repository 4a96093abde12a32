//! Matches the names in a file to a network's variables.
//!
//! Wrappers add prefixes to names: `module.` for data-parallel training, `_orig_mod.` for compiled modules, and
//! the attribute that contained the network in the script that saved it. Any prefix is removed if the rest is a name of
//! the network.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use striate_graph::Network;
use striate_tensor::{Result, Shape};

use super::COUNTERS;

/// Prefixes end at a dot; only the first few dots of a name are tried.
const MOST_DOTS: usize = 16;
/// Limit of prefixes removed from one file: one for most names, and others for the rest.
const MOST_PREFIXES: usize = 8;
/// Words in the names of averaged weights, which are stored in addition to the trained ones.
const AVERAGED: [&str; 9] = ["ema", "swa", "averaged", "average", "avg", "shadow", "teacher", "target", "k"];

/// The variables of a network, those of its auxiliary heads included.
pub(crate) struct Known {
    shapes: HashMap<String, Shape>,
}

/// A mapping from a file's names to a network's.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Placement<'a> {
    /// The prefixes, each with the number of names that match without it; the most common one first.
    pub prefixes: Vec<(&'a str, usize)>,
    /// A prefix that would match as many names as the first.
    pub rival: Option<&'a str>,
    /// Names in the file, with those of the network.
    pub matched: Vec<(&'a str, &'a str)>,
    /// Names in the file that the network does not have, except counters.
    pub unexpected: Vec<&'a str>,
    /// How many of the matched tensors have the network's shape.
    pub exact: usize,
}

impl Known {
    pub fn of(network: &Network) -> Result<Known> {
        let mut shapes: HashMap<String, Shape> = network.variables()?.into_iter().collect();
        shapes.extend(network.auxiliary_variables()?);
        Ok(Known { shapes })
    }

    /// Whether the network has a variable of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// Finds the prefixes whose removal matches the most names of `given`, in time proportional to their number.
    pub fn place<'a>(&self, given: impl IntoIterator<Item = (&'a str, &'a Shape)>) -> Placement<'a> {
        let is_counter = |name: &str| COUNTERS.iter().any(|counter| name.ends_with(counter));
        let mut open: Vec<(&str, &Shape)> = given.into_iter().filter(|(name, _)| !is_counter(name)).collect();
        let mut placement = Placement::default();
        let mut covered = HashSet::new();
        while placement.prefixes.len() < MOST_PREFIXES
            && let Some((prefix, rival)) = self.best_prefix(&open, &covered)
        {
            let before = placement.matched.len();
            open.retain(|(name, shape)| {
                let Some(own) = name.strip_prefix(prefix) else { return true };
                let Some(wanted) = self.shapes.get(own).filter(|_| !covered.contains(own)) else {
                    return true;
                };
                covered.insert(own);
                placement.exact += usize::from(wanted == *shape);
                placement.matched.push((name, own));
                false
            });
            if placement.prefixes.is_empty() {
                placement.rival = rival;
            }
            placement.prefixes.push((prefix, placement.matched.len() - before));
        }
        placement.unexpected = open.into_iter().map(|(name, _)| name).collect();
        placement
    }

    /// Returns the prefix of the most names in `open` that match variables not yet `covered`, and another that matches
    /// as many. Once some are covered, only names with the right shape count.
    fn best_prefix<'a>(
        &self,
        open: &[(&'a str, &'a Shape)],
        covered: &HashSet<&str>,
    ) -> Option<(&'a str, Option<&'a str>)> {
        let mut votes: HashMap<&str, (usize, usize)> = HashMap::new();
        for (name, shape) in open {
            for start in starts(name) {
                let (prefix, own) = name.split_at(start);
                if let Some(wanted) = self.shapes.get(own).filter(|_| !covered.contains(own)) {
                    let (exact, named) = votes.entry(prefix).or_default();
                    *exact += usize::from(wanted == *shape);
                    *named += 1;
                }
            }
        }
        let least = usize::from(!covered.is_empty());
        let mut ranked: Vec<_> = votes.into_iter().filter(|(_, (exact, _))| *exact >= least).collect();
        let rank = |(prefix, (exact, named)): &(&'a str, (usize, usize))| {
            (Reverse(*exact), Reverse(*named), is_averaged(prefix), prefix.len(), *prefix)
        };
        ranked.sort_unstable_by_key(rank);
        let (best, votes) = *ranked.first()?;
        let rival = ranked.get(1).filter(|(_, other)| *other == votes && votes.0 > 0);
        Some((best, rival.map(|(prefix, _)| *prefix)))
    }
}

/// Positions in `name` where the network's own name may start.
fn starts(name: &str) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1).take(MOST_DOTS))
}

/// Whether a word in `path` indicates averaged weights.
pub(crate) fn is_averaged(path: &str) -> bool {
    let mut words = path.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| AVERAGED.iter().any(|averaged| word.eq_ignore_ascii_case(averaged)))
}
