//! Losses of scores against labels besides the cross-entropy, as means over the batch.

/// What is minimized; x are the scores of an image, y its label, K the number of classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// 1/K · Σ −t·log σ(x) − (1 − t)·log(1 − σ(x)), t one at the label and else zero: each class by itself.
    BinaryCrossEntropy,
    /// 1/K · Σ (x − t)², t one at the label and else zero.
    MeanSquared,
    /// 1/K · Σ over i ≠ y of max(0, margin − x\[y\] + x\[i\])^power: Weston and Watkins, ESANN 1999, as
    /// PyTorch's multi-class margin loss.
    Hinge {
        /// How far the label's score is to lie above the others.
        margin: f32,
        /// 1, or 2 for the squared form.
        power: u8,
    },
    /// −x\[y\] + log(e^−j + Σ e^x\[i\]): equation 9 of LeCun et al., Proc. IEEE 86(11), 1998, whose penalties
    /// are −x.
    Rbf {
        /// The penalty of a class that stands for none of them.
        j: f32,
    },
}

/// Loss of a classifier. Operands: scores `[N, K]`, labels `[N]` i64; outputs: loss `[1]`, and what stands
/// for probabilities `[N, K]`: the sigmoid of the scores, the scores themselves (mean squared), their
/// softmax (hinge), or their softmax beside the class of none (RBF).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLoss {
    /// What is minimized.
    pub criterion: Criterion,
    /// Factor on the loss.
    pub scale: f32,
}

/// Gradient for the scores. Operands: scores, labels; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLossGradient(pub ClassLoss);
