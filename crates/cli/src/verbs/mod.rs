//! The verbs, one file each.

mod bench;
mod convert;
mod data;
mod eval;
mod history;
mod inspect;
mod models;
mod predict;
mod recipes;
mod run;
mod train;
mod verify;

use anyhow::Result;

use crate::arguments::{Arguments, Verb};
use crate::effect::note_unused_seed;

/// Does what the command line asks for.
pub fn run(arguments: Arguments) -> Result<()> {
    let never_random = match &arguments.verb {
        Verb::Eval(args) => Some(&args.compute),
        Verb::Predict(args) => Some(&args.compute),
        Verb::Convert(args) => Some(&args.compute),
        Verb::Inspect(args) => Some(&args.compute),
        Verb::Verify(args) => Some(&args.compute),
        _ => None,
    };
    note_unused_seed(never_random.and_then(|compute| compute.seed));
    match arguments.verb {
        Verb::Train(args) => train::run(args),
        Verb::Eval(args) => eval::run(args),
        Verb::Predict(args) => predict::run(args),
        Verb::Convert(args) => convert::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Models(args) => models::run(args),
        Verb::Run(args) => run::run(args),
        Verb::Data(verb) => data::run(verb),
        Verb::History(args) => history::run(args),
        Verb::Recipes(args) => recipes::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Bench(args) => bench::run(args),
    }
}
