//! Zero channels before and behind those of a value: with a step of two, the parameter-free shortcut
//! (option A) of He et al., CVPR 2016, section 3.3.

use serde::{Deserialize, Serialize};
use striate_tensor::{Error, Result, Shape};

use super::LayerOp;

/// Zero channels around: `[N, C, …]` to `[N, before + C + after, …]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadChannels {
    /// Zero channels before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub before: usize,
    /// Zero channels behind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after: usize,
}

/// Gradient: the channels between. Operand: dy; output: dx.
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
        *channels = padded.ok_or_else(|| Error::input("before and after are absurdly large"))?;
        Ok(Shape::new(extents))
    }
}
