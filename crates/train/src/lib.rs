//! From a recipe to a trained model: recipes, schedules, sessions, the training loop, run folders.

#![forbid(unsafe_code)]

mod encoded;
mod evaluate;
mod export;
mod facts;
mod find_rate;
mod fitting;
mod meter;
mod metrics;
mod mixing;
mod norms;
mod plateau;
mod progress;
mod recipe;
mod recorded;
mod resume;
mod run;
mod samples;
mod schedule;
mod session;
mod settings;
mod start;
mod state;
mod step;
mod summary;
mod tensorboard;
mod trainer;
mod without_descent;

pub use evaluate::{
    Scored, averaged_loss, evaluate, evaluate_each, evaluate_ensemble, trained_loss, trained_scales,
};
pub use facts::{Differences, RunFacts, recipe_differences};
pub use find_rate::{Proposal, RateCurve};
pub use fitting::load_data;
pub use metrics::{Column, read_metrics};
pub use progress::{Limits, Observer, Outcome, Progress, Work};
pub use recipe::{
    ClassWeights, LossPart, Recipe, Replacement, SHIPPED, SelfOrganizationPart, ShippedRecipe, SvmPart,
    shipped,
};
pub use recorded::refuse_changed_data;
pub use run::{LAST, PLAN, RECIPE, RUNS, RunPath, safe_stem};
pub use samples::{ClassSamples, Sample, Samples, samples};
pub use schedule::Schedule;
pub use session::Session;
pub use settings::{Origin, Settings};
pub use summary::{DataSummary, NetworkSummary, PartSummary, RecipeSummary, Summary, Value, WithoutDescent};
pub use trainer::Trainer;
