//! The characters and lengths of texts, from which an encoding is chosen.

use std::collections::HashMap;

use striate_tensor::encoding::MOST_CHARACTERS;

use crate::lowercase;

/// The share of the characters that an alphabet covers, in thousandths.
const COVERED: u128 = 999;

/// Counts of texts, their lengths and their characters in lower case.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    characters: HashMap<char, u64>,
    /// Of each text, in characters.
    lengths: Vec<usize>,
}

impl Statistics {
    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        let mut length = 0;
        for character in lowercase(text) {
            *self.characters.entry(character).or_default() += 1;
            length += 1;
        }
        self.lengths.push(length);
    }

    /// Returns the lengths of the shortest and the longest text, or `None` without any texts.
    pub fn lengths(&self) -> Option<[usize; 2]> {
        Some([*self.lengths.iter().min()?, *self.lengths.iter().max()?])
    }

    /// Returns how many texts have more than `length` characters.
    pub fn longer_than(&self, length: usize) -> usize {
        self.lengths.iter().filter(|own| **own > length).count()
    }

    /// Returns the number of texts.
    pub fn texts(&self) -> usize {
        self.lengths.len()
    }

    /// Returns the number of different characters that an alphabet may have: all but white space and control
    /// characters, which are left without a plane, as blanks are in the paper.
    pub fn distinct(&self) -> usize {
        self.candidates().count()
    }

    /// Returns the fewest characters that make up 99.9 % of the texts, white space aside, but at most
    /// [`MOST_CHARACTERS`], sorted by code point; of equally frequent ones, those with smaller code points come first.
    /// Rarer ones would add planes, and cost, without being learned.
    pub fn alphabet(&self) -> String {
        let mut found: Vec<(char, u64)> = self.candidates().collect();
        found.sort_by_key(|(character, count)| (std::cmp::Reverse(*count), *character));
        let all: u64 = found.iter().map(|(_, count)| count).sum();
        let mut covered = 0;
        let mut kept: Vec<char> = Vec::new();
        for (character, count) in found.into_iter().take(MOST_CHARACTERS) {
            if u128::from(covered) * 1000 >= u128::from(all) * COVERED {
                break;
            }
            covered += count;
            kept.push(character);
        }
        kept.sort_unstable();
        kept.into_iter().collect()
    }

    /// Returns the share of the characters, white space aside, that `alphabet` does not have.
    pub fn share_outside(&self, alphabet: &str) -> f64 {
        let all: u64 = self.candidates().map(|(_, count)| count).sum();
        let outside = self.candidates().filter(|(character, _)| !alphabet.contains(*character));
        outside.map(|(_, count)| count).sum::<u64>() as f64 / all.max(1) as f64
    }

    fn candidates(&self) -> impl Iterator<Item = (char, u64)> {
        let is_shown = |character: char| !character.is_whitespace() && !character.is_control();
        self.characters
            .iter()
            .map(|(character, count)| (*character, *count))
            .filter(move |(character, _)| is_shown(*character))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabet_has_the_most_frequent_characters() {
        let mut statistics = Statistics::default();
        ["Bab a", "b\tc", ""].iter().for_each(|text| statistics.add(text));
        assert_eq!((statistics.alphabet().as_str(), statistics.distinct()), ("abc", 3));
        assert_eq!(statistics.lengths(), Some([0, 5]));
        assert_eq!((statistics.longer_than(3), statistics.longer_than(0), statistics.texts()), (1, 2, 3));
        assert!((statistics.share_outside("ab") - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!(Statistics::default().lengths(), None);
    }

    #[test]
    fn characters_of_the_last_thousandth_are_left_out() {
        let mut statistics = Statistics::default();
        statistics.add(&"ab".repeat(1_000));
        statistics.add("xyz");
        assert_eq!(statistics.alphabet(), "abx");
        assert_eq!(Statistics::default().alphabet(), "");
    }

    #[test]
    fn characters_beyond_the_limit_are_left_out() {
        let mut statistics = Statistics::default();
        let all: String = ('\u{4e00}'..).take(MOST_CHARACTERS + 3).collect();
        statistics.add(&all);
        let frequent: String = all.chars().skip(3).collect();
        statistics.add(&frequent);
        assert_eq!((statistics.alphabet(), statistics.distinct()), (frequent, MOST_CHARACTERS + 3));
    }
}
