//! A network changed to other classes and other inputs.

use anyhow::Result;
use clap::Args;
use striate_graph::Network;
use striate_tensor::{Error, Shape};

/// The options that adapt a network.
#[derive(Debug, Args)]
pub struct Adapt {
    /// Give the network so many classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Give it images of this size
    #[arg(long, value_name = "C,H,W")]
    pub input: Option<String>,
}

impl Adapt {
    /// Changes `network` as asked.
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

/// `C,H,W`, or the extents of whatever else `network` takes.
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
