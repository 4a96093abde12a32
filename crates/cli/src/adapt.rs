//! Flags that adapt a network to another number of classes or input shape.

use anyhow::Result;
use clap::Args;
use striate_formats::ReadOptions;
use striate_graph::Network;
use striate_predict::adapt;

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
        let input = self.input.as_ref().map(|Extents(extents)| &extents[..]);
        Ok(adapt(network, input, self.classes)?)
    }
}
