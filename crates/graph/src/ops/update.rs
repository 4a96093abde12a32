//! In-place updates of variables, mostly at the end of a training step.

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

/// RMSProp. Operands: gradient, rate `[1]`; outputs: parameter, mean square, and with momentum its state.
///
/// g += decay·p; s = a·s + (1 − a)·g²; d = g/(√s + ε); v = momentum·v + d; p −= rate·v. Hinton's lecture 6e (2012),
/// in PyTorch's form.
#[derive(Debug, Clone, PartialEq)]
pub struct RmsProp {
    /// Decay rate of the mean square, a.
    pub decay: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// The momentum coefficient; 0 for none.
    pub momentum: f32,
    /// The weight decay coefficient.
    pub weight_decay: f32,
}

/// LARS. Operands: gradient, rate `[1]`; outputs: parameter, and with momentum its state.
///
/// g = ratio·(g + decay·p) with ratio = trust·‖p‖/(‖g‖ + decay·‖p‖), or 1 if a norm is zero; then as [`Sgd`]. You et
/// al., arXiv 1708.03888, 2017, with the rate outside of the momentum.
#[derive(Debug, Clone, PartialEq)]
pub struct Lars {
    /// The momentum coefficient; 0 for none.
    pub momentum: f32,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
    /// The weight decay coefficient.
    pub weight_decay: f32,
    /// The trust coefficient.
    pub trust: f32,
}

/// Running average. Operands: x, keep `[1]`, share `[1]`; output: the average, keep·average + share·x.
#[derive(Debug, Clone, PartialEq)]
pub struct Average;

/// Clipping of the gradients by their global norm. Outputs: the gradients, scaled in place, and last the
/// norm `[1]` before scaling. Pascanu et al., ICML 2013.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipNorm {
    /// The largest norm that is left unchanged.
    pub max_norm: f32,
}
