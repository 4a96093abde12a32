//! Sum over all but the channels: the gradient of a bias.

/// Sum over N, H and W. Operand: x `[N, C, H, W]` or `[N, C]`; output: `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSum;

/// Sum over N, H and W of a product: the gradient of a coefficient. Operands: x, dy `[N, C, H, W]` or
/// `[N, C]`; output: `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelProductSum;
