//! The rules that update parameters.

use crate::Op;
use crate::ops::{Adam, Lars, RmsProp, Sgd};

/// The rule that updates parameters from their gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// The momentum coefficient.
        momentum: f32,
        /// Whether to use Nesterov momentum.
        nesterov: bool,
        /// The weight decay coefficient.
        weight_decay: f32,
    },
    /// Adam, or AdamW if the decay is decoupled.
    Adam {
        /// Decay rate of the first moment.
        beta1: f32,
        /// Decay rate of the second moment.
        beta2: f32,
        /// Added to the square root of the second moment.
        epsilon: f32,
        /// The weight decay coefficient.
        weight_decay: f32,
        /// Whether weight decay is applied to the parameter directly instead of through the gradient.
        decoupled: bool,
    },
    /// RMSProp.
    RmsProp {
        /// Decay rate of the mean square.
        decay: f32,
        /// Added to the root of the mean square.
        epsilon: f32,
        /// The momentum coefficient.
        momentum: f32,
        /// The weight decay coefficient.
        weight_decay: f32,
    },
    /// LARS; for parameters without weight decay, stochastic gradient descent.
    Lars {
        /// The momentum coefficient.
        momentum: f32,
        /// Whether to use Nesterov momentum.
        nesterov: bool,
        /// The weight decay coefficient.
        weight_decay: f32,
        /// The trust coefficient.
        trust: f32,
    },
}

impl Optimizer {
    /// The same rule without weight decay.
    pub(crate) fn without_decay(mut self) -> Optimizer {
        match &mut self {
            Optimizer::Sgd { weight_decay, .. }
            | Optimizer::Adam { weight_decay, .. }
            | Optimizer::RmsProp { weight_decay, .. }
            | Optimizer::Lars { weight_decay, .. } => *weight_decay = 0.0,
        }
        self
    }

    /// The operation that updates a parameter.
    pub(crate) fn op(self) -> Op {
        match self {
            Optimizer::Sgd { momentum, nesterov, weight_decay } => {
                Sgd { momentum, nesterov, weight_decay }.into()
            }
            Optimizer::Adam { beta1, beta2, epsilon, weight_decay, decoupled } => {
                Adam { beta1, beta2, epsilon, weight_decay, decoupled }.into()
            }
            Optimizer::RmsProp { decay, epsilon, momentum, weight_decay } => {
                RmsProp { decay, epsilon, momentum, weight_decay }.into()
            }
            Optimizer::Lars { momentum, nesterov, weight_decay: 0.0, .. } => {
                Sgd { momentum, nesterov, weight_decay: 0.0 }.into()
            }
            Optimizer::Lars { momentum, nesterov, weight_decay, trust } => {
                Lars { momentum, nesterov, weight_decay, trust }.into()
            }
        }
    }

    /// The names of the states that it keeps for each parameter.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        let momentum = |momentum: f32| (momentum != 0.0).then_some("momentum");
        match *self {
            Optimizer::Sgd { momentum: coefficient, .. } | Optimizer::Lars { momentum: coefficient, .. } => {
                momentum(coefficient).into_iter().collect()
            }
            Optimizer::Adam { .. } => vec!["moment1", "moment2"],
            Optimizer::RmsProp { momentum: coefficient, .. } => {
                ["square"].into_iter().chain(momentum(coefficient)).collect()
            }
        }
    }
}
