//! ONNX: networks as they are exported here, and what a whole file becomes when it is damaged. The table of
//! refusals of ONNX stands in `crates/formats/tests/onnx.rs`.

use striate_engine::Inference;
use striate_formats::onnx_bytes;
use striate_testkit::networks;

use super::{Case, bad, good};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for network in networks::all().into_iter().filter(|network| network.image().is_ok()) {
        let weights = Inference::initial_weights(&network, 0).expect("the network is whole");
        // Not every layer has an operation of ONNX.
        if let Ok(bytes) = onnx_bytes(&network, &weights) {
            cases.push(good(&network.name, bytes));
        }
    }
    let whole = cases[0].bytes.clone();
    cases.push(bad("cut off", &whole[..whole.len() - 1], "are left"));
    cases.push(bad("words", "this is no model at all", "damaged"));
    cases
}
