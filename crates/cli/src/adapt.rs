//! Flags that adapt a network to another number of classes or input shape.

use anyhow::Result;
use clap::Args;
use striate_formats::ReadOptions;
use striate_graph::Network;
use striate_tensor::{Error, Shape};

use crate::reading::Extents;

/// Flags that adapt a network.
#[derive(Debug, Args)]
pub struct Adapt {
    /// Change the number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// Change the input shape
    #[arg(long, value_name = "C,H,W")]
    pub input: Option<Extents>,
    /// Output of an ONNX graph [default: the scores, [N, K]]
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
}

impl Adapt {
    /// Options for reading the network's file.
    pub fn options(&self) -> ReadOptions {
        let input = self.input.as_ref().map(|Extents(extents)| extents.clone());
        ReadOptions { input, output: self.output.clone(), ..ReadOptions::default() }
    }

    /// Adapts `network` as requested.
    pub fn apply(&self, network: &mut Network) -> Result<()> {
        if let Some(Extents(input)) = &self.input {
            check_rank(input, network)?;
            network.set_input(Shape::new(input.clone()));
        }
        if let Some(classes) = self.classes {
            network.set_classes(classes)?;
        }
        Ok(())
    }
}

/// Refuses extents whose rank differs from that of the network's input.
fn check_rank(input: &[usize], network: &Network) -> Result<()> {
    if input.len() == network.input.len() {
        return Ok(());
    }
    let form = match network.input.len() {
        3 => "channels, height and width, such as 3,224,224".to_owned(),
        1 => "1 extent".to_owned(),
        rank => format!("{rank} extents, separated by commas"),
    };
    let text = input.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Err(Error::input(format!("--input {text}: expected {form}")).into())
}
