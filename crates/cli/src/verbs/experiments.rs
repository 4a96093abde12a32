//! `striate experiments`

use anyhow::Result;
use serde_json::{Value, json};
use striate_experiments::{Definition, Record, SHIPPED};

use crate::arguments::Experiments;
use crate::json;

/// What is shown of an experiment that has no result yet.
pub const NOT_MEASURED: &str = "not measured yet";

/// The experiments of the program, each with its recorded result if it has one.
pub fn shipped() -> striate_tensor::Result<Vec<(Definition, Option<Record>)>> {
    SHIPPED.iter().map(|experiment| Ok((experiment.definition()?, experiment.record()?))).collect()
}

/// The result of an experiment in a line.
pub fn result(definition: &Definition, record: Option<&Record>) -> String {
    match record {
        None => NOT_MEASURED.to_owned(),
        Some(record) if record.is_of(definition) => record.summary(),
        Some(record) => format!("{} (measured with an earlier definition)", record.summary()),
    }
}

pub fn run(args: Experiments) -> Result<()> {
    let entries = shipped()?;
    if args.json {
        let entries: Vec<Value> =
            entries.iter().map(|(definition, record)| entry(definition, record.as_ref())).collect();
        return Ok(json::print(&json!({ "experiments": entries }))?);
    }
    let width = entries.iter().map(|(definition, _)| definition.name.len()).max().unwrap_or(0);
    for (definition, record) in &entries {
        let result = result(definition, record.as_ref());
        let place = if record.is_some() { format!("\n  {:width$}    ", "") } else { ": ".to_owned() };
        println!("  {:width$}  {}{place}{result}", definition.name, definition.title);
    }
    println!("run one: striate experiment NAME");
    Ok(())
}

fn entry(definition: &Definition, record: Option<&Record>) -> Value {
    json!({
        "name": definition.name,
        "title": definition.title,
        "claim": definition.claim,
        "source": definition.source,
        "seeds": definition.seeds,
        "variants": definition.variants.iter().map(|variant| &variant.name).collect::<Vec<_>>(),
        "data": definition.data.iter().filter_map(|data| data.name.as_ref()).collect::<Vec<_>>(),
        "result": record,
        "result_is_current": record.map(|record| record.is_of(definition)),
    })
}
