//! Integer inputs, such as bytes: the values that preprocessing must produce for them.

use striate_formats::IntegerType;
use striate_graph::Network;
use striate_tensor::preprocessing::Preprocessing;
use striate_tensor::{Error, Result};

use crate::preprocessing::plain;

/// Returns the preprocessing that gives pixels to `network` as bytes.
///
/// # Errors
/// If it takes no images.
pub(crate) fn bytes_preprocessing(network: &Network) -> Result<Preprocessing> {
    plain(network, 0.0, 1.0 / 255.0, false)
}

/// Checks that `form` produces the integers that an input takes.
///
/// # Errors
/// If it does not; the message states the values it produces, and the caller adds what to do.
pub fn check_integers(form: &Preprocessing, taken: IntegerType) -> Result<()> {
    if form.features.is_some() {
        return Err(Error::input(format!("gives features, but the network's input takes {taken}")));
    }
    let values = (0..form.channels).flat_map(|channel| (0..=255).map(move |byte| form.value(channel, byte)));
    check_values(values, taken)
}

/// Checks that `values` are integers that an input takes.
///
/// # Errors
/// If not.
pub fn check_values(values: impl Iterator<Item = f32>, taken: IntegerType) -> Result<()> {
    let (mut smallest, mut largest, mut are_whole) = (f32::INFINITY, f32::NEG_INFINITY, true);
    for value in values {
        (smallest, largest) = (smallest.min(value), largest.max(value));
        // Bytes are scaled in single precision.
        are_whole &= (value - value.round()).abs() <= 1e-3 + 1e-6 * value.abs();
    }
    let fits =
        smallest.round() as f64 >= taken.smallest as f64 && largest.round() as f64 <= taken.largest as f64;
    if are_whole && fits {
        return Ok(());
    }
    let kind = if are_whole { "whole numbers" } else { "fractions" };
    Err(Error::input(format!(
        "gives {kind} from {} to {}, but the network's input takes {taken}",
        short(smallest),
        short(largest)
    )))
}

/// A number with at most three decimals.
fn short(number: f32) -> String {
    format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(mean: f32, std: f32) -> Preprocessing {
        Preprocessing { channels: 1, steps: vec![], mean: vec![mean], std: vec![std], features: None }
    }

    #[test]
    fn only_bytes_suit_an_input_of_bytes() {
        check_integers(&form(0.0, 1.0 / 255.0), IntegerType::BYTES).unwrap();
        check_integers(&form(0.0, 0.003_921_569), IntegerType::BYTES).unwrap();
        for (mean, std, expected) in [
            (
                0.0,
                1.0,
                "gives fractions from 0 to 1, but the network's input takes bytes (uint8), from 0 to 255",
            ),
            (0.5, 0.5, "gives fractions from -1 to 1"),
            (128.0 / 255.0, 1.0 / 255.0, "gives whole numbers from -128 to 127"),
            (0.0, 1.0 / 510.0, "gives whole numbers from 0 to 510"),
        ] {
            let error = check_integers(&form(mean, std), IntegerType::BYTES).unwrap_err();
            let line = error.to_string();
            assert!(line.contains(expected) && !line.contains("--preprocessing"), "{line}");
        }
        let signed = IntegerType { name: "int8", smallest: -128, largest: 127 };
        check_integers(&form(128.0 / 255.0, 1.0 / 255.0), signed).unwrap();
        let line = check_integers(&form(0.0, 1.0 / 255.0), signed).unwrap_err().to_string();
        assert!(line.contains("from 0 to 255, but the network's input takes integers (int8)"), "{line}");
    }
}
