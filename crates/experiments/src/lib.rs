//! Claims about networks, measured: each experiment trains variants of a network with several seeds and compares them.
//!
//! The definitions are in the folder `experiments` of the repository and part of the program.

#![forbid(unsafe_code)]

mod definition;
mod figures;
mod measure;
mod result;
mod run;
mod shipped;

pub use definition::{Definition, Scale, Variant};
pub use figures::{Figure, Figures, Unit};
pub use result::{Row, Table};
pub use run::{Event, Runner};
pub use shipped::{Experiment, SHIPPED, find};
