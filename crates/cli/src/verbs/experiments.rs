//! `striate experiments`

use anyhow::Result;
use serde_json::json;
use striate_experiments::SHIPPED;

use crate::arguments::Experiments;
use crate::json;

pub fn run(args: Experiments) -> Result<()> {
    let definitions = SHIPPED.iter().map(|experiment| experiment.definition());
    let definitions = definitions.collect::<striate_tensor::Result<Vec<_>>>()?;
    if args.json {
        let one = |definition: &striate_experiments::Definition| {
            json!({
                "name": definition.name,
                "title": definition.title,
                "claim": definition.claim,
                "source": definition.source,
                "seeds": definition.seeds,
                "variants": definition.variants.iter().map(|variant| &variant.name).collect::<Vec<_>>(),
            })
        };
        return Ok(json::print(&json!({ "experiments": definitions.iter().map(one).collect::<Vec<_>>() }))?);
    }
    let width = definitions.iter().map(|definition| definition.name.len()).max().unwrap_or(0);
    for definition in &definitions {
        println!("  {:width$}  {}", definition.name, definition.title);
    }
    println!("run one: striate experiment NAME");
    Ok(())
}
