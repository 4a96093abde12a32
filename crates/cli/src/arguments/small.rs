//! The flags of verbs that have only a few.

use std::path::PathBuf;

use clap::Args;

use super::Compute;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  striate compare runs/lenet5-digits-1 runs/lenet5-digits-2
  striate compare runs/* --picture runs.png")]
pub struct Compare {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Draw the curves of all runs
    #[arg(long, value_name = "OUT.png")]
    pub picture: Option<PathBuf>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Devices {
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Models {
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct History {
    /// Write an HTML page with charts
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Recipes {
    /// Recipe to print, with all its fields
    pub name: Option<String>,
    /// Print one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Model file
    pub model: PathBuf,
    #[command(flatten)]
    pub compute: Compute,
}
