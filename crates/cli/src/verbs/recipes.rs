//! `striate recipes`

use anyhow::Result;
use serde_json::json;
use striate_train::{SHIPPED, shipped};

use crate::arguments::Recipes;
use crate::json;

pub fn run(args: Recipes) -> Result<()> {
    if let Some(name) = &args.name {
        let recipe = shipped(name)?;
        if args.json {
            return Ok(json::print(&json!({ "name": name, "recipe": recipe }))?);
        }
        print!("{}", recipe.to_text());
        return Ok(());
    }
    if args.json {
        let one = |recipe: &striate_train::ShippedRecipe| json!({ "name": recipe.name, "summary": recipe.summary() });
        return Ok(json::print(&json!({ "recipes": SHIPPED.iter().map(one).collect::<Vec<_>>() }))?);
    }
    let width = SHIPPED.iter().map(|recipe| recipe.name.len()).max().unwrap_or(0);
    for recipe in SHIPPED {
        println!("  {:width$}  {}", recipe.name, recipe.summary());
    }
    println!("print one: striate recipes NAME; train with it: striate train --recipe NAME");
    Ok(())
}
