//! From a recipe to a trained model: recipes, schedules, the trainer, run folders.

#![forbid(unsafe_code)]

mod evaluate;
mod recipe;
mod run;
mod schedule;
mod trainer;

pub use evaluate::evaluate;
pub use recipe::{Recipe, SHIPPED, ShippedRecipe, shipped};
pub use run::{Column, RunPath, read_metrics, safe_stem};
pub use schedule::Schedule;
pub use trainer::{Limits, Observer, Outcome, Progress, Trainer};
