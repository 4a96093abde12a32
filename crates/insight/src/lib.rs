//! What a network sees and what it learned, as pictures and reports.

#![forbid(unsafe_code)]
