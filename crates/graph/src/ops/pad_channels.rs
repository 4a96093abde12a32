//! Zero channels before and after those of a value: together with a stride of 2, the parameter-free shortcut
//! (option A) of He et al., CVPR 2016, section 3.3.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Pads the channels with zeros: `[N, C, …]` to `[N, before + C + after, …]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadChannels {
    /// Number of zero channels before the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub before: usize,
    /// Number of zero channels after the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after: usize,
}

/// Gradient: dy without the added channels. Operand: dy; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct PadChannelsGradient(pub PadChannels);

fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl LayerOp for PadChannels {
    fn output(&self, inputs: &[&Shape]) -> Result<Shape> {
        let mut extents = inputs[0].to_vec();
        let channels = extents.get_mut(1);
        let channels = channels.ok_or_else(|| Error::input(format!("takes [N, C, …], not {}", inputs[0])))?;
        let padded = channels.checked_add(self.before).and_then(|sum| sum.checked_add(self.after));
        *channels =
            padded.ok_or_else(|| Error::input("before and after are too large to add to the channels"))?;
        Ok(Shape::new(extents))
    }
}
