//! Flags that adapt a network to another number of classes or input shape.

use anyhow::Result;
use clap::Args;
use striate_graph::Network;
use striate_tensor::{Error, Shape};

/// Flags that adapt a network.
#[derive(Debug, Args)]
pub struct Adapt {
    /// Change the number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Change the input shape
    #[arg(long, value_name = "C,H,W")]
    pub input: Option<String>,
}

impl Adapt {
    /// Adapts `network` as requested.
    pub fn apply(&self, network: &mut Network) -> Result<()> {
        if let Some(input) = &self.input {
            network.set_input(parse(input, network)?);
        }
        if let Some(classes) = self.classes {
            network.set_classes(classes)?;
        }
        Ok(())
    }
}

/// Parses `C,H,W`, or as many extents as the input of `network` has.
fn parse(text: &str, network: &Network) -> Result<Shape> {
    let extents: Option<Vec<usize>> = text.split(',').map(|word| word.trim().parse().ok()).collect();
    let fits = |extents: &Vec<usize>| {
        extents.len() == network.input.len() && extents.iter().all(|extent| (1..=1 << 16).contains(extent))
    };
    extents.filter(fits).map(Shape::new).ok_or_else(|| {
        let form = match network.input.len() {
            3 => "channels, height and width, such as 3,224,224".to_owned(),
            rank => format!("{rank} extents with commas between"),
        };
        Error::input(format!("--input {text}: write {form}")).into()
    })
}
