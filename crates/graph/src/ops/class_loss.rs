//! Classification losses other than the cross-entropy, as means over the batch.

/// The quantity to minimize; x are the scores of an image, y its label, K the number of classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// 1/K · Σ −t·log σ(x) − (1 − t)·log(1 − σ(x)), with t = 1 for the label and 0 for the others.
    BinaryCrossEntropy,
    /// 1/K · Σ (x − t)², with t = 1 for the label and 0 for the others.
    MeanSquared,
    /// 1/K · Σ over i ≠ y of max(0, margin − x\[y\] + x\[i\])^power: Weston and Watkins, ESANN 1999; PyTorch's
    /// multi-class margin loss.
    Hinge {
        /// The distance that the label's score must have from the others.
        margin: f32,
        /// 1, or 2 for the squared form.
        power: u8,
    },
    /// max over i of x\[i\] − x\[y\]: Rosenblatt's error-correcting rule for several classes, whose gradient is 1 for
    /// the class with the highest score (the first of several) and −1 for the label, if they differ. Duda and Hart,
    /// Pattern Classification and Scene Analysis, 1973, section 5.12.
    Perceptron,
    /// −x\[y\] + log(e^−j + Σ e^x\[i\]): equation 9 of LeCun et al., Proc. IEEE 86(11), 1998, whose penalties
    /// are −x.
    Rbf {
        /// The penalty of an additional "none of the classes" class.
        j: f32,
    },
}

/// Loss of a classifier. Operands: scores `[N, K]`, labels `[N]` i64; outputs: loss `[1]`, and in place of
/// probabilities `[N, K]` the sigmoid of the scores (binary cross-entropy), the scores themselves (mean
/// squared), their softmax (hinge, perceptron), or their softmax including the "none of the classes" class (RBF).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLoss {
    /// The quantity to minimize.
    pub criterion: Criterion,
    /// Factor on the loss.
    pub scale: f32,
}

/// Gradient with respect to the scores. Operands: scores, labels; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassLossGradient(pub ClassLoss);
