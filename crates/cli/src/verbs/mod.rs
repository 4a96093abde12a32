//! The verbs, one file each.

mod bench;
mod compare;
mod convert;
mod data;
mod devices;
mod eval;
mod experiment;
mod experiments;
mod history;
mod inspect;
mod look;
mod models;
mod predict;
mod recipes;
mod report;
mod run;
mod train;
mod verify;

use anyhow::Result;

pub(crate) use bench::peak_of;

use crate::arguments::{Arguments, BenchWhat, Verb};
use crate::effect::note_unused_seed;

/// Does what the command line asks for.
pub fn run(arguments: Arguments) -> Result<()> {
    let seed = unused_seed(&arguments.verb);
    run_verb(arguments.verb)?;
    // Reported last, so that an error remains the only line.
    note_unused_seed(seed);
    Ok(())
}

/// Returns the seed given to a verb that never draws at random.
fn unused_seed(verb: &Verb) -> Option<u64> {
    match verb {
        Verb::Eval(args) => args.compute.seed,
        Verb::Predict(args) => args.compute.seed,
        Verb::Look(args) => args.compute.seed,
        Verb::Report(args) => args.compute.seed,
        Verb::Convert(args) => args.compute.seed,
        Verb::Inspect(args) => args.compute.seed,
        Verb::Verify(args) => args.compute.seed,
        Verb::Bench(args) if matches!(args.what, BenchWhat::Peak | BenchWhat::Kernels) => args.compute.seed,
        _ => None,
    }
}

fn run_verb(verb: Verb) -> Result<()> {
    match verb {
        Verb::Train(args) => train::run(args),
        Verb::Eval(args) => eval::run(args),
        Verb::Compare(args) => compare::run(args),
        Verb::Predict(args) => predict::run(args),
        Verb::Look(args) => look::run(args),
        Verb::Report(args) => report::run(args),
        Verb::Convert(args) => convert::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Models(args) => models::run(args),
        Verb::Run(args) => run::run(args),
        Verb::Data(verb) => data::run(verb),
        Verb::History(args) => history::run(args),
        Verb::Experiments(args) => experiments::run(args),
        Verb::Experiment(args) => experiment::run(args),
        Verb::Recipes(args) => recipes::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Devices(args) => devices::run(args),
        Verb::Bench(args) => bench::run(args),
    }
}
