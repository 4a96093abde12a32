//! The learning of the Neocognitron's S-cells: no gradients; the cells that answer most are reinforced.
//!
//! Sources: Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition
//! unaffected by shift in position", Biological Cybernetics 36, 1980 (cells, representatives, reinforcement); Fukushima
//! and Tanigawa, "Use of different thresholds in learning and recognition", Neurocomputing 11, 1996 (a higher
//! selectivity while learning); Fukushima, "Neocognitron for handwritten digit recognition", Neurocomputing 51, 2003
//! (planes of the last layer compete for labeled patterns). [`Rule`] states what is ours.
//!
//! A *plane* consists of all S-cells with the same synapses, one at each position. A *pattern* is what the preceding
//! layer of C-cells answers to an image. Sums are taken in a fixed order, one pattern at a time.

mod cells;
mod learning;
mod representatives;

pub use cells::{Geometry, SCells, falloff};
pub use learning::{Learner, Presented, Rule, STRONG, Settings};
pub use representatives::{Representative, representatives};
