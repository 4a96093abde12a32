//! How a layer of S-cells learns from a pattern.

use striate_tensor::random::{Random, Stream};
use striate_tensor::{Error, Result};

use super::cells::{Geometry, SCells};
use super::representatives::representatives;

/// What a pattern changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Reinforces the representatives of the planes, as in 1980. All planes begin with weak synapses; the paper's are a
    /// formula that it does not state, ours are random.
    Representatives,
    /// As [`Rule::Representatives`], but the planes begin without synapses, and the next one is generated where the
    /// pattern excites cells and all of them are silent: at the strongest of these positions, until there is none. A
    /// position is strong if v is at least [`STRONG`] of its largest value (ours).
    Generation,
    /// As the last layer of 2003: if the cell that answers most is of a plane for another label, or none answers, the
    /// next plane is generated for the label; otherwise, this plane is reinforced. If all planes have synapses, the
    /// plane that answers most of those for the label is reinforced instead (ours). A generated plane has the area at
    /// the middle of the pattern.
    Labels,
}

/// The share of the largest v from which a position is strong.
pub const STRONG: f32 = 0.1;

/// How a layer learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What a pattern changes.
    pub rule: Rule,
    /// q: how much a pattern changes.
    pub speed: f32,
    /// The side of an S-column in positions, for [`Rule::Representatives`] and [`Rule::Generation`].
    pub column: usize,
    /// The largest of the random weak synapses in units of c, for [`Rule::Representatives`].
    pub initial: f32,
    /// The seed of these.
    pub seed: u64,
}

/// What presented patterns changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presented {
    /// Cells whose synapses were reinforced.
    pub reinforced: usize,
    /// Planes that were generated.
    pub generated: usize,
    /// Patterns that no cell answered while learning.
    pub unanswered: usize,
}

/// A layer of S-cells that learns by a rule.
#[derive(Debug, Clone)]
pub struct Learner {
    cells: SCells,
    settings: Settings,
    /// The label of each generated plane, for [`Rule::Labels`].
    labels: Vec<usize>,
    presented: Presented,
}

impl Learner {
    /// Creates a layer with the selectivity r while learning.
    ///
    /// # Errors
    /// As [`SCells::new`].
    pub fn new(geometry: Geometry, selectivity: f32, settings: Settings) -> Result<Learner> {
        let mut cells = SCells::new(geometry, selectivity)?;
        if settings.rule == Rule::Representatives {
            let mut random = Random::new(settings.seed, Stream::Other, WEAK);
            cells.begin(|| settings.initial * random.uniform());
        }
        Ok(Learner { cells, settings, labels: Vec::new(), presented: Presented::default() })
    }

    /// Learns from a pattern, `[planes, rows, columns]` of the geometry's input, with its label.
    ///
    /// # Errors
    /// If an answer is not finite.
    pub fn present(&mut self, pattern: &[f32], label: usize) -> Result<()> {
        self.cells.answer(pattern);
        let answers = self.cells.answers();
        if !answers.iter().all(|answer| answer.is_finite()) {
            return Err(Error::failed("S-cells answer non-finite values; lower the speed of their layer"));
        }
        if answers.iter().all(|answer| *answer == 0.0) {
            self.presented.unanswered += 1;
        }
        match self.settings.rule {
            Rule::Representatives => self.reinforce_representatives(pattern),
            Rule::Generation => {
                let silent = self.silent();
                self.reinforce_representatives(pattern);
                self.generate_where(silent, pattern);
            }
            Rule::Labels => self.compete(pattern, label),
        }
        Ok(())
    }

    /// The layer.
    pub fn cells(&self) -> &SCells {
        &self.cells
    }

    /// What was changed so far.
    pub fn presented(&self) -> Presented {
        self.presented
    }

    fn reinforce_representatives(&mut self, pattern: &[f32]) {
        let Settings { speed, column, .. } = self.settings;
        let found = representatives(self.cells.answers(), self.cells.geometry().extents(), column);
        for one in &found {
            self.cells.reinforce(one.plane, one.position, pattern, speed);
        }
        self.presented.reinforced += found.len();
    }

    /// Whether all planes are silent, for each position.
    fn silent(&self) -> Vec<bool> {
        let cells = self.cells.surroundings().len();
        let mut silent = vec![true; cells];
        for plane in self.cells.answers().chunks_exact(cells) {
            silent.iter_mut().zip(plane).for_each(|(silent, answer)| *silent &= *answer == 0.0);
        }
        silent
    }

