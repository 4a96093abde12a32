//! The parts of a data set, and the names that denote them.

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }

    /// Returns the part that the name `name` denotes, and whether the whole name does: `test` and `test_set` are
    /// whole names, `seg_test` is not.
    pub fn of(name: &str) -> Option<(Part, bool)> {
        let name = name.to_lowercase().replace(['-', ' '], "_");
        let words: Vec<&str> = name.split('_').collect();
        let whole = match &words[..] {
            [word] => word.strip_suffix("set").and_then(Part::of_word).or(Part::of_word(word)),
            [word, "set" | "data" | "images"] => Part::of_word(word),
            _ => None,
        };
        let partial = || words.iter().rev().take(1).chain(words.first()).find_map(|word| Part::of_word(word));
        whole.map(|part| (part, true)).or_else(|| partial().map(|part| (part, false)))
    }

    fn of_word(word: &str) -> Option<Part> {
        match word {
            "train" | "training" | "trn" => Some(Part::Train),
            "val" | "valid" | "validation" | "dev" => Some(Part::Validation),
            "test" | "testing" | "eval" => Some(Part::Test),
            _ => None,
        }
    }
}
