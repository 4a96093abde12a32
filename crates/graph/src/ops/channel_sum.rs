//! Sums over all axes but the channels: gradients of biases and per-channel coefficients.

/// Sum over N, H and W: the gradient of a bias. Operand: x `[N, C, H, W]` or `[N, C]`; output: `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSum;

/// Sum over N, H and W of a product: the gradient of a coefficient. Operands: x, dy `[N, C, H, W]` or
/// `[N, C]`; output: `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelProductSum;
