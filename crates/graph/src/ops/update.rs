//! Updates of variables at the end of a training step, all in place.

/// Stochastic gradient descent. Operands: gradient, rate `[1]`; outputs: parameter, and the momentum's
/// state if there is one.
///
/// g += decay·p; v = momentum·v + g; p −= rate·(nesterov ? g + momentum·v : v). Sutskever et al.,
/// ICML 2013, in PyTorch's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd {
    /// Share of the last step that is kept; 0 for none.
    pub momentum: f32,
    /// Whether the gradient is looked up ahead.
    pub nesterov: bool,
    /// Pull towards zero.
    pub weight_decay: f32,
}

/// Adam. Operands: gradient, rate `[1]`, step `[1]` i64 from 0; outputs: parameter, first moment,
/// second moment. Kingma and Ba, ICLR 2015; decoupled decay: Loshchilov and Hutter, ICLR 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Pull towards zero.
    pub weight_decay: f32,
    /// Whether the pull acts on the parameter instead of the gradient.
    pub decoupled: bool,
}

/// Sum over micro-batches. Operand: gradient; output: total += gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Accumulate;

/// Limit on the norm of all gradients together. Outputs: the gradients, scaled in place, and last
/// their norm `[1]` before that. Pascanu et al., ICML 2013.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipNorm {
    /// The largest norm that is let through.
    pub max_norm: f32,
}
