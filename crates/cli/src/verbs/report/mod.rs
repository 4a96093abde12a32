//! `striate report`, and the report at the end of `striate train`

mod facts;
mod gather;
mod pictures;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use striate_data::{LoadOptions, Spec};
use striate_insight::report::Report;
use striate_tensor::Error;
use striate_tensor::text::{printable, printable_path};
use striate_train::{LAST, RECIPE, Recipe};

use self::gather::gather;
use crate::arguments;
use crate::device::{Chosen, Macs};
use crate::json;
use crate::output::argument;
use crate::outputs::{Output, check, refuse_in_data, write_file};

/// The report in a run folder.
const REPORT: &str = "report.html";

pub fn run(args: arguments::Report) -> Result<()> {
    let run = &args.run;
    let own = |name: &str| run.join(name);
    let recipe = own(RECIPE);
    if !recipe.is_file() {
        let what =
            format!("{}: not a run folder (no {RECIPE}); specify the folder of a run", printable_path(run));
        return Err(Error::input(what).into());
    }
    if !own(LAST).is_file() {
        let (run, named) = (printable_path(run), argument(&run.to_string_lossy()));
        let what =
            format!("{run}: no model ({LAST}) yet; finish the run with: striate train --resume {named}");
        return Err(Error::input(what).into());
    }
    let out = args.out.clone().unwrap_or_else(|| own(REPORT));
    check([Output::page("--out", &out)], &[&recipe, &own(LAST)])?;
    if let Ok(spec) = Spec::parse(&Recipe::load(&recipe)?.data.spec) {
        refuse_in_data("--out", &out, &spec)?;
    }
    let chosen = Chosen::open(&args.compute, Macs::Many)?;
    let report = gather(run, &chosen, args.cache.options())?;
    let bytes = write(&report, &out)?;
    if args.compute.json {
        return Ok(json::print(&as_json(&report, &out, bytes))?);
    }
    report.notes.iter().for_each(|note| eprintln!("{}", printable(note)));
    println!("report {} ({} kB)", argument(&out.to_string_lossy()), bytes.div_ceil(1000));
    Ok(())
}

/// Writes the report of a finished run into its folder and returns its path. What prevents that is printed; the run
/// succeeded all the same.
pub fn write_beside(run: &Path, chosen: &Chosen, options: LoadOptions) -> Option<PathBuf> {
    let out = run.join(REPORT);
    match gather(run, chosen, options).and_then(|report| write(&report, &out)) {
        Ok(_) => Some(out),
        Err(error) => {
            eprintln!("no report: {}", printable(&format!("{error:#}")));
            None
        }
    }
}

/// Writes the page and returns its size in bytes.
fn write(report: &Report, out: &Path) -> Result<usize> {
    let page = report.html();
    write_file(out, page.as_bytes())?;
    Ok(page.len())
}

fn as_json(report: &Report, out: &Path, bytes: usize) -> Value {
    let evaluated = report.evaluated.as_ref();
    let mut value = evaluated.map_or(json!({}), |own| json::tally(&own.tally, &own.classes));
    value["part"] = json!(evaluated.map(|own| &own.part));
    value["report"] = json::path(out);
    value["bytes"] = json!(bytes);
    value["notes"] = json!(report.notes);
    value
}
