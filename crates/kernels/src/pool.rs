//! placeholder
/// placeholder
pub struct Pool;
