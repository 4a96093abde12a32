//! From a recipe to a trained model: recipes, schedules, the trainer, run folders.

#![forbid(unsafe_code)]

mod evaluate;
mod export;
mod fitting;
mod progress;
mod recipe;
mod resume;
mod run;
mod samples;
mod schedule;
mod settings;
mod summary;
mod trainer;

pub use evaluate::{evaluate, trained_loss};
pub use fitting::load_data;
pub use progress::{Limits, Observer, Outcome, Progress};
pub use recipe::{Recipe, SHIPPED, ShippedRecipe, shipped};
pub use run::{Column, RUNS, RunPath, read_metrics, safe_stem};
pub use samples::{ClassSamples, Samples, samples};
pub use schedule::Schedule;
pub use settings::{Origin, Settings};
pub use summary::{DataSummary, NetworkSummary, PartSummary, RecipeSummary, Summary, Value};
pub use trainer::Trainer;
