//! The same value in another layout; the compiler puts it between operations that disagree.

/// Operand and output have the same shape; their layouts say from what to what.
#[derive(Debug, Clone, PartialEq)]
pub struct Reorder;