    /// Generates planes at the strong positions that are `silent`. A new plane's cells end the silence of others.
    fn generate_where(&mut self, mut silent: Vec<bool>, pattern: &[f32]) {
        let [_, width] = self.cells.geometry().extents();
        let v = self.cells.surroundings().to_vec();
        let least = STRONG * v.iter().copied().fold(0.0, f32::max);
        loop {
            let strong = (0..v.len()).filter(|cell| silent[*cell] && v[*cell] > 0.0 && v[*cell] >= least);
            let Some(cell) = strong.reduce(|best, other| if v[other] > v[best] { other } else { best })
            else {
                return;
            };
            let position = [cell / width, cell % width];
            let Some(plane) = self.cells.generate(position, pattern, self.settings.speed) else { return };
            self.presented.generated += 1;
            silent[cell] = false;
            let answers = self.cells.answers_of(plane, pattern);
            silent.iter_mut().zip(answers).for_each(|(silent, answer)| *silent &= answer == 0.0);
        }
    }

    /// Lets the planes for labels compete.
    fn compete(&mut self, pattern: &[f32], label: usize) {
        let [height, width] = self.cells.geometry().extents();
        let cells = height * width;
        // The plane and cell that answers most, of all and of those for the label.
        let (mut best, mut own) = (None, None);
        for (plane, answers) in self.cells.answers().chunks_exact(cells).enumerate() {
            for (cell, answer) in answers.iter().enumerate() {
                let exceeds =
                    |other: Option<(usize, usize, f32)>| *answer > other.map_or(0.0, |(.., most)| most);
                if exceeds(best) {
                    best = Some((plane, cell, *answer));
                }
                if self.labels[plane] == label && exceeds(own) {
                    own = Some((plane, cell, *answer));
                }
            }
        }
        let is_right = best.is_some_and(|(plane, ..)| self.labels[plane] == label);
        let speed = self.settings.speed;
        if !is_right && self.cells.generate([height / 2, width / 2], pattern, speed).is_some() {
            self.labels.push(label);
            self.presented.generated += 1;
        } else if let Some((plane, cell, _)) = own {
            self.cells.reinforce(plane, [cell / width, cell % width], pattern, speed);
            self.presented.reinforced += 1;
        }
    }
}

/// The number of the draw of weak synapses.
const WEAK: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [[f32; 9]; 2] =
        [[0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]];

    fn learner(rule: Rule, planes: usize, selectivity: f32) -> Learner {
        let geometry = Geometry { planes, input: [1, 3, 3], side: 3, padding: 0 };
        let settings = Settings { rule, speed: 8.0, column: 1, initial: 0.1, seed: 1 };
        Learner::new(geometry, selectivity, settings).unwrap()
    }

    #[test]
    fn planes_specialize_on_different_patterns() {
        let mut learner = learner(Rule::Representatives, 2, 1.5);
        for round in 0..10 {
            learner.present(&LINES[round % 2], 0).unwrap();
        }
        assert_eq!(learner.presented(), Presented { reinforced: 10, generated: 0, unanswered: 0 });
        let mut best = LINES.map(|line| {
            learner.cells.answer(&line);
            let answers = learner.cells.answers();
            assert!(answers.iter().filter(|answer| **answer > 0.0).count() == 1, "{answers:?}");
            usize::from(answers[1] > answers[0])
        });
        best.sort_unstable();
        assert_eq!(best, [0, 1]);
    }

    #[test]
    fn planes_are_generated_where_all_are_silent_until_none_is_left() {
        let mut learner = learner(Rule::Generation, 2, 1.5);
        learner.present(&[0.0; 9], 0).unwrap();
        assert_eq!(learner.presented(), Presented { reinforced: 0, generated: 0, unanswered: 1 });
        for line in [LINES[0], LINES[0], LINES[1], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]] {
            learner.present(&line, 0).unwrap();
        }
        assert_eq!(learner.presented(), Presented { reinforced: 1, generated: 2, unanswered: 4 });
        assert_eq!(learner.cells().used(), 2);
    }

    #[test]
    fn wrong_answers_generate_planes_for_the_label() {
        let mut learner = learner(Rule::Labels, 2, 1.0);
        learner.present(&LINES[0], 3).unwrap(); // none answers: plane 0 for 3
        learner.present(&LINES[0], 3).unwrap(); // right: reinforced
        learner.present(&LINES[0], 7).unwrap(); // wrong: plane 1 for 7
        assert_eq!(learner.labels, [3, 7]);
        assert_eq!(learner.presented(), Presented { reinforced: 1, generated: 2, unanswered: 1 });
        let before = learner.cells().synapses()[1].clone();
        learner.present(&LINES[0], 7).unwrap(); // wrong, but all planes are used: plane 1 is reinforced
        let after = learner.cells().synapses()[1].clone();
        assert!(after[0] == before[0] && after[1] > before[1], "{before:?} {after:?}");
        learner.present(&LINES[0], 5).unwrap(); // no plane for 5
        assert_eq!(learner.presented().reinforced, 2);
    }

    #[test]
    fn answers_that_overflow_are_reported() {
        let mut learner = learner(Rule::Generation, 2, 1.0);
        learner.settings.speed = f32::MAX;
        let large = [1e30; 9];
        learner.present(&large, 0).unwrap();
        assert!(learner.present(&large, 0).unwrap_err().to_string().contains("lower the speed"));
    }
}
