//! In-place updates of variables at the end of a training step.

/// Stochastic gradient descent. Operands: gradient, rate `[1]`; outputs: parameter, and with momentum its
/// state.
///
/// g += decay·p; v = momentum·v + g; p −= rate·(nesterov ? g + momentum·v : v). Sutskever et al.,
/// ICML 2013, in PyTorch's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd {
    /// The momentum coefficient; 0 for none.
    pub momentum: f32,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
    /// The weight decay coefficient.
    pub weight_decay: f32,
}

/// Adam. Operands: gradient, rate `[1]`, step `[1]` i64 from 0; outputs: parameter, first moment,
/// second moment. Kingma and Ba, ICLR 2015; decoupled decay: Loshchilov and Hutter, ICLR 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// Added to the square root of the second moment.
    pub epsilon: f32,
    /// The weight decay coefficient.
    pub weight_decay: f32,
    /// Whether weight decay is applied to the parameter directly instead of through the gradient.
    pub decoupled: bool,
}

/// Clipping of the gradients by their global norm. Outputs: the gradients, scaled in place, and last the
/// norm `[1]` before scaling. Pascanu et al., ICML 2013.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipNorm {
    /// The largest norm that is left unchanged.
    pub max_norm: f32,
}
