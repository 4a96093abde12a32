//! Losses of class scores, and the softmax.

pub mod class_loss;
pub mod cross_entropy;
pub mod soft_cross_entropy;
pub mod softmax;
