//! Mean over the batch of −Σ tᵢ·log softmax(x)ᵢ, where t is one at the label (and spread a little over
//! all classes with label smoothing, Szegedy et al., CVPR 2016, section 7).

/// Loss of a classifier. Operands: scores `[N, K]`, labels `[N]` i64; outputs: loss `[1]`,
/// probabilities `[N, K]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropy {
    /// Share of the target that is spread evenly over all classes.
    pub smoothing: f32,
    /// Factor on the loss.
    pub scale: f32,
}

/// Gradient for the scores. Operands: probabilities, labels; output: dx.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropyGradient(pub CrossEntropy);
