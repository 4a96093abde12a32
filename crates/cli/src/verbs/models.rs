//! `striate models`

use anyhow::Result;
use serde_json::json;
use striate_graph::statistics;

use crate::arguments::Models;
use crate::json;
use crate::output::{grouped, sides, table};

pub fn run(args: Models) -> Result<()> {
    let mut rows = vec![["name", "year", "params", "MACs", "input"].map(str::to_owned).to_vec()];
    let mut list = Vec::new();
    for model in striate_models::all() {
        let network = (model.build)()?;
        let figures = statistics(&network.graph(1)?);
        rows.push(vec![
            model.name.into(),
            model.year.to_string(),
            grouped(figures.params),
            grouped(figures.cost.macs),
            sides(&network.input),
        ]);
        list.push(json!({
            "name": model.name,
            "year": model.year,
            "params": figures.params,
            "params_aux": statistics(&network.graph_with_heads(&network.input_shape(1))?).params - figures.params,
            "macs": figures.cost.macs,
            "input": *network.input,
            "paper": model.paper,
            "link": model.link,
            "preprocessing": model.preprocessing.to_string(),
            "init": network.init,
            "recipe": model.recipe,
        }));
    }
    if args.json {
        return Ok(json::print(&json!({ "models": list }))?);
    }
    print!("{}", table(&rows));
    println!("show one: striate inspect NAME");
    Ok(())
}
