//! Which of a file's names stand for which of a network's variables.
//!
//! Wrappers put prefixes before names: `module.` of data parallel training, `_orig_mod.` of compiled modules, and
//! whatever attribute held the network in the script that saved it. No list of them is kept: a prefix is taken if
//! what follows it is the network's own name.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use striate_graph::Network;
use striate_tensor::{Result, Shape};

use super::COUNTERS;

/// Prefixes end at a dot, of which a name's first few are tried.
const MOST_DOTS: usize = 16;
/// Limit of prefixes that are taken together: one for most names and others for what it leaves open.
const MOST_PREFIXES: usize = 8;
/// Words in the names of averaged weights, which are kept beside those that are trained.
const AVERAGED: [&str; 9] = ["ema", "swa", "averaged", "average", "avg", "shadow", "teacher", "target", "k"];

/// The variables of a network, those of its auxiliary heads included.
pub(crate) struct Known {
    shapes: HashMap<String, Shape>,
}

/// How a file's names stand for a network's.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Placement<'a> {
    /// The prefixes of the names, each with the number of names that fit without it; the most common one first.
    pub prefixes: Vec<(&'a str, usize)>,
    /// A prefix that would have done as well as the first.
    pub rival: Option<&'a str>,
    /// Names of the file with the network's.
    pub matched: Vec<(&'a str, &'a str)>,
    /// Names of the file that the network does not have; counters are not among them.
    pub unexpected: Vec<&'a str>,
    /// How many of the matched have the network's shape.
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

    /// Finds the prefixes without which the most of `given` fit. Takes time in proportion to the names.
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

    /// The prefix of the most names in `open` that stand for variables not yet `covered`, and another that does as
    /// well. Once some are covered, only names of the right shape count.
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

/// Places in `name` where the network's own name may begin.
fn starts(name: &str) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1).take(MOST_DOTS))
}

/// Whether a word of `path` says that these are averaged weights.
pub(crate) fn is_averaged(path: &str) -> bool {
    let mut words = path.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| AVERAGED.iter().any(|averaged| word.eq_ignore_ascii_case(averaged)))
}
