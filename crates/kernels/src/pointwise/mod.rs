//! Operations on each element by itself, and arithmetic with broadcasting.

pub mod activation;
pub mod broadcast;
pub mod cast;
pub mod clip;
pub mod dropout;
pub mod elementwise;
pub mod function;
