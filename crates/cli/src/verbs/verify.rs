//! `striate verify`

use anyhow::Result;
use serde_json::json;
use striate_engine::Cpu;
use striate_formats::ModelFile;
use striate_predict::Classifier;
use striate_tensor::Error;

use crate::arguments::Verify;
use crate::json;

/// Another instruction set sums in another order; more than this is another function.
const TOLERANCE: f32 = 1e-4;

pub fn run(args: Verify) -> Result<()> {
    let model = ModelFile::load(&args.model)?;
    let classifier = Classifier::new(model, Cpu::new(args.compute.threads)?);
    let classifier = classifier.map_err(|e| e.at(args.model.display()))?;
    let place = args.model.display();
    let Some(difference) = classifier.golden_difference()? else {
        return Err(Error::failed(format!("{place}: has no golden pair to rerun; train it again")).into());
    };
    // Not a number fails too.
    if !difference.le(&TOLERANCE) {
        let what = format!(
            "{place}: its own example comes out differently (by {difference:e}); the file is not to be trusted"
        );
        return Err(Error::failed(what).into());
    }
    if args.compute.json {
        return Ok(json::print(&json!({ "ok": true, "difference": difference }))?);
    }
    println!(
        "{place}: weights, network, classes and preprocessing are whole; its example comes out (difference {difference:e})"
    );
    Ok(())
}
