//! Cross-entropy: the mean over the batch of −Σ tᵢ·log softmax(x)ᵢ, where t is 1 for the label and 0 for the
//! others. Label smoothing: Szegedy et al., CVPR 2016, section 7.

/// Loss of a classifier. Operands: scores `[N, K]`, labels `[N]` i64; outputs: loss `[1]`,
/// probabilities `[N, K]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropy {
    /// Label smoothing: the share of the target distributed evenly over all classes.
    pub smoothing: f32,
    /// Factor on the loss.
    pub scale: f32,
}

/// Gradient with respect to the scores. Operands: probabilities, labels; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropyGradient(pub CrossEntropy);

/// Loss of a classifier whose targets are shares of the classes. Operands: scores `[N, K]`, targets `[N, K]`; outputs:
/// loss `[1]`, probabilities `[N, K]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftCrossEntropy {
    /// Factor on the loss.
    pub scale: f32,
}

/// Gradient with respect to the scores. Operands: probabilities, targets; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftCrossEntropyGradient(pub SoftCrossEntropy);
