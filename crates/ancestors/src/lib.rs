//! Learning without gradient descent: linear support vector machines, k-means, the S-cells of the Neocognitron, and
//! calibration of scores. What is learned becomes layers of a network.
//!
//! Results are the same bits for any number of threads. Nothing here opens files or prints.

#![forbid(unsafe_code)]

pub mod k_means;
pub mod neocognitron;
mod parallel;
pub mod platt;
mod rows;
pub mod svm;
pub mod temperature;

pub use rows::Rows;
