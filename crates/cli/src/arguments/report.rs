//! The flags of `report`.

use std::path::PathBuf;

use clap::Args;

use super::Compute;
use crate::reading::Cache;

#[derive(Debug, Args)]
#[command(after_help = "\
`train` writes this report at its end. Data that is gone or has changed since
is left out, with the reason.

Example:
  striate report runs/lenet5-digits-1")]
pub struct Report {
    /// Run folder
    pub run: PathBuf,
    /// Page to write [default: report.html in the run folder]
    #[arg(long, value_name = "OUT.html")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub cache: Cache,
    #[command(flatten)]
    pub compute: Compute,
}
