//! `striate verify`

use anyhow::Result;
use serde_json::json;
use striate_formats::{Integrity, ModelFile};
use striate_predict::{Classifier, refuse_builtin};
use striate_tensor::Error;
use striate_tensor::text::printable_path;

use crate::arguments::Verify;
use crate::device::{Chosen, Macs, require_f32};
use crate::json;

/// Largest difference of outputs accepted: other instruction sets sum in another order.
const TOLERANCE: f32 = 1e-4;

pub fn run(args: Verify) -> Result<()> {
    refuse_builtin(&args.model)?;
    require_f32(&args.compute)?;
    let (model, integrity) = ModelFile::load_checked(&args.model)?;
    let macs = Macs::of(&model.network, 1);
    let classifier = Classifier::new(model, Chosen::open(&args.compute, macs)?.device());
    let classifier = classifier.map_err(|e| e.at(printable_path(&args.model)))?;
    let place = printable_path(&args.model);
    let difference = classifier.golden_difference().map_err(|e| e.at(&place))?;
    // NaN fails too.
    if let Some(difference) = difference.filter(|difference| !difference.le(&TOLERANCE)) {
        let what = format!(
            "{place}: the output for its stored example differs by {difference:e}; do not trust this file"
        );
        return Err(Error::input(what).into());
    }
    if args.compute.json {
        return Ok(json::print(
            &json!({ "ok": true, "difference": difference, "digest": integrity == Integrity::Whole }),
        )?);
    }
    let covered = match integrity {
        Integrity::Whole => "the content matches the digest",
        Integrity::Weights => "the weights match their checksum, but the file has no digest of the rest",
    };
    let reproduced = match difference {
        Some(difference) => format!("the stored example is reproduced (difference {difference:e})"),
        None => "no example is stored whose output could be compared".to_owned(),
    };
    println!("{place}: {covered}; {reproduced}");
    Ok(())
}
