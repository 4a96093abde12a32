//! Claims about networks, measured: each experiment trains variants of a network with several seeds and compares them,
//! or evaluates trained models in several ways.
//!
//! The definitions are in the folder `experiments` of the repository and part of the program, with the results that
//! were recorded.

#![forbid(unsafe_code)]

mod data;
mod definition;
mod evaluation;
mod figures;
mod measure;
mod record;
mod result;
mod run;
mod runs;
mod shipped;
mod text;
mod variant;

pub use data::DataSet;
pub use definition::{Definition, Scale};
pub use figures::{Figure, Figures, Unit};
pub use record::{Curve, RECORD, Record};
pub use result::{Cell, Row, Table};
pub use run::{Event, Runner};
pub use runs::Run;
pub use shipped::{Experiment, SHIPPED, find};
pub use variant::{Evaluation, Training, Variant, Work};
