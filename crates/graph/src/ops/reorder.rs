//! Conversion to another layout, inserted by the compiler between operations that use different ones.

/// Layout conversion. Operand and output have the same shape; their layouts define the conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct Reorder;
